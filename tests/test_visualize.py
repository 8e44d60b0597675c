import cv2
import numpy as np
import pytest

from densevision.structures import Detections
from densevision.visualize import class_color, draw_boxes, draw_caption, draw_labels, legend_strip, side_by_side


def detections(*boxes) -> Detections:
    count = len(boxes)
    scores, labels = np.full(count, 0.9, np.float32), np.zeros(count, int)
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), scores, labels)


def test_box_is_outlined_in_the_color_of_its_class():
    image = np.zeros((240, 320, 3), np.uint8)
    drawn = draw_boxes(image, detections((100, 120, 200, 200)), ["car"])
    assert not image.any()  # the input stays as it was
    for x, y in ((150, 200), (100, 160), (200, 160)):
        assert drawn[y, x].tolist() == list(class_color(0))
    assert not drawn[130:190, 110:190].any()  # nothing inside
    assert drawn[108:118, 100:150].any()  # the name stands above


def test_names_stay_inside_the_frame():
    image = np.zeros((120, 160, 3), np.uint8)
    for box in ((0, 0, 20, 20), (150, 0, 160, 20), (155, 110, 160, 120), (-30, -30, 400, 300)):
        drawn = draw_boxes(image, detections(box), ["traffic light"])
        plate = (drawn == class_color(0)).all(-1)
        rows = plate.sum(1)
        assert rows.max() > 60 and (rows > 30).sum() >= 6  # the plate has the name's whole width


def test_no_detections_leave_the_image_as_it_is():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert (draw_boxes(image, detections(), ["car"]) == image).all()


def test_the_better_box_lies_on_top():
    both = Detections(np.float32([[10, 60, 90, 90]] * 2), np.float32([0.9, 0.1]), np.array([1, 2]))
    drawn = draw_boxes(np.zeros((100, 100, 3), np.uint8), both, ["a", "b", "c"])
    assert drawn[90, 50].tolist() == list(class_color(1))


def test_names_of_overlapping_boxes_do_not_overlap():
    boxes = np.float32([[100, 100, 200, 200], [104, 104, 204, 204]])
    both = Detections(boxes, np.float32([0.9, 0.8]), np.array([0, 1]))
    drawn = draw_boxes(np.zeros((300, 300, 3), np.uint8), both, "ab")
    second = Detections(boxes[1:], both.scores[1:], both.labels[1:])
    alone = draw_boxes(np.zeros((300, 300, 3), np.uint8), second, "ab")
    plates = [_plate_rows(drawn, label) for label in (0, 1)]
    assert plates[0] and max(plates[0]) <= 100  # the better one's stands above its box
    assert plates[1] and min(plates[1]) >= 204 and max(_plate_rows(alone, 1)) <= 104  # the other's below, not above


def _plate_rows(drawn: np.ndarray, label: int) -> list[int]:
    """Return the rows in which a plate's color stands outside of both boxes."""
    rows = np.flatnonzero((drawn == class_color(label)).all(-1).sum(1) > 10)
    return [int(row) for row in rows if row < 98 or row > 207]


def test_crowded_tiny_boxes_have_no_names():
    places = [(x, y, x + 8, y + 8) for y in range(20, 180, 10) for x in range(20, 180, 10)]
    drawn = draw_boxes(np.zeros((200, 200, 3), np.uint8), detections(*places), ["traffic light"])
    inside = drawn[60:140, 60:140]
    assert (inside == class_color(0)).all(-1).mean() < 0.4  # outlines of one pixel: 28 of 100 pixels


def test_caption_stands_in_the_upper_right_corner():
    drawn = np.full((240, 320, 3), 200, np.uint8)
    draw_caption(drawn, "model.tflite  12 ms")
    changed = np.argwhere((drawn != 200).any(-1))
    assert changed[:, 0].max() < 20 and changed[:, 1].min() > 160 and changed[:, 1].max() == 319
    draw_caption(drawn[:5, :5], "larger than the image")


def test_a_true_box_has_a_name_alone():
    image, boxes, label = np.zeros((100, 200, 3), np.uint8), np.float32([[10, 60, 20, 90]]), np.array([0])
    scored, true = (draw_boxes(image, Detections(boxes, np.float32([score]), label), ["car"]) for score in (1, np.nan))
    widths = [(drawn == class_color(0)).all(-1).sum(1).max() for drawn in (true, scored)]
    assert 10 < widths[0] < widths[1] - 10  # the plate of "car" and of "car 1.00"


def test_colors_are_distinct():
    colors = np.array([class_color(label) for label in range(20)], int)
    distances = np.abs(colors[:, None] - colors[None]).sum(-1) + 1000 * np.eye(20, dtype=int)
    assert distances.min() > 20


def test_label_map_is_blended_by_hand():
    image = np.full((200, 300, 3), 100, np.uint8)
    labels = np.zeros((200, 300), np.uint8)
    labels[:, 150:] = 1
    labels[:20] = 255
    drawn = draw_labels(image, labels, ["road", "sky"], [(200, 0, 100), (0, 60, 255)], alpha=0.5)
    assert drawn[30, 10].tolist() == [150, 50, 100]
    assert drawn[30, 200].tolist() == [50, 80, 178]  # (100 + 255) / 2 = 177.5
    assert drawn[10, 10].tolist() == [100, 100, 100]  # ignored pixels show the image
    assert (image == 100).all()


def test_legend_names_all_classes_unless_they_are_many():
    image, labels = np.full((200, 300, 3), 100, np.uint8), np.ones((200, 300), np.uint8)
    palette = [(255, 0, 0), (0, 255, 0), (0, 0, 255)] * 7
    for count, shown in ((3, [True, True, True]), (21, [False, True, False])):
        drawn = draw_labels(image, labels, ["name"] * count, palette[:count], alpha=0.2)
        assert [(drawn == color).all(-1).sum() > 20 for color in palette[:3]] == shown


def test_legend_of_many_classes_goes_on_in_further_columns():
    labels = np.arange(19, dtype=np.uint8).repeat(320).reshape(-1, 320)[np.arange(60) % 19]
    palette = [class_color(label) for label in range(19)]
    names = [f"class {label}" for label in range(19)]
    drawn = draw_labels(np.zeros((60, 320, 3), np.uint8), labels, names, palette, alpha=0.0)
    assert all((drawn == color).all(-1).any() for color in palette[:12])


def test_legend_strip_is_as_high_as_the_image():
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    strip = legend_strip((60, 300), ["road", "traffic light", "sky"], colors)
    assert strip.shape[0] == 60 and 60 < strip.shape[1] < 120
    assert all((strip == color).all(-1).sum() > 20 for color in colors)
    narrow = legend_strip((20, 300), ["road", "traffic light", "sky"], colors)
    assert narrow.shape[0] == 20 and narrow.shape[1] > 2 * strip.shape[1]  # in three columns


@pytest.mark.skipif(int(cv2.__version__[0]) < 5, reason="OpenCV 4 draws ASCII only")
def test_names_of_other_scripts_are_drawn():
    image = np.zeros((240, 320, 3), np.uint8)
    drawn = [draw_boxes(image, detections((20, 60, 200, 200)), [name]) for name in ("??", "Ж", "自転", "ü")]
    assert len({one.tobytes() for one in drawn}) == 4


def test_side_by_side_places_every_image():
    left, right = np.full((100, 160, 3), 50, np.uint8), np.full((50, 80, 3), 200, np.uint8)
    grid = side_by_side([(left, right), (right, left)], ["truth", "prediction"])
    assert grid.shape[1] == 2 * 160 + 2 and grid.shape[0] > 2 * 100
    assert grid[-1, 0].tolist() == [200] * 3 and grid[-1, -1].tolist() == [50] * 3
    assert grid[-110, 0].tolist() == [50] * 3  # 100 rows of the second image and a gap above the last row
