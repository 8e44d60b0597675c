"""Export detectors: what a file ends in, and what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.export.detection_graph import DetectionGraph
from densevision.export.detection_op import DetectionOp, append_detection_op
from densevision.export.detection_parity import compare_dense, measure_detector
from densevision.export.detection_reference import ReferenceDetector, predict_dense, with_op_postprocess
from densevision.export.exporter import ExportOptions, Parity
from densevision.export.graph import run_graph
from densevision.export.tflite_graph import name_outputs, read_graph
from densevision.inference.metadata import ModelInfo
from densevision.inference.tflite_backend import open_interpreter

if TYPE_CHECKING:
    from densevision.config.load import Config

_GRAPH_TOLERANCE = 1e-3  # of boxes and scores: random weights, without any images to fit them, magnify rounding


class DetectionExporter:
    """See ``densevision.export.exporter.Exporter``."""

    def __init__(self, model: SSDLite, options: ExportOptions):
        self.model, self.options, self.size = model, options, model.input_size
        self.graph = DetectionGraph(model, options.graph_input(model), decode=options.postprocess == "none")

    def check_graph(self, image: np.ndarray) -> None:
        """Check that the graph gives the boxes and scores of the model."""
        check_graph(self.graph, self.model, image)

    def finish(self, converted: schema.ModelT) -> None:
        """Name the outputs, or append the detection op."""
        if self.graph.decode:
            name_outputs(converted, ("boxes", "scores"))
            return
        postprocess = self.model.postprocess
        settings = DetectionOp(
            self.graph.anchors.numpy(),
            self.graph.scales,
            postprocess.score_threshold,
            postprocess.iou_threshold,
            postprocess.max_detections,
            self.options.nms,
        )
        append_detection_op(converted, settings)

    def outputs_info(self, data: dict) -> dict[str, Any]:
        """Return the kind of output, and the NMS that the file does or leaves to its reader."""
        if self.options.postprocess == "none":
            return dict(outputs="boxes", postprocess=asdict(self.model.postprocess))
        return dict(
            outputs="detections", postprocess=asdict(with_op_postprocess(self.model, self.options.nms).postprocess)
        )

    def layout(self, path: Path, info: ModelInfo) -> dict[str, tuple[object, object]]:
        """Compare the numbers of anchors and, where the outputs show them, classes."""
        graph = read_graph(path.read_bytes()).subgraphs[0]
        boxes = graph.operators[-1].inputs[0] if info.outputs == "detections" else graph.outputs[0]
        compared: dict[str, tuple[object, object]] = {
            "anchors": (int(graph.tensors[boxes].shape[1]), len(self.model.anchors))
        }
        if info.outputs == "boxes":
            compared["classes"] = int(open_interpreter(path).get_output_details()[1]["shape"][-1]), len(info.classes)
        return compared

    def measure_parity(self, path: Path, images: Sequence[np.ndarray]) -> Parity:
        """Measure differences of boxes and scores, and of the rows of the detection op."""
        return measure_detector(self.graph, self.model, path, images, self.options.nms)

    def reference(self, info: dict, config: Config) -> ReferenceDetector:
        """Return the model with the NMS of its config."""
        float_resize = config.test_dataloader.dataset.get("float_resize", False)
        return ReferenceDetector(self.model, info["classes"], float_resize=float_resize)

    def counterpart(self, info: dict, config: Config, *, resized: bool) -> ReferenceDetector:
        """Return the model as ``densevision test`` runs it."""
        return self.reference(info, config)

    def variants(self, info: dict, config: Config, *, resized: bool) -> dict[str, ReferenceDetector]:
        """Return the model with NMS across classes, where the file has that."""
        if (self.options.postprocess, self.options.nms) != ("nms", "across-classes"):
            return {}
        across = self.reference(info, config)
        across.model = with_op_postprocess(self.model, "across-classes")
        return {"across_classes": across}


def check_graph(graph: DetectionGraph, model: SSDLite, image: np.ndarray) -> None:
    """See ``DetectionExporter.check_graph``."""
    (boxes,), (scores,) = run_graph(graph, image)
    wanted = predict_dense(model, image)
    if scores.shape != wanted[1].shape or boxes.shape != wanted[0].shape:
        raise UserError(
            f"{type(model).__name__} can't be exported: its boxes and scores have other shapes than "
            f"those of {type(model.head).__name__}"
        )
    errors = compare_dense(graph, model, (boxes, scores), wanted)
    differing = [name for name in ("boxes", "scores") if not errors[name] <= _GRAPH_TOLERANCE]
    if differing:
        raise UserError(
            f"{type(model).__name__} with {type(model.head).__name__} can't be exported, its parts compute "
            f"something else than its predictions: "
            f"{'; '.join(f'{name} differ by {errors[name]:.2g}' for name in differing)}"
        )
