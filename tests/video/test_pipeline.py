import threading

import numpy as np
import pytest

from densevision.video import Frame, run_pipeline


def frames(count: int):
    for number in range(count):
        yield Frame(number, "", np.full((2, 2, 3), number, np.uint8))


def brighter(image, result):
    return image + 1


def same(image, result):
    return image


def collect(written: list):
    return lambda frame, result, drawn: written.append((frame.number, result, int(drawn[0, 0, 0])))


def test_every_frame_passes_all_stages_in_order():
    written = []
    report = run_pipeline(frames(40), lambda image: int(image[0, 0, 0]) * 2, brighter, collect(written), bool)
    assert written == [(n, 2 * n, n + 1) for n in range(40)]
    assert report.frames == 40 and not report.interrupted


def test_stages_overlap():
    """Frame 2 is read, frame 1 is in the model and frame 0 is written at the same time, or the barrier times out."""
    together = threading.Barrier(3, timeout=30)

    def source():
        for frame in frames(4):
            if frame.number == 2:
                together.wait()
            yield frame

    def predict(image):
        if image[0, 0, 0] == 1:
            together.wait()
        return image

    def write(frame, result, image):
        if frame.number == 0:
            together.wait()

    report = run_pipeline(source(), predict, same, write, bool)
    assert report.frames == 4 and set(report.busy) == {"reading", "model", "drawing", "writing"}


@pytest.mark.parametrize("stage", ["read", "predict", "draw", "write"])
def test_a_fault_of_any_stage_comes_out_and_no_thread_stays(stage):
    def fail_at(name, value=None):
        if name == stage:
            raise ValueError(f"{name} failed")
        return value

    before = set(threading.enumerate())

    def source():
        yield from frames(30)
        fail_at("read")
        yield from frames(1000)

    with pytest.raises(ValueError, match=f"{stage} failed"):
        run_pipeline(
            source(),
            lambda image: fail_at("predict"),
            lambda image, result: fail_at("draw", image),
            lambda *parts: fail_at("write"),
            bool,
        )
    assert set(threading.enumerate()) <= before


def test_ctrl_c_keeps_what_was_predicted():
    written = []
    before = set(threading.enumerate())

    def predict(image):
        if image[0, 0, 0] == 12:
            raise KeyboardInterrupt
        return None

    report = run_pipeline(frames(200), predict, same, collect(written), bool)
    assert report.interrupted and [number for number, *_ in written] == list(range(12))
    assert set(threading.enumerate()) <= before


def test_watch_can_end_the_run():
    report = run_pipeline(frames(200), lambda image: None, same, lambda *parts: None, lambda n: n < 5)
    assert report.frames == 5 and not report.interrupted


def test_the_line_splits_the_time():
    report = run_pipeline(frames(3), lambda image: None, same, lambda *parts: None, bool)
    report.seconds, report.busy = 1.5, dict(reading=0.003, model=0.3, drawing=0.006, writing=0.009)
    assert report.line() == (
        "3 frames in 1.5 s, 2.0 frames per second; "
        "per frame: reading 1.0 ms, model 100.0 ms, drawing 2.0 ms, writing 3.0 ms"
    )
