"""The page's own mathematics against Python's predictors, in Chromium."""

import numpy as np
import pytest

from densevision.inference.predictor import DetectionPredictor, SegmentationPredictor
from densevision.inference.tflite_backend import spread_detections
from densevision.structures import PostProcess
from densevision.web.site import _package_folder
from tests.browser.chromium import Site

pytestmark = pytest.mark.slow
SIZE, TARGET = (40, 60), (97, 203)


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "empty.html").write_text("<!doctype html>")
    for name, content in _package_folder("page").items():
        (folder / name).write_bytes(content)
    tab = browser.new_page()
    tab.goto(Site(folder).url() + "empty.html")
    yield tab
    tab.close()


def call(page, code, argument):
    """Run code with the module ``post`` and one argument."""
    return page.evaluate(f"async (given) => {{ const post = await import('./postprocess.js'); {code} }}", argument)


SELECT = """
const boxes = new Float32Array(given.boxes.flat()), scores = new Float32Array(given.scores.flat());
return post.select(boxes, scores, given.settings, given.size, given.target);
"""


def selected(page, boxes, scores, settings, size=SIZE, target=TARGET):
    given = dict(boxes=boxes.tolist(), scores=scores.tolist(), settings=settings.__dict__, size=size, target=target)
    return call(page, SELECT, given)


class Stored:
    """A backend with outputs that were stored."""

    lowest_score = 0.0

    def __init__(self, *outputs, size=SIZE):
        self.outputs, self.input_size = outputs, size

    def __call__(self, images):
        return tuple(output[None] for output in self.outputs)


def test_suppression_by_hand(page):
    # IoU of the first two: 50 / (100 + 100 - 50) = 1/3; the third is elsewhere.
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [30, 30, 40, 40]], np.float32)
    scores = np.array([[0.9, 0.1], [0.1, 0.8], [0.0, 0.6]], np.float32)
    for iou, nms, wanted in (
        (0.3, "across-classes", [(0, 0.9), (1, 0.6)]),
        (0.4, "across-classes", [(0, 0.9), (1, 0.8), (1, 0.6)]),
        (0.3, "per-class", [(0, 0.9), (1, 0.8), (1, 0.6)]),
    ):
        settings = PostProcess(score_threshold=0.2, iou_threshold=iou, nms=nms)
        found = selected(page, boxes, scores, settings, size=(40, 60), target=(80, 60))
        assert [(row["label"], round(row["score"], 6)) for row in found] == wanted
        assert found[0]["box"] == [0, 0, 10, 20]  # the image is twice as high as the input


@pytest.mark.parametrize("nms", ["across-classes", "per-class"])
@pytest.mark.parametrize("clip_first", [True, False])
def test_suppression_equals_the_predictors(page, nms, clip_first):
    random = np.random.default_rng(5)
    for limit, candidates in ((100, 400), (7, 400), (100, 10)):
        corners = random.uniform(-8, 50, (300, 2)).astype(np.float32)
        boxes = np.concatenate([corners, corners + random.uniform(1, 25, (300, 2)).astype(np.float32)], 1)
        scores = random.uniform(0, 1, (300, 4)).astype(np.float32).round(2)  # ties
        settings = PostProcess(0.05, 0.5, limit, candidates, clip_first, nms)
        wanted = DetectionPredictor(Stored(boxes, scores), "abcd", settings)(np.zeros((*TARGET, 3), np.uint8))
        found = selected(page, boxes, scores, settings)
        assert [row["label"] for row in found] == wanted.labels.tolist()
        assert np.array([row["score"] for row in found]) == pytest.approx(wanted.scores, abs=0)
        assert np.abs(np.array([row["box"] for row in found]) - wanted.boxes).max() < 1e-5


DENSE = """
const floats = ([name, values]) => [name, new Float32Array(values.flat())];
const outputs = Object.fromEntries(Object.entries(given).map(floats));
const { boxes, scores } = post.denseBoxes(outputs, "detections", 3, [40, 60]);
return [[...boxes], [...scores]];
"""


def test_rows_after_the_count_are_dropped(page):
    outputs = dict(
        detection_boxes=[[0.25, 0.5, 0.5, 1.25], [0, 0, 1, 1], [9, 9, 9, 9]],
        detection_classes=[[1, 0, 1]],
        detection_scores=[[0.75, 0.5, 0.99]],
        num_detections=[2],
    )
    arrays = [np.array(value, np.float32) for value in outputs.values()]
    boxes, scores = spread_detections(arrays[0][None], *arrays[1:], num_classes=3, size=(40, 60))
    found = call(page, DENSE, outputs | dict(num_detections=[[2]]))
    assert found == [boxes.reshape(-1).tolist(), scores.reshape(-1).tolist()]
    assert found[0] == [30, 10, 75, 20, 0, 0, 60, 40]


MAP = """
const Kind = given.logits ? Float32Array : Uint8Array;
const { shape, size, padded, corners, target } = given;
const labels = post.labelMap(new Kind(given.output), shape, size, padded, corners, target);
return [...labels];
"""


# No pixel's center is on the border of two cells: there, OpenCV takes either.
@pytest.mark.parametrize("target", [(97, 200), (40, 64), (5, 8), (3, 5)])
@pytest.mark.parametrize(("padded", "corners"), [(None, True), ((49, 65), True), ((50, 66), False)])
@pytest.mark.parametrize("logits", [True, False])
def test_label_maps_equal_the_predictors(page, logits, padded, corners, target):
    random = np.random.default_rng(6)
    output = random.normal(size=(5, 8, 6)).astype(np.float32)
    output = output if logits else output.argmax(-1).astype(np.uint8)
    colors = [(0, 0, 0)] * 6
    predictor = SegmentationPredictor(Stored(output), "abcdef", colors, padded_size=padded, align_corners=corners)
    wanted = predictor(np.zeros((*target, 3), np.uint8))
    given = dict(output=output.reshape(-1).tolist(), shape=[1, *output.shape], logits=logits)
    found = call(page, MAP, given | dict(size=SIZE, padded=padded, corners=corners, target=target))
    assert np.array_equal(np.array(found).reshape(target), wanted)


def test_smooth_edges_keep_what_is_uniform_and_round_what_is_not(page):
    code = "return [...post.smoothLabels(new Uint8Array(given), [1, 3, 3], 4, [9, 9])];"
    assert call(page, code, [2] * 9) == [2] * 81
    found = np.array(call(page, code, [0, 0, 0, 0, 3, 0, 0, 0, 0])).reshape(9, 9)
    # In the middle cell the plane of class 3 is (1 - |dx|)(1 - |dy|) with steps of a third; 4/9 at its corners.
    assert found[3:6, 3:6].tolist() == [[0, 3, 0], [3, 3, 3], [0, 3, 0]] and found.sum() == 15
