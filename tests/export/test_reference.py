"""The graph of every shipped config, in PyTorch, against the model as ``densevision test`` runs it."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from densevision.detection.loss import FocalLoss
from densevision.errors import UserError
from densevision.export.convert import build_model_info
from densevision.export.detection import check_graph as check_detection
from densevision.export.detection_graph import DetectionGraph
from densevision.export.detection_parity import matched_rows
from densevision.export.detection_reference import ReferenceDetector, predict_dense, with_op_postprocess
from densevision.export.exporter import ExportOptions, make_exporter
from densevision.export.graph import run_graph
from densevision.export.segmentation import ReferenceSegmentor, SegmentationGraph
from densevision.export.segmentation import check_graph as check_segmentation
from densevision.inference.load import load_predictor
from densevision.inference.predictor import SegmentationPredictor
from densevision.segmentation.head import RASPPHead
from densevision.segmentation.model import Segmentor
from densevision.structures import Detections
from tests.export.shipped import CORNERS_ALIGNED, DETECTORS, SEGMENTORS, real_images, shipped_model
from tests.export.toy import SIZE, detector, random_images, segmentor
from tests.export.toy_data import CLASSES, write_detector


@pytest.mark.parametrize("path", SEGMENTORS, ids=lambda path: path.stem)
def test_the_graph_of_a_shipped_segmentor_gives_the_labels_of_predict(path):
    for size in ((64, 96), (63, 93)) if path in CORNERS_ALIGNED else ((63, 93),):
        images = real_images(size, "camvid", 4)
        model = shipped_model(path, images)
        assert len(np.unique([ReferenceSegmentor(model, ())(image) for image in images])) >= 5
        check_segmentation(SegmentationGraph(model), model, images[0])


@pytest.mark.parametrize("path", DETECTORS, ids=lambda path: path.stem)
def test_the_graph_of_a_shipped_detector_gives_its_boxes_and_scores(path):
    images = real_images((75, 107), "coco128", 8)  # the last maps have one cell
    model = shipped_model(path, images, ("model.input_size=(75, 107)",))
    scores = predict_dense(model, images[0])[1]
    assert scores.max() - scores.min() > 0.1  # equal scores would be easy to reproduce
    for decode in (True, False):
        check_detection(DetectionGraph(model, decode=decode), model, images[0])


def test_there_are_two_segmentors_with_corners_aligned():
    assert len(CORNERS_ALIGNED) == 2


@pytest.mark.parametrize("size", [(64, 96), (63, 93), (65, 97)])
@pytest.mark.parametrize("upsample", [1, 2, None])
def test_aligned_corners_by_torch_interpolation(size, upsample):
    """Independent of the package: pad to one more than a multiple of 32, enlarge, cut."""
    (image,) = real_images(size, "camvid", 1)
    model = shipped_model(CORNERS_ALIGNED[1], real_images(size, "camvid", 2))
    (logits,) = run_graph(SegmentationGraph(model, labels="logits", upsample=upsample), image)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1
    height, width = 65, 97  # 2 * 32 + 1, 3 * 32 + 1
    padded = F.pad(pixels, (0, width - size[1], 0, height - size[0]))
    with torch.no_grad():
        coarse = model.head(model.backbone(padded))
    assert coarse.shape[-2:] == (9, 13)  # every eighth pixel
    if upsample == 2:
        coarse = F.interpolate(coarse, size=(17, 25), mode="bilinear", align_corners=True)
    if upsample is None:
        coarse = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)
        coarse = coarse[..., : size[0], : size[1]]
    assert logits.shape[1:3] == coarse.shape[-2:]
    assert (logits.permute(0, 3, 1, 2) - coarse).abs().max() < 1e-3


@pytest.mark.parametrize("labels", ["argmax", "logits"])
@pytest.mark.parametrize("size", [(64, 80), (56, 72), (61, 93), (70, 97)])
@pytest.mark.parametrize("cell", [8, 16])
def test_outputs_that_cover_more_than_the_image_lead_to_the_models_labels(cell, labels, size):
    model = segmentor(5)
    if cell == 16:
        torch.manual_seed(0)
        model = Segmentor(dict(name="toy", output_stride=16), dict(type=RASPPHead, filters=16), 5).eval()
    (image,) = random_images(1, size)
    exporter = make_exporter(model, ExportOptions(size, labels=labels, upsample=1))
    whole = tuple(-(-side // cell) * cell for side in size)
    about = build_model_info(exporter, model, exporter.options, {"classes": [*"abcde"]})
    assert about.padded_size == (None if whole == size else whole) and about.align_corners is False
    (output,) = run_graph(exporter.graph, image)
    settings = dict(padded_size=about.padded_size, align_corners=about.align_corners)
    found = SegmentationPredictor(Stored(output.numpy(), size), "abcde", [(0, 0, 0)] * 5, **settings)(image)
    wanted = ReferenceSegmentor(model, "abcde")(image)
    if labels == "logits":
        assert (found != wanted).mean() < 0.001  # ties of float32 arithmetic
    else:  # the label of a cell, in each of its pixels
        assert np.array_equal(found, output[0].numpy().repeat(cell, 0).repeat(cell, 1)[: size[0], : size[1]])


@dataclass
class Stored:
    output: np.ndarray
    input_size: tuple[int, int]

    def __call__(self, image):
        return (self.output,)


class OtherSegmentor(Segmentor):
    def predict(self, inputs, data_samples):
        return super().predict(-inputs, data_samples)


class PlainHead(nn.Module):
    """As one writes it first: no attribute that another part asks for."""

    def __init__(self, taps, num_classes):
        super().__init__()
        self.classify = nn.Conv2d(taps["c5"].channels, num_classes, 1)
        self.unused = nn.Conv2d(4, 4, 1)  # the last convolution is none of the classes'

    def forward(self, features):
        return self.classify(features["c5"])


def test_a_segmentor_that_predicts_otherwise_is_refused():
    model = segmentor()
    model.__class__ = OtherSegmentor
    with pytest.raises(UserError, match="OtherSegmentor with LRASPPHead can't be exported"):
        check_segmentation(SegmentationGraph(model), model, random_images(1)[0])


def test_a_custom_head_is_exported_as_it_computes():
    model = Segmentor(dict(name="toy", output_stride=16), dict(type=PlainHead), 7).eval()
    check_segmentation(SegmentationGraph(model), model, random_images(1)[0])
    options = ExportOptions(SIZE)
    assert build_model_info(make_exporter(model, options), model, options, {}).classes == tuple("0123456")


class SharpLoss(FocalLoss):
    def scores(self, logits):
        return (2 * logits[..., 1:]).sigmoid()


def test_scores_of_a_custom_loss_are_taken_from_it():
    model = detector()
    model.loss_cls = SharpLoss()
    check_detection(DetectionGraph(model), model, random_images(1)[0])


def test_custom_coder_weights_reach_the_graph():
    model = detector(coder=dict(weights=(8, 9, 4, 6)))
    for decode in (True, False):
        check_detection(DetectionGraph(model, decode=decode), model, random_images(1)[0])
    graph = DetectionGraph(model, decode=True)
    graph.coder = DetectionGraph(detector(), decode=True).coder  # the usual ones
    with pytest.raises(UserError, match="boxes differ"):
        check_detection(graph, model, random_images(1)[0])


def test_a_detector_that_decodes_otherwise_is_refused():
    model = detector()
    model.decode = lambda deltas: 1.01 * model.coder.decode(deltas, model.anchors)
    with pytest.raises(UserError, match="SSDLite with SSDLiteHead can't be exported.*boxes differ"):
        check_detection(DetectionGraph(model, decode=True), model, random_images(1)[0])


def test_a_head_with_other_layers_is_refused_in_one_line():
    model = detector()
    model.head.regress = nn.ModuleList([nn.Identity()] * 6)
    with pytest.raises(UserError, match="SSDLiteHead can't be exported, see DetectionHead") as raised:
        DetectionGraph(model)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("clip_first", [True, False])
def test_a_checkpoint_predictor_evaluates_like_the_model(tmp_path, clip_first):
    config, checkpoint = write_detector(tmp_path)
    text = config.read_text().replace(
        "input_size=(64, 96))\n",
        f"input_size=(64, 96), postprocess=dict(clip_first={clip_first}, score_threshold=0.2))\n",
        1,
    )
    config.write_text(text)
    model = detector(postprocess=dict(clip_first=clip_first, score_threshold=0.2))
    predict, reference = load_predictor(config, checkpoint), ReferenceDetector(model, CLASSES)
    for image in random_images(3, (90, 70)):
        found, wanted = predict(image), reference(image)
        assert len(found) == len(wanted) > 10 and len(np.unique(found.labels)) == 2
        assert matched_rows(found, wanted, image.shape[:2]) >= 0.98 * len(found)  # overlaps within rounding of 0.6


def test_the_op_rules_share_the_weights_and_leave_the_model_alone():
    model = detector()
    other = with_op_postprocess(model, "across-classes")
    assert other.head is model.head and other.postprocess.nms == "across-classes"
    assert (model.postprocess.nms, model.postprocess.clip_first) == ("per-class", True)


def test_rows_match_once_each_by_class_score_and_box():
    def rows(*of):
        boxes, scores, labels = zip(*of, strict=True)
        return Detections(np.float32(boxes), np.float32(scores), np.array(labels))

    box, near, far = [0, 0, 10, 20], [0, 0, 10.005, 20], [0, 0, 11, 20]
    size = (100, 100)  # one pixel is 0.01, so that 0.005 pixels are 0.00005
    assert matched_rows(rows((box, 0.5, 1)), rows((near, 0.50005, 1)), size) == 1
    assert matched_rows(rows((box, 0.5, 1)), rows((far, 0.5, 1)), size) == 0
    assert matched_rows(rows((box, 0.5, 1)), rows((box, 0.501, 1)), size) == 0
    assert matched_rows(rows((box, 0.5, 1)), rows((box, 0.5, 0)), size) == 0
    assert matched_rows(rows((box, 0.5, 1), (box, 0.5, 1)), rows((box, 0.5, 1)), size) == 1
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    assert matched_rows(nothing, rows((box, 0.5, 1)), size) == matched_rows(rows((box, 0.5, 1)), nothing, size) == 0


def test_equal_scores_at_the_end_of_a_full_list_are_not_compared():
    from densevision.export.detection_parity import _above_cut

    def rows(*scores):
        count = len(scores)
        return Detections(np.zeros((count, 4), np.float32), np.float32(scores), np.zeros(count, np.int64))

    found, wanted = _above_cut(rows(0.9, 0.5, 0.5), rows(0.9, 0.5, 0.5), 3)
    assert (len(found), len(wanted)) == (1, 1)
    assert [len(each) for each in _above_cut(rows(0.9), rows(0.9, 0.5), 3)] == [1, 2]  # the list is not full
    assert [len(each) for each in _above_cut(rows(), rows(0.5, 0.5, 0.5), 3)] == [0, 3]  # nothing would be left
    assert [len(each) for each in _above_cut(rows(), rows(0.9, 0.8, 0.5), 3)] == [0, 2]
