"""Append TFLite's own detection op, which decodes boxes and applies NMS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from densevision.export.tflite_graph import add_tensor, name_outputs, op_code
from densevision.structures import Nms

OP = "TFLite_Detection_PostProcess"
OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")  # the Task API's order


@dataclass(frozen=True)
class DetectionOp:
    """The op's settings.

    Attributes:
        anchors: [A, 4] float32 (y, x, height, width).
        scales: of the encodings' y, x, height, width.
        score_threshold: lowest score, in 0..1.
        iou_threshold: of two boxes that overlap more, the one with the lower score goes.
        max_detections: rows of the outputs.
        nms: across classes is the op's "fast" mode; per class, its "regular" mode, may take longer than the network.
    """

    anchors: np.ndarray
    scales: tuple[float, float, float, float]
    score_threshold: float
    iou_threshold: float
    max_detections: int
    nms: Nms = "across-classes"


def append_detection_op(model: schema.ModelT, settings: DetectionOp) -> None:
    """Append the op to a model whose outputs are encodings [1, A, 4] and scores [1, A, K], both float32.

    Afterwards the outputs are boxes [1, D, 4] (ymin, xmin, ymax, xmax), classes [1, D] and scores [1, D], all
    float32, and their number [1]; rows after that number are left from earlier images.
    """
    graph = model.subgraphs[0]
    encodings, scores = graph.outputs
    count, num_classes = settings.max_detections, int(graph.tensors[scores].shape[-1])
    anchors = add_tensor(model, "anchors", list(settings.anchors.shape), settings.anchors)
    shapes = ([1, count, 4], [1, count], [1, count], [1])
    outputs = [add_tensor(model, name, shape) for name, shape in zip(OUTPUTS, shapes, strict=True)]
    operator = schema.OperatorT()
    operator.opcodeIndex = op_code(model, schema.BuiltinOperator.CUSTOM, OP)
    operator.inputs = np.array([encodings, scores, anchors], np.int32)
    operator.outputs = np.array(outputs, np.int32)
    operator.customOptions = np.frombuffer(_options(settings, num_classes), np.uint8)
    operator.customOptionsFormat = schema.CustomOptionsFormat.FLEXBUFFERS
    graph.operators.append(operator)
    graph.outputs = np.array(outputs, np.int32)
    name_outputs(model, OUTPUTS)


def _options(settings: DetectionOp, num_classes: int) -> bytes:
    whole = dict(
        max_detections=settings.max_detections,
        max_classes_per_detection=1,
        detections_per_class=settings.max_detections,
        num_classes=num_classes,
    )
    names = ("y_scale", "x_scale", "h_scale", "w_scale")
    real = dict(
        nms_score_threshold=settings.score_threshold,
        nms_iou_threshold=settings.iou_threshold,
        **dict(zip(names, settings.scales, strict=True)),
    )
    builder = flexbuffers.Builder()
    with builder.Map():
        for name, value in whole.items():
            builder.Int(name, value)
        for name, number in real.items():
            builder.Float(name, float(number))
        builder.Bool("use_regular_nms", settings.nms == "per-class")
    return bytes(builder.Finish())
