"""Times of layers on this machine, cached, and the latency that they predict for a network's file."""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from densevision.adapt.layers import Geometry, layers_of
from densevision.adapt.shape import Shape
from densevision.adapt.timers import Timer
from densevision.atomic import write_json
from densevision.benchmark.timing import file_hash
from densevision.errors import UserError
from densevision.export.layer_graph import Layer, layer_file
from densevision.json_text import parse_json

_REFERENCE = Layer("conv", 40, 40, 64, 96, act="relu")  # its time measures the machine's speed at the moment


class LatencyTable:
    """Times of layers and files, in ms, kept in a file per device, threads, precision and runtime version.

    Whatever is asked for and missing is measured. The speed of a device changes; every measurement is scaled by the
    time of one reference layer that is run in turns with it.

    Args:
        timer: of the device.
        int8: layers are quantized.
        path: of the table; None: see ``table_path``.
    Raises:
        UserError: the file is damaged.
    """

    def __init__(self, timer: Timer, *, int8: bool = False, path: Path | None = None) -> None:
        self.timer, self.int8 = timer, int8
        self.path = path = path or table_path(timer, int8=int8)
        try:
            self.times: dict[str, float] = _check_times(parse_json(path.read_bytes())) if path.is_file() else {}
        except ValueError as error:
            raise UserError(f"{path}, a table of latencies, is damaged; delete it to measure again") from error

    def add(self, layers: Iterable[Layer]) -> int:
        """Measure the layers that the table lacks; returns their number."""
        missing = sorted({layer for layer in layers if layer.key not in self.times})
        if not missing:
            return 0
        with tempfile.TemporaryDirectory() as folder:
            for start in range(0, len(missing), self.timer.batch):
                batch = missing[start : start + self.timer.batch]
                files = [Path(folder, f"{index}.tflite") for index in range(len(batch))]
                for layer, file in zip(batch, files, strict=True):
                    file.write_bytes(layer_file(layer, int8=self.int8))
                found = self._measure(files)
                self.times |= {layer.key: ms for layer, ms in zip(batch, found, strict=True)}
                write_json(self.path, self.times)
        return len(missing)

    def total(self, layers: Sequence[Layer]) -> float:
        """Add up layers' times; what is missing is measured first."""
        self.add(layers)
        return sum(self.times[layer.key] for layer in layers)

    def file(self, path: Path) -> float:
        """Return the time of a whole .tflite; the table knows it by its content."""
        key = f"file {file_hash(path)}"
        if key not in self.times:
            self.times[key] = float(self._measure([path])[0])
            write_json(self.path, self.times)
        return self.times[key]

    def ratio(self, path: Path, base: Path) -> float:
        """Return the time of a file over that of another, as ``densevision benchmark`` measures it."""
        key = f"ratio {file_hash(path)} {file_hash(base)}"
        if key not in self.times:
            self.times[key] = self.timer.ratio(path, base)
            write_json(self.path, self.times)
        return self.times[key]

    def _measure(self, files: Sequence[Path]) -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            reference = Path(folder, "reference.tflite")
            reference.write_bytes(layer_file(_REFERENCE, int8=self.int8))
            *found, now = self.timer.times([*files, reference])
        speed = self.times.setdefault(_REFERENCE.key, now) / now
        return [ms * speed for ms in found]


def _check_times(content: object) -> dict[str, float]:
    """Return a table's content; raises ValueError if it is none."""
    if not isinstance(content, dict) or not all(
        isinstance(ms, int | float) and 0 < ms < math.inf for ms in content.values()
    ):
        raise ValueError("not a table of times")
    return content


def table_path(timer: Timer, *, int8: bool) -> Path:
    """Return where the table of a device is kept, below ``XDG_CACHE_HOME`` or ``~/.cache``."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    words = [timer.device, f"{timer.threads}-threads", "int8" if int8 else "float32", timer.runtime]
    name = "_".join(re.sub(r"[^\w.-]+", "-", word) for word in words)
    return base / "densevision" / "latency" / f"{name}.json"


class Latency:
    """Predicts the time of a network's file: what a measured file took, and the difference of the layers' sums.

    The constant part, what does not depend on channels, thus comes from a real file.

    Args:
        table: of the device.
        geometry: of the network.
        shape: whose file was measured.
        measured_ms: of that file.
    """

    def __init__(self, table: LatencyTable, geometry: Geometry, shape: Shape, measured_ms: float) -> None:
        self.table, self.geometry = table, geometry
        self._constant = measured_ms - self.layers_ms(shape)

    def layers_ms(self, shape: Shape) -> float:
        """Return the sum of the layers' times."""
        return self.table.total(layers_of(shape, self.geometry))

    def prepare(self, shapes: Iterable[Shape]) -> int:
        """Measure what these shapes need, in turns; returns the number of layers that were missing."""
        return self.table.add(layer for shape in shapes for layer in layers_of(shape, self.geometry))

    def __call__(self, shape: Shape) -> float:
        return self._constant + self.layers_ms(shape)
