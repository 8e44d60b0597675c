"""Real conversions of the toy models, real files in TFLite's interpreter."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch

from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.export import convert as export
from densevision.export import verify
from densevision.export.convert import ExportImages, ExportOptions, export_tflite
from densevision.export.detection_op import DetectionOp
from densevision.export.detection_parity import matched_rows
from densevision.export.exporter import make_exporter
from densevision.inference.metadata import read_model_info
from densevision.inference.tflite_backend import load_tflite, open_interpreter
from tests.export.toy import SIZE, detector, random_images, segmentor

pytestmark = pytest.mark.usefixtures("converted_once")
LABELS = ExportOptions(size=SIZE, input_type="float32")
INT8 = dataclasses.replace(LABELS, quantize="int8", input_type="uint8")


def torch_predictor(model, classes):
    from densevision.inference.predictor import DetectionPredictor
    from densevision.inference.torch_backend import TorchBackend

    backend = TorchBackend(model.predict_dense, model.data_preprocessor.normalize, model.input_size)
    return DetectionPredictor(backend, classes, dataclasses.replace(model.postprocess, score_threshold=0.3))


def test_a_detector_with_the_detection_op(tmp_path):
    model = detector()
    about = dict(classes=["car", "bus"], origin=dict(config="model = ..."))
    report = export_tflite(model, tmp_path / "made/m.tflite", images=ExportImages(random_images(4)), about=about)
    assert report.parity.images == 4
    assert report.parity.boxes < 1e-4 and report.parity.scores < 1e-4
    assert report.ops["TFLite_Detection_PostProcess"] == 1
    # pixels become float, the maps' answers are joined and the op decodes: the network is XNNPACK's
    assert report.outside == {"CONCATENATION": 2, "CAST": 1, "TFLite_Detection_PostProcess": 1}
    content = report.path.read_bytes()
    assert (report.size_bytes, report.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert [path.name for path in report.path.parent.iterdir()] == ["m.tflite"]
    predictor = load_tflite(report.path, 0.3)
    assert predictor.classes == ("car", "bus")
    for image in random_images(4):
        found, wanted = predictor(image), torch_predictor(model, ("car", "bus"))(image)
        assert len(found) and np.abs(found.scores[0] - wanted.scores[0]) < 1e-5
        assert np.abs(found.boxes[0] - wanted.boxes[0]).max() < 1e-2
        assert len(found) <= len(wanted)  # the op suppresses across classes


def test_a_segmentor_gives_the_labels_of_pytorch(tmp_path):
    report = export_tflite(segmentor(), tmp_path / "m.tflite", LABELS, ExportImages(random_images(4)))
    assert report.parity.labels >= 0.999
    predictor = load_tflite(report.path)
    labels = predictor(random_images(1, (128, 192))[0])
    assert predictor.classes == ("0", "1", "2")
    assert labels.shape == (128, 192) and labels.dtype == np.uint8 and len(np.unique(labels)) > 1
    assert (labels[::2] == labels[1::2]).all()  # an eighth of the input's size, enlarged to the nearest


def test_int8_is_whole_and_per_channel(tmp_path):
    from ai_edge_litert import schema_py_generated as schema

    from densevision.export.tflite_graph import op_name, read_graph

    images = ExportImages(random_images(4), random_images(16))
    report = export_tflite(segmentor(), tmp_path / "m.tflite", INT8, images)
    assert report.parity.labels > 0.8 and "HARD_SWISH" not in report.ops
    assert set(report.outside) <= {"ARG_MAX", "CAST", "AVERAGE_POOL_2D"}
    model = read_graph(report.path.read_bytes())
    graph = model.subgraphs[0]
    image = graph.tensors[graph.inputs[0]]
    assert image.type == schema.TensorType.UINT8
    assert image.quantization.scale.tolist() == pytest.approx([1 / 127.5])  # pixels are what they say
    for operator in graph.operators:
        if op_name(model, operator) in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            x, weight = (graph.tensors[index] for index in operator.inputs[:2])
            assert x.type == weight.type == schema.TensorType.INT8
            channels = weight.shape[3 if op_name(model, operator) == "DEPTHWISE_CONV_2D" else 0]
            assert len(weight.quantization.scale) == channels
    (best,) = (operator for operator in graph.operators if op_name(model, operator) == "ARG_MAX")
    interpreter = open_interpreter(report.path, keep_tensors=True)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], random_images(1)[0][None])
    interpreter.invoke()
    logits, labels = interpreter.get_tensor(best.inputs[0]), interpreter.get_tensor(graph.outputs[0])
    assert logits.dtype == np.int8 and (logits.argmax(-1) == labels).all()


def test_a_float_part_that_the_network_lacks_is_refused():
    from densevision.export.quantize import parts_of, to_int8

    content = export.convert(make_exporter(segmentor(), INT8).graph, SIZE)
    others = content.replace(b"predictors/", b"classifier/").replace(b".se/", b".xe/")
    assert "se" in parts_of(content) and "se" not in parts_of(others)
    for part in ("predictors", "se"):
        with pytest.raises(UserError, match=f"--float-parts {part}: the network has no such part; leave it out"):
            to_int8(others, random_images(1), float_parts=(part,))


def test_parts_may_stay_in_float(tmp_path):
    from ai_edge_litert import schema_py_generated as schema

    from densevision.export.tflite_graph import op_name, read_graph

    options = dataclasses.replace(INT8, float_parts=("se", "stem"))
    export_tflite(segmentor(), tmp_path / "m.tflite", options, ExportImages(random_images(4), random_images(4)))
    model = read_graph((tmp_path / "m.tflite").read_bytes())
    graph, kinds = model.subgraphs[0], {}
    for operator in graph.operators:
        if op_name(model, operator) == "CONV_2D":
            name = graph.tensors[operator.outputs[0]].name.decode().partition("/")[0]
            kinds.setdefault(name, set()).add(graph.tensors[operator.outputs[0]].type)
    float32, int8 = {schema.TensorType.FLOAT32}, {schema.TensorType.INT8}
    assert kinds.pop("stem") == kinds.pop("block01.se") == kinds.pop("block02.se") == float32
    assert set(kinds) >= {"block00", "block01", "block02", "block03", "last", "head", "predictors"}
    assert all(types == int8 for types in kinds.values())


def test_float16_weights_halve_the_file(tmp_path):
    options = dataclasses.replace(LABELS, quantize="float16")
    whole = export_tflite(segmentor(), tmp_path / "a.tflite", LABELS)
    half = export_tflite(segmentor(), tmp_path / "b.tflite", options, ExportImages(random_images(4)))
    assert half.parity.labels >= 0.99
    biases_and_graph = 30_000
    assert half.size_bytes < 0.5 * whole.size_bytes + biases_and_graph


@pytest.mark.slow
def test_int8_of_a_model_with_a_normalization_of_its_own(tmp_path):
    """As the models have that torchvision's weights fit."""
    from densevision.data.normalize import Normalize

    model = segmentor()
    model.data_preprocessor = Normalize((123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
    report = export_tflite(model, tmp_path / "m.tflite", INT8, ExportImages(random_images(4), random_images(8)))
    assert report.parity.labels > 0.8
    fails(tmp_path / "none", "use --input uint8", model, dataclasses.replace(INT8, input_type="float32"))


@pytest.mark.slow
@pytest.mark.parametrize("upsample, labels", [(2, "argmax"), (None, "argmax"), (None, "logits")])
def test_larger_label_maps_and_logits(tmp_path, upsample, labels):
    options = ExportOptions(SIZE, labels=labels, upsample=upsample)
    report = export_tflite(segmentor(), tmp_path / "m.tflite", options, ExportImages(random_images(4)))
    assert report.parity.labels >= 0.999
    assert load_tflite(report.path)(random_images(1)[0]).shape == SIZE


@pytest.mark.slow
@pytest.mark.parametrize("quantize", ["none", "float16", "int8"])
def test_a_detector_boxes_and_scores(tmp_path, quantize):
    options = ExportOptions(quantize=quantize, postprocess="none")
    model = detector()
    with torch.no_grad():
        for layer in model.head.classify:
            layer[-1].weight *= 0.3  # random weights as large as those of the toy are too much for int8
    report = export_tflite(model, tmp_path / "m.tflite", options, ExportImages(random_images(4), random_images(8)))
    assert "TFLite_Detection_PostProcess" not in report.ops
    found = load_tflite(report.path, 0.3)(random_images(1)[0])
    wanted = torch_predictor(model, ("0", "1"))(random_images(1)[0])
    tolerance = dict(none=0, float16=0.05, int8=0.3)[quantize]
    assert abs(len(found) - len(wanted)) <= tolerance * len(wanted)
    assert report.parity.mean_scores < dict(none=1e-5, float16=0.01, int8=0.05)[quantize]


@pytest.mark.parametrize("options", [LABELS, INT8], ids=["float", "int8"])
def test_identical_input_gives_identical_bytes(tmp_path, options):
    names = [tmp_path / name for name in ("a.tflite", "b.tflite")]
    for name in names:
        export_tflite(segmentor(), name, options, ExportImages((), random_images(4)))
    assert names[0].read_bytes() == names[1].read_bytes()


def fails(tmp_path, message, model, *arguments, **settings):
    with pytest.raises(UserError, match=message) as raised:
        export_tflite(model, tmp_path / "m.tflite", *arguments, **settings)
    assert "\n" not in str(raised.value) and not list(tmp_path.glob("*"))


def test_weights_with_nan_are_refused(tmp_path):
    model = detector()
    with torch.no_grad():
        model.head.classify[0][-1].bias[0] = torch.nan
    fails(tmp_path, "head.classify.0.1.bias contain NaN", model)


def test_images_of_another_size_or_type_are_refused(tmp_path):
    fails(
        tmp_path,
        r"\(32, 32, 3\), the input takes uint8 \(64, 96, 3\)",
        detector(),
        images=ExportImages(random_images(1, (32, 32))),
    )
    fails(tmp_path, "an image is float32", detector(), images=ExportImages([random_images(1)[0].astype(np.float32)]))


def test_int8_needs_calibration_images(tmp_path):
    fails(tmp_path, "needs calibration images", segmentor(), INT8)


def test_a_file_that_differs_from_pytorch_is_not_written(tmp_path, monkeypatch):
    content = export.convert(make_exporter(detector(), ExportOptions()).graph, SIZE)
    monkeypatch.setattr(export, "convert", lambda graph, size: content)
    other = detector()
    with torch.no_grad():
        other.head.classify[1][-1].weight += 0.3
    fails(tmp_path, "differs from PyTorch: scores differ by", other, images=ExportImages(random_images(2)))


def test_a_wrongly_set_detection_op_is_noticed(tmp_path, monkeypatch):
    real = DetectionOp
    monkeypatch.setattr(
        "densevision.export.detection.DetectionOp", lambda anchors, scales, *rest: real(anchors, (10, 10, 5, 4), *rest)
    )
    fails(tmp_path, "only .* of the detections agree", detector(), images=ExportImages(random_images(2)))


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(score_threshold=2.0), "only 0.00% of the detections agree"),  # no rows at all
        (dict(score_threshold=0.9), "of the detections agree"),
        (dict(max_detections=1), "of the detections agree"),
        (dict(iou_threshold=0.2), "of the detections agree"),
        (dict(nms="per-class"), "of the detections agree"),
    ],
)
def test_an_op_that_finds_less_or_something_else_than_the_model_is_noticed(tmp_path, monkeypatch, change, message):
    real = DetectionOp
    monkeypatch.setattr(
        "densevision.export.detection.DetectionOp", lambda *settings: dataclasses.replace(real(*settings), **change)
    )
    fails(tmp_path, message, detector(postprocess=dict(max_detections=40)), images=ExportImages(random_images(2)))


@pytest.mark.parametrize("nms", ["across-classes", "per-class"])
@pytest.mark.parametrize("weights", [(10, 10, 5, 5), (8, 9, 4, 6)], ids=str)
def test_rows_of_the_op_are_the_detections_of_the_model(tmp_path, nms, weights):
    from densevision.export.detection_reference import ReferenceDetector, with_op_postprocess

    model = detector(coder=dict(weights=weights), postprocess=dict(score_threshold=0.2))
    report = export_tflite(model, tmp_path / "m.tflite", ExportOptions(nms=nms), ExportImages(random_images(4)))
    assert report.parity.rows == 1 and report.parity.detections > 100
    assert read_model_info(report.path).postprocess == dict(
        score_threshold=0.2,
        iou_threshold=0.6,
        max_detections=100,
        candidates=len(model.anchors),
        clip_first=False,
        nms=nms,
    )
    predict, reference = load_tflite(report.path), ReferenceDetector(with_op_postprocess(model, nms), ())
    for image in random_images(4, (80, 120)):
        found, wanted = predict(image), reference(image)
        assert matched_rows(found, wanted, (80, 120)) >= 0.98 * max(len(found), len(wanted)) > 20
    assert report.ops["TFLite_Detection_PostProcess"] == 1


@pytest.mark.slow
def test_boxes_of_other_coder_weights(tmp_path):
    model = detector(coder=dict(weights=[8, 9, 4, 6]))
    options = ExportOptions(postprocess="none")
    report = export_tflite(model, tmp_path / "m.tflite", options, ExportImages(random_images(4)))
    assert report.parity.boxes < 1e-5 and report.parity.scores < 1e-4
    assert read_model_info(report.path).postprocess["nms"] == "per-class"  # which its reader does


def test_a_file_with_another_layout_than_asked_for_is_not_written(tmp_path, monkeypatch):
    content = export.convert(make_exporter(detector(), ExportOptions()).graph, SIZE)
    monkeypatch.setattr(export, "convert", lambda graph, size: content)
    turned = SSDLite(dict(name="toy"), 2, (96, 64))
    fails(tmp_path, r"its input should be \[1, 96, 64, 3, 'uint8'\] and is \[1, 64, 96, 3, 'uint8'\]", turned)
    fails(tmp_path, "its anchors should be", detector(anchors=dict(lowest=None)))


@pytest.mark.slow
def test_a_file_with_other_classes_than_the_model_is_not_written(tmp_path):
    logits = ExportOptions(SIZE, labels="logits")
    fails(tmp_path, "its classes should be 2 and is 3", segmentor(), logits, about=dict(classes=["a", "b"]))


def test_a_forbidden_operator_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "FORBIDDEN", ("CONCATENATION",))
    fails(tmp_path, "the graph contains CONCATENATION, which phones refuse", detector())


def test_a_judge_refusal_leaves_no_file(tmp_path):
    def refuse(path):
        assert path.stat().st_size > 1000
        raise UserError("too bad")

    fails(tmp_path, "too bad", detector(), judge=refuse)
    with pytest.raises(UserError, match="too bad"):
        export_tflite(detector(), tmp_path / "new/folder/m.tflite", judge=refuse)
    assert not list(tmp_path.iterdir())  # nor a folder


def test_an_older_file_stays_when_the_new_one_fails(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"older")
    with pytest.raises(UserError):
        export_tflite(segmentor(), tmp_path / "m.tflite", INT8)
    assert (tmp_path / "m.tflite").read_bytes() == b"older"


def test_a_folder_that_can_t_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--out .*m.tflite: can't be written"):
        export_tflite(detector(), tmp_path / "file/m.tflite")


def test_an_operator_without_counterpart_is_one_line():
    from torchvision.ops import nms

    from densevision.data.normalize import Normalize
    from densevision.export.graph import Pixels
    from tests.export.toy import _real_convert

    class Suppress(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.pixels = Pixels(Normalize(), "float32")

        def forward(self, image):
            boxes = self.pixels(image).reshape(-1, 4)
            return nms(boxes, boxes[:, 0], 0.5)

    with pytest.raises(UserError, match="can't be converted: .*nms") as raised:
        _real_convert(Suppress(), (8, 8))
    assert "\n" not in str(raised.value)
