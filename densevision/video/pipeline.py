"""Read, predict, draw and write at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Full, Queue
from typing import Any, TypeAlias

import numpy as np

from densevision.video.sources import Frame

_WAITING = 8  # frames between two stages; more would only cost memory
_POLL_SECONDS = 0.1  # between two checks whether the other side still runs

STAGES = ("reading", "model", "drawing", "writing")

Predict: TypeAlias = Callable[[np.ndarray], Any]
Draw: TypeAlias = Callable[[np.ndarray, Any], np.ndarray]
Write: TypeAlias = Callable[[Frame, Any, np.ndarray], None]


@dataclass
class VideoReport:
    """How a run went.

    Attributes:
        frames: number of frames that were written.
        seconds: from start to end.
        busy: seconds that each of STAGES worked; they overlap.
        interrupted: whether Ctrl-C ended it.
    """

    frames: int = 0
    seconds: float = 0.0
    busy: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    interrupted: bool = False

    def line(self) -> str:
        """Return a summary in one line."""
        count = max(self.frames, 1)
        split = ", ".join(f"{stage} {1000 * seconds / count:.1f} ms" for stage, seconds in self.busy.items())
        rate = self.frames / max(self.seconds, 1e-9)
        return f"{self.frames} frames in {self.seconds:.1f} s, {rate:.1f} frames per second; per frame: {split}"


def run_pipeline(
    frames: Iterator[Frame], predict: Predict, draw: Draw, write: Write, watch: Callable[[int], bool]
) -> VideoReport:
    """Send every frame through four stages; reading has its own thread, and drawing with writing another.

    Args:
        frames: read in a thread.
        predict: image [H, W, 3] uint8 RGB -> result; called in this thread.
        draw: image and result -> annotated image.
        write: takes the frame, its result and its annotated image, in order.
        watch: called in this thread with the number of frames predicted so far; False ends the run.
    Returns:
        The report, also after Ctrl-C: then every frame that was predicted has been written.
    Raises:
        BaseException: whatever a stage raises.
    """
    report, stop = VideoReport(), threading.Event()
    read: Queue[Frame | None] = Queue(_WAITING)  # None ends it
    predicted: Queue[tuple[Frame, Any] | None] = Queue(_WAITING)
    start = time.perf_counter()
    with ThreadPoolExecutor(2) as threads:
        reader = threads.submit(_read, frames, read, stop, report)
        writer = threads.submit(_write, predicted, draw, write, report)
        try:
            _predict(read, predicted, predict, watch, (writer, report))
        except KeyboardInterrupt:
            report.interrupted = True
        finally:
            stop.set()
            _put(predicted, None, writer.done)
        reader.result()
        writer.result()
    report.seconds = time.perf_counter() - start
    return report


def _predict(
    read: Queue[Frame | None],
    predicted: Queue[tuple[Frame, Any] | None],
    predict: Predict,
    watch: Callable[[int], bool],
    others: tuple[Future[None], VideoReport],
) -> None:
    writer, report = others
    count = 0
    while (frame := read.get()) is not None:
        start = time.perf_counter()
        result = predict(frame.image)
        report.busy["model"] += time.perf_counter() - start
        count += 1
        if not _put(predicted, (frame, result), writer.done) or not watch(count):
            return


def _read(frames: Iterator[Frame], read: Queue[Frame | None], stop: threading.Event, report: VideoReport) -> None:
    try:
        while not stop.is_set():
            start = time.perf_counter()
            frame = next(frames, None)
            report.busy["reading"] += time.perf_counter() - start
            if frame is None or not _put(read, frame, stop.is_set):
                return
    finally:
        _put(read, None, stop.is_set)


def _write(predicted: Queue[tuple[Frame, Any] | None], draw: Draw, write: Write, report: VideoReport) -> None:
    while (item := predicted.get()) is not None:
        frame, result = item
        start = time.perf_counter()
        drawn = draw(frame.image, result)
        middle = time.perf_counter()
        write(frame, result, drawn)
        report.busy["drawing"] += middle - start
        report.busy["writing"] += time.perf_counter() - middle
        report.frames += 1


def _put(queue: Queue[Any], item: object, has_ended: Callable[[], bool]) -> bool:
    """Put an item unless the other side has ended; a plain put would wait for it forever."""
    while not has_ended():
        try:
            queue.put(item, timeout=_POLL_SECONDS)
            return True
        except Full:
            continue
    return False
