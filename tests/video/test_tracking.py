import numpy as np
import pytest

from densevision.inference.predictor import DetectionPredictor
from densevision.structures import Detections
from densevision.video.views import ModelView

pytest.importorskip("trackers")


def at(*places) -> Detections:
    boxes = np.float32([[x, y, x + 40, y + 40] for x, y in places]).reshape(-1, 4)
    return Detections(boxes, np.linspace(0.9, 0.4, len(places), dtype=np.float32), np.zeros(len(places), int))


def test_two_objects_keep_their_numbers():
    """One moves to the right, one down; their order changes, and one is missing in a frame."""
    from densevision.video.tracking import Tracker

    tracker = Tracker(0.3)
    frames = [at((10 + 4 * row, 10), (200, 100 + 4 * row)) for row in range(10)]
    frames[5] = at((30, 10))
    frames[7] = at((200, 128), (38, 10))
    ids = [tracker.update(frame).tolist() for frame in frames]
    right, down = ids[-1]
    assert right != down and min(right, down) >= 0
    assert ids[3] == ids[4] == ids[6] == ids[8] == [right, down]
    assert ids[5] == [right] and ids[7] == [down, right]
    assert tracker.update(at()).tolist() == []


def test_numbers_are_recorded():
    from densevision.video.tracking import Tracker

    def backend(batch):
        return np.float32([[[10, 10, 60, 60]]]), np.float32([[[0.8]]])

    backend.input_size, backend.lowest_score = (96, 96), 0.0
    view = ModelView(DetectionPredictor(backend, ["car"]), "m", (), Tracker(0.3))
    image = np.zeros((96, 96, 3), np.uint8)
    records = [view.record(view.predict(image))["detections"] for _ in range(3)]
    assert [len(rows) for rows in records] == [1, 1, 1] and records[1][0]["track"] == records[2][0]["track"] >= 0
    assert view.draw(image, view.predict(image), caption=True).any()
