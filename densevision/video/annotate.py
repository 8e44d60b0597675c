"""Run a model on a video, images or a camera, and write or show annotated frames."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console

from densevision.atomic import json_list
from densevision.console import Display
from densevision.errors import UserError
from densevision.video.pipeline import VideoReport, run_pipeline
from densevision.video.sinks import Sink, open_sink
from densevision.video.sources import Frame, Source, has_sound, open_source
from densevision.video.views import View

_LINE_EVERY = 5.0  # seconds between progress lines where there is no terminal


class Window:
    """A window on the screen.

    Raises:
        UserError: there is no display, or OpenCV was built without windows.
    """

    def __init__(self, title: str = "densevision"):
        # Without a display OpenCV's windows abort the whole process, so ask first.
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise UserError("--show: there is no display here (DISPLAY is not set); use --out instead")
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL)
        except cv2.error:
            raise UserError(
                "--show: this OpenCV has no windows; "
                f"{sys.executable} -m pip install --force-reinstall --no-deps 'opencv-python=={cv2.__version__}.*'"
            ) from None
        self._title = title

    def show(self, image: np.ndarray) -> bool:
        """Show [H, W, 3] uint8 RGB; returns False once q was pressed."""
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return cv2.waitKey(1) & 0xFF != ord("q")


class FrameWriter:
    """Writes annotated frames and records the results.

    Args:
        predictor: gives the results.
        sink: takes the annotated frames; None writes none.
        rate: frames per second, for the times in the record.
        record: takes what was found, a dict per frame; None keeps nothing.
    Attributes:
        latest: the last annotated frame.
    """

    def __init__(self, view: View, sink: Sink | None, rate: float, record: Callable[[object], None] | None = None):
        self.latest: np.ndarray | None = None
        self._view, self._sink, self._rate, self._record = view, sink, rate, record

    def write(self, frame: Frame, result: Any, drawn: np.ndarray) -> None:
        """Write an annotated frame and record the result."""
        self.latest = drawn
        if self._sink is not None:
            self._sink.write(frame, drawn)
        if self._record is None:
            return
        seconds = round(frame.number / self._rate if frame.seconds is None else frame.seconds, 4)
        place = dict(file=frame.name) if frame.name else dict(time=seconds)
        self._record(dict(frame=frame.number) | place | self._view.record(result))


def annotate_video(
    view: View,
    where: str,
    output: Path | None,
    *,
    json_path: Path | None = None,
    window: Window | None = None,
    every: int = 1,
) -> VideoReport:
    """Predict and annotate the frames of an input, and print one line on where the time went.

    Args:
        view: predicts and draws.
        where: see ``open_source``.
        output: a video, an image or a folder; None writes no frames.
        json_path: where the results per frame go.
        window: also shows the frames.
        every: take every Nth frame only.
    Raises:
        UserError: the input can't be read or the output can't be written.
    """
    source = open_source(where, every)
    height, width = source.size
    head = dict(input=where, size=[height, width], rate=source.rate, classes=list(view.classes))
    with json_list(json_path, head, "frames", "--json") if json_path else contextlib.nullcontext() as record:
        drawn = replace(source, size=view.size(source.size))
        sink = open_sink(output, drawn, where) if output is not None else None
        writer = FrameWriter(view, sink, source.rate, record)
        caption = source.kind in ("video", "stream", "camera")
        with _finished(sink) as places, Display(Console()) as display:
            progress = _Progress(display, source, writer, window)
            draw = partial(view.draw, caption=caption)
            report = run_pipeline(source.frames, view.predict, draw, writer.write, progress.watch)
    if json_path is not None:
        places.append(str(json_path))
    _print_summary(report, source, places)
    if remark := view.nothing_found(report.frames):
        print(remark)
    return report


class _Progress:
    """Moves the bar, or prints a line every few seconds, and updates the window."""

    def __init__(self, display: Display, source: Source, writer: FrameWriter, window: Window | None):
        self._display, self._writer, self._window = display, writer, window
        self._total = source.total
        self._started = self._printed = time.monotonic()
        display.start("demo", source.total)

    def watch(self, count: int) -> bool:
        rate = f"{count / max(time.monotonic() - self._started, 1e-9):.1f} frames per second"
        self._display.advance(count, rate)
        if not self._display.live and time.monotonic() - self._printed > _LINE_EVERY:
            self._printed = time.monotonic()
            self._display.print(f"frame {count}{f'/{self._total}' if self._total else ''}  {rate}")
        if self._window is not None and self._writer.latest is not None:
            return self._window.show(self._writer.latest)
        return True


@contextlib.contextmanager
def _finished(sink: Sink | None) -> Iterator[list[str]]:
    """Finish the sink at the end, or discard it on an error; the list then contains where the result is."""
    places: list[str] = []
    try:
        yield places
    except BaseException:
        if sink is not None:
            sink.discard()
        raise
    if sink is not None:
        places.append(sink.finish())


def _print_summary(report: VideoReport, source: Source, places: list[str]) -> None:
    for line in source.skipped:
        print(f"skipped: {line}")
    if source.kind == "video" and source.total and not report.interrupted and report.frames < source.total:
        print(f"the video announces {source.total} frames, {report.frames} could be read")
    if report.interrupted:
        print("stopped by Ctrl-C; what was written until then is complete")
    if places:
        print(f"wrote {' and '.join(places)}{', without the sound of the input' if has_sound(source) else ''}")
    print(report.line())
