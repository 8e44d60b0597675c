import numpy as np
import pytest

from densevision.inference.tflite_backend import as_input, boxes_in_pixels, spread_detections


def test_boxes_turn_from_y_first_fractions_to_x_first_pixels():
    boxes = np.array([[0.25, 0.5, 0.5, 1.25]], np.float32)  # ymin, xmin, ymax, xmax; the predictor clips
    assert boxes_in_pixels(boxes, (40, 200)).tolist() == [[100.0, 10.0, 250.0, 20.0]]


def test_stale_rows_are_cut_at_the_count():
    boxes = np.array([[[0, 0, 0.5, 0.5], [0, 0, 1, 1], [9, 9, 9, 9]]], np.float32)
    classes, scores = np.array([[1.0, 0.0, 1.0]], np.float32), np.array([[0.75, 0.5, 0.99]], np.float32)
    found, spread = spread_detections(boxes, classes, scores, np.array([2.0]), num_classes=2, size=(100, 100))
    assert found.tolist() == [[[0, 0, 50, 50], [0, 0, 100, 100]]]
    assert spread.tolist() == [[[0, 0.75], [0.5, 0]]]


def test_float_inputs_run_from_minus_1_to_1():
    image = np.array([0, 51, 255], np.uint8)
    assert as_input(image, "float32").tolist() == pytest.approx([-1, -0.6, 1])
    assert as_input(image, "uint8") is image
