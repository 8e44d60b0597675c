"""Run a predictor over a source and film what it finds: the whole of ``densevision demo``."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console

from densevision.atomic import check_writable, write_json
from densevision.console import Display
from densevision.errors import UserError
from densevision.inference.predictor import Predictor
from densevision.video.pipeline import VideoReport, run_pipeline
from densevision.video.sinks import Sink, open_sink
from densevision.video.sources import Frame, Source, open_source

_LINE_EVERY = 5.0  # seconds between progress lines where there is no terminal


class Window:
    """A window on the screen.

    Raises:
        UserError: there is no screen, or an OpenCV without windows.
    """

    def __init__(self, title: str = "densevision"):
        # Without a display OpenCV's windows abort the whole process, so ask first.
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise UserError("--show: there is no display here (DISPLAY is not set); use --output instead")
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL)
        except cv2.error:
            raise UserError("--show: this OpenCV has no windows; pip install --force-reinstall opencv-python") from None
        self._title = title

    def show(self, picture: np.ndarray) -> bool:
        """Show [H, W, 3] uint8 RGB; returns False once q was pressed."""
        cv2.imshow(self._title, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return cv2.waitKey(1) & 0xFF != ord("q")


class FrameWriter:
    """Draws, writes and records frame by frame.

    Args:
        predictor: whose results these are.
        sink: takes the pictures; may be missing.
        rate: frames a second, for the times in the record.
    Attributes:
        latest: the picture drawn last.
        record: what was found, a dict for each frame.
    """

    def __init__(self, predictor: Predictor, sink: Sink | None, rate: float):
        self.latest: np.ndarray | None = None
        self.record: list[dict] = []
        self._predictor, self._sink, self._rate = predictor, sink, rate

    def write(self, frame: Frame, result: Any, picture: np.ndarray) -> None:
        """Hand the picture on and note the result."""
        self.latest = picture
        if self._sink is not None:
            self._sink.write(frame, picture)
        place = dict(frame=frame.number, time=round(frame.number / self._rate, 4))
        if frame.name:
            place = dict(frame=frame.number, file=frame.name)
        self.record.append(place | self._predictor.record(result))


def annotate_video(
    predictor: Predictor,
    where: str,
    output: Path | None,
    *,
    json_path: Path | None = None,
    window: Window | None = None,
) -> VideoReport:
    """Predict every frame of an input, film it, and print one line on where the time went.

    Args:
        where: a video, a folder of images, an image, or a camera's number.
        output: a video, an image or a folder; None writes no pictures.
        json_path: where the results by frame go.
        window: also shows the frames.
    Raises:
        UserError: the input can't be read or the output not written.
    """
    source = open_source(where)
    if json_path is not None:
        check_writable(json_path, "--json")
    sink = open_sink(output, source, where) if output is not None else None
    made = FrameWriter(predictor, sink, source.rate)
    with _finished(sink) as place, Display(Console()) as display:
        progress = _Progress(display, source, made, window)
        report = run_pipeline(source.frames, predictor, predictor.draw, made.write, progress.watch)
    if json_path is not None:
        height, width = source.size
        head = dict(input=where, size=[height, width], rate=source.rate, classes=list(predictor.classes))
        write_json(json_path, head | dict(frames=made.record), "--json")
    _tell(report, source, [*place, *([str(json_path)] if json_path else [])])
    if remark := predictor.nothing_found(report.frames):
        print(remark)
    return report


class _Progress:
    """Moves the bar, or prints a line now and then, and feeds the window."""

    def __init__(self, display: Display, source: Source, made: FrameWriter, window: Window | None):
        self._display, self._made, self._window = display, made, window
        self._total = source.total
        self._started = self._printed = time.monotonic()
        display.start("demo", source.total)

    def watch(self, count: int) -> bool:
        rate = f"{count / max(time.monotonic() - self._started, 1e-9):.1f} frames a second"
        self._display.advance(count, rate)
        if not self._display.live and time.monotonic() - self._printed > _LINE_EVERY:
            self._printed = time.monotonic()
            self._display.print(f"frame {count}{f'/{self._total}' if self._total else ''}  {rate}")
        if self._window is not None and self._made.latest is not None:
            return self._window.show(self._made.latest)
        return True


@contextlib.contextmanager
def _finished(sink: Sink | None) -> Iterator[list[str]]:
    """Finish the sink at the end, or discard it if something went wrong; gives where the result lies."""
    place: list[str] = []
    try:
        yield place
    except BaseException:
        if sink is not None:
            sink.discard()
        raise
    if sink is not None:
        place.append(sink.finish())


def _tell(report: VideoReport, source: Source, places: list[str]) -> None:
    for line in source.skipped:
        print(f"skipped: {line}")
    if source.kind == "video" and source.total and not report.interrupted and report.frames < source.total:
        print(f"the video promises {source.total} frames, {report.frames} could be read")
    if report.interrupted:
        print("stopped by Ctrl-C; what was done until then is whole")
    if places:
        print(f"wrote {' and '.join(places)}")
    print(report.line())
