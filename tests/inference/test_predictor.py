from dataclasses import replace

import numpy as np
import pytest
import torch

from densevision.errors import UserError
from densevision.inference.predictor import (
    DetectionPredictor,
    SegmentationPredictor,
    cell_positions,
    class_palette,
)
from densevision.inference.selection import nms, select
from densevision.structures import PostProcess
from densevision.visualize import class_color


class FixedBackend:
    """Gives the same outputs for every image, and remembers the last image."""

    def __init__(self, outputs, input_size):
        self.outputs, self.input_size = outputs, input_size

    def __call__(self, image):
        self.seen = image
        return self.outputs


def test_boxes_come_back_in_pixels_of_the_image():
    boxes = np.float32([[[8, 16, 24, 32], [0, 0, 4, 4]]])  # input pixels, 32 x 32
    scores = np.float32([[[0.1, 0.9], [0.2, 0.1]]])
    backend = FixedBackend((boxes, scores), (32, 32))
    found = DetectionPredictor(backend, ["a", "b"])(np.zeros((96, 64, 3), np.uint8))
    # 64 / 32 = 2 times as wide, 96 / 32 = 3 times as high
    assert found.boxes.tolist() == [[16, 48, 48, 96]]
    assert found.scores.tolist() == pytest.approx([0.9]) and found.labels.tolist() == [1]
    assert backend.seen.shape == (1, 32, 32, 3) and backend.seen.dtype == np.uint8


def test_boxes_end_at_the_image():
    boxes = np.float32([[[-8, 16, 24, 40]]])
    backend = FixedBackend((boxes, np.float32([[[0.9]]])), (32, 32))
    found = DetectionPredictor(backend, ["a"])(np.zeros((96, 64, 3), np.uint8))
    assert found.boxes.tolist() == [[0, 48, 48, 96]]


def test_suppression_by_hand():
    # b lies in a with IoU 80 / 120 = 0.667, c is apart
    boxes = np.float32([[0, 0, 10, 10], [0, 2, 10, 12], [50, 50, 60, 60]])
    assert nms(boxes, 0.6, 9).tolist() == [0, 2]
    assert nms(boxes, 0.7, 9).tolist() == [0, 1, 2]
    assert nms(boxes, 0.7, 2).tolist() == [0, 1]
    assert nms(boxes[:0], 0.6, 9).tolist() == []


def test_suppressed_boxes_suppress_nothing():
    boxes = np.float32([[0, 0, 10, 10], [0, 2, 10, 12], [0, 4, 10, 14]])  # neighbours 0.667, ends 60 / 140
    assert nms(boxes, 0.6, 9).tolist() == [0, 2]


def test_each_class_is_suppressed_alone_and_the_best_come_first():
    boxes = np.float32([[0, 0, 10, 10], [0, 0, 10, 10]])
    scores = np.float32([[0.5, 0.7], [0.6, 0.2]])
    found = select(boxes, scores, PostProcess(0.1, 0.5))
    assert found.labels.tolist() == [1, 0] and found.scores.tolist() == pytest.approx([0.7, 0.6])
    assert len(select(boxes, scores, PostProcess(0.1, 0.5, max_detections=1))) == 1


def test_nothing_found_is_empty_arrays():
    found = select(np.zeros((5, 4), np.float32), np.zeros((5, 3), np.float32), PostProcess())
    assert found.boxes.shape == (0, 4) and len(found) == 0


@pytest.mark.reference
@pytest.mark.parametrize("nms", ["per-class", "across-classes"])
def test_selection_equals_the_models_own(nms):
    from densevision.detection.postprocess import select_detections

    rng = np.random.default_rng(0)
    corner, side = rng.uniform(0, 200, (600, 2)), rng.uniform(5, 90, (600, 2))
    boxes, scores = np.float32(np.hstack([corner, corner + side])), np.float32(rng.random((600, 4)))
    rules = PostProcess(score_threshold=0.2, iou_threshold=0.5, nms=nms)
    ours = select(boxes, scores, rules)
    if nms == "per-class":
        few = select(boxes, scores, replace(rules, max_detections=500, candidates=7))
        assert len(few) <= 28 and (few.scores[:9] == ours.scores[:9]).all()
    torchs = select_detections(torch.from_numpy(boxes), torch.from_numpy(scores), rules).numpy()
    assert len(ours) == 100
    assert (ours.scores == torchs.scores).all() and (ours.labels == torchs.labels).all()
    assert (ours.boxes == torchs.boxes).all()


def test_labels_have_the_size_of_the_image():
    logits = np.zeros((1, 2, 2, 3), np.float32)
    logits[0, 0, 0, 1], logits[0, 1, 1, 2] = 4, 4
    predictor = SegmentationPredictor(FixedBackend((logits,), (16, 16)), ["a", "b", "c"], [(0, 0, 0)] * 3)
    labels = predictor(np.zeros((40, 60, 3), np.uint8))
    assert labels.shape == (40, 60) and labels.dtype == np.uint8
    assert labels[0, 0] == 1 and labels[39, 59] == 2 and labels[0, 59] == 0


@pytest.mark.reference
def test_labels_equal_torchs_interpolation_and_argmax():
    logits = torch.randn(1, 6, 9, 12, generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.interpolate(logits, size=(72, 96), mode="bilinear").argmax(1)[0].numpy()
    backend = FixedBackend((logits.permute(0, 2, 3, 1).numpy(),), None)
    labels = SegmentationPredictor(backend, "abcdef", [(0, 0, 0)] * 6)(np.zeros((72, 96, 3), np.uint8))
    assert (labels != wanted).mean() < 0.001  # ties of float32 arithmetic


def test_the_best_score_of_all_images_is_kept():
    boxes = np.float32([[[0, 0, 4, 4], [0, 0, 9, 9]]])
    backend = FixedBackend((boxes, np.float32([[[0.1, 0.05], [0.25, 0.2]]])), (32, 32))
    predictor = DetectionPredictor(backend, ["a", "b"])
    assert predictor.best_score is None
    predictor(np.zeros((32, 32, 3), np.uint8))
    backend.outputs = (boxes, np.float32([[[0.04, 0.05], [0.03, 0.02]]]))
    predictor(np.zeros((32, 32, 3), np.uint8))
    assert predictor.best_score == pytest.approx(0.25)
    backend.lowest_score = 0.0
    assert predictor.nothing_found(2) == "no detection above 0.3 in 2 frames; the best score was 0.25"


def test_pixels_among_cells_with_the_corners_of_the_image():
    # 9 cells on 65 padded pixels, so one on every eighth; the image is the input, and ends at pixel 60
    positions = cell_positions(61, 61, 65, 9)
    assert positions[[0, 8, 12, 60]].tolist() == [0, 1, 1.5, 7.5]
    # an image twice as large: its pixel 17 is at 17.5 / 2 - 0.5 = 8.25 of the input; outside is the edge
    assert cell_positions(122, 61, 65, 9)[[0, 17, 121]].tolist() == [0, 8.25 / 8, 7.5]
    assert cell_positions(3, 1, 1, 1).tolist() == [0, 0, 0]


def test_pixels_among_cells_that_cover_more_than_the_image():
    # 9 cells of 8 pixels cover 72; the image is the input, and ends at pixel 69: 69.5 / 8 - 0.5 = 8.1875, the last cell
    positions = cell_positions(70, 70, 72, 9, align_corners=False)
    assert positions[[0, 4, 12, 67, 69]].tolist() == [0, 0.0625, 1.0625, 7.9375, 8]
    # an image twice as large: its pixel 17 is at 17.5 / 2 - 0.5 = 8.25 of the input
    assert cell_positions(140, 70, 72, 9, align_corners=False)[17] == 8.75 / 8 - 0.5


def test_label_maps_with_aligned_corners_go_to_the_nearest_cell():
    cells = np.array([[[0, 1, 2]]], np.uint8).repeat(3, 1)  # 3 x 3 cells on 5 x 5 padded pixels, every other one
    predictor = SegmentationPredictor(FixedBackend((cells,), (4, 4)), "abc", [(0, 0, 0)] * 3, padded_size=(5, 5))
    labels = predictor(np.zeros((4, 4, 3), np.uint8))
    # pixels 0 to 3 lie at cells 0, 0.5, 1, 1.5; halves go to the even one
    assert labels.tolist() == [[0, 0, 1, 2]] * 4 and labels.dtype == np.uint8


@pytest.mark.reference
@pytest.mark.parametrize("size", [(65, 97), (64, 96), (50, 71)])
def test_labels_with_aligned_corners_equal_torchs_interpolation_and_argmax(size):
    logits = torch.randn(1, 6, 9, 13, generator=torch.Generator().manual_seed(0))
    whole = torch.nn.functional.interpolate(logits, size=(65, 97), mode="bilinear", align_corners=True)
    wanted = whole[..., : size[0], : size[1]].argmax(1)[0].numpy()
    backend = FixedBackend((logits.permute(0, 2, 3, 1).numpy(),), None)
    predictor = SegmentationPredictor(backend, "abcdef", [(0, 0, 0)] * 6, padded_size=(65, 97))
    labels = predictor(np.zeros((*size, 3), np.uint8))
    assert labels.shape == size and (labels != wanted).mean() < 0.001  # ties of float32 arithmetic


@pytest.mark.reference
@pytest.mark.parametrize("size", [(72, 104), (70, 97), (65, 99)])
def test_labels_of_cells_that_cover_more_equal_torchs_interpolation_and_argmax(size):
    logits = torch.randn(1, 6, 9, 13, generator=torch.Generator().manual_seed(0))
    whole = torch.nn.functional.interpolate(logits, size=(72, 104), mode="bilinear", align_corners=False)
    wanted = whole[..., : size[0], : size[1]].argmax(1)[0].numpy()
    backend = FixedBackend((logits.permute(0, 2, 3, 1).numpy(),), None)
    colors = [(0, 0, 0)] * 6
    predictor = SegmentationPredictor(backend, "abcdef", colors, padded_size=(72, 104), align_corners=False)
    labels = predictor(np.zeros((*size, 3), np.uint8))
    assert labels.shape == size and (labels != wanted).mean() < 0.001  # ties of float32 arithmetic


def test_a_palette_has_a_color_for_each_class():
    assert class_palette([(1, 2, 3)], ["road"], "m.tflite") == [(1, 2, 3)]
    with pytest.raises(UserError, match="m.tflite does not have a color for each class"):
        class_palette([(1, 2, 3)], ["road", "sky"], "m.tflite")


def test_a_model_without_colors_is_drawn_in_the_toolkits():
    assert class_palette([], ["road", "sky"], "m.tflite") == [class_color(0), class_color(1)]
