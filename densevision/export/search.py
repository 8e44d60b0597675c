"""Try what an int8 file can be made with, and keep what costs the least of the official metric."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from densevision.errors import UserError
from densevision.evaluation import metric_sign
from densevision.export.convert import build_model_info, convert, finish
from densevision.export.exporter import ExportOptions, make_exporter
from densevision.export.quantize import Ranges, float_parts_of, to_int8
from densevision.inference.predictor import Predictor
from densevision.inference.tflite_backend import load_tflite
from densevision.stages import stage
from densevision.task import is_unmeasured

if TYPE_CHECKING:
    from densevision.export.job import ExportJob

_ACTIVATIONS, _WEIGHTS = ("moving-average", "min-max"), ("min-max", "octav", "mse")
Measure = Callable[[Predictor], tuple[str, float]]


class Draft:
    """A job's model as a converted graph, to be quantized in several ways.

    Attributes:
        content: of the graph.
    """

    def __init__(self, job: ExportJob, options: ExportOptions):
        self._exporter = make_exporter(job.model, options)
        self._info = build_model_info(self._exporter, job.model, options, job.about)
        self.content = convert(self._exporter.graph, self._exporter.size)

    def measure(self, quantized: bytes, measure: Measure) -> tuple[int, float]:
        """Return the size in bytes of a quantized graph as a whole file, and its metric."""
        whole = finish(quantized, self._exporter, self._info)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.tflite")
            path.write_bytes(whole)
            return len(whole), measure(load_tflite(path))[1]


@dataclass(frozen=True)
class Tried:
    """One way to make an int8 file.

    Attributes:
        value: of the metric.
        loss: against PyTorch, below 0 for a gain.
        size_bytes: of the file.
    """

    ranges: Ranges
    float_parts: tuple[str, ...]
    value: float
    loss: float
    size_bytes: int

    def choice(self) -> dict[str, Any]:
        """Return the fields of ``ExportOptions`` that make this file."""
        return dict(
            activation_ranges=self.ranges.activations,
            weight_ranges=self.ranges.weights,
            float_parts=self.float_parts,
        )


@dataclass(frozen=True)
class Found:
    """What a search tried.

    Attributes:
        metric: its name.
        split: the data that it was measured on, "val" or "test".
        baseline: its value by PyTorch.
        tried: in this order.
    """

    metric: str
    split: str
    baseline: float
    tried: tuple[Tried, ...]

    @property
    def best(self) -> Tried:
        """The one with the least loss; of equal ones the first."""
        return min(self.tried, key=lambda one: one.loss)

    def record(self) -> dict[str, Any]:
        """Return plain data, for a file's metadata; ``table`` prints them."""
        rows = [
            [one.ranges.activations, one.ranges.weights, " ".join(one.float_parts), one.value, one.loss, one.size_bytes]
            for one in self.tried
        ]
        return dict(
            metric=self.metric, split=self.split, baseline=self.baseline, tried=rows, kept=self.tried.index(self.best)
        )


def search(job: ExportJob, images: Sequence[np.ndarray], limit: float) -> Found:
    """Try the kinds of ranges, and further float parts as long as the best file loses more than ``limit``.

    Float parts cost time, so that they are tried only then: the best ranges with one part more each, then the best of
    these with another one, until the loss is small enough or does not become smaller.

    Args:
        images: for the calibration, as ``ExportImages.calibration``.
        limit: in points of 100, on the val data.
    Raises:
        UserError: the network can't be converted or quantized, or the val data have nothing to measure.
    """
    stage("int8 search: converting")
    draft, (metric, baseline) = Draft(job, job.options), job.val_baseline()
    if is_unmeasured(metric, baseline):
        raise UserError(
            f"--search: {metric} can't be measured on the {job.searched} data ({baseline:g}); leave it out, or search "
            "on data with labels"
        )
    sign = metric_sign(job.config.test_evaluator, metric)

    def attempt(ranges: Ranges, parts: tuple[str, ...]) -> Tried:
        uint8_input = job.options.input_type == "uint8"
        quantized = to_int8(draft.content, images, ranges=ranges, float_parts=parts, uint8_input=uint8_input)
        size, value = draft.measure(quantized, job.measure_val)
        return Tried(ranges, parts, value, sign * (baseline - value), size)

    tried: list[Tried] = []
    for one in _attempts(attempt, job.options.float_parts, float_parts_of(draft.content), limit):
        tried.append(one)
        found = Found(metric, job.searched, baseline, tuple(tried))
        stage("\n".join(table(found.record())[-2 if len(tried) > 1 else 0 : -1]))
    return found


def _attempts(
    attempt: Callable[[Ranges, tuple[str, ...]], Tried], given: tuple[str, ...], parts: Sequence[str], limit: float
) -> Iterator[Tried]:
    tried = []
    for weights, activations in itertools.product(_WEIGHTS, _ACTIVATIONS):
        tried.append(attempt(Ranges(activations, weights), tuple(given)))
        yield tried[-1]
    best, loss = min(tried, key=lambda one: one.loss), float("inf")
    while 100 * best.loss > limit and best.loss < loss:
        loss, level = best.loss, []
        for part in parts:
            if part not in best.float_parts:
                level.append(attempt(best.ranges, (*best.float_parts, part)))
                yield level[-1]
        best = min([best, *level], key=lambda one: one.loss)


def table(record: dict[str, Any]) -> list[str]:
    """Return the lines of a table of what was tried, and one on what is kept.

    Args:
        record: of ``Found.record``, also as read from a file.
    """
    metric, tried = record["metric"], record["tried"]
    lines = [
        f"PyTorch: {metric} {100 * record['baseline']:.2f} on the {record['split']} data",
        f"{'activations':15} {'weights':8} {'in float':22} {metric:>9} {'loss':>6} {'bytes':>11}",
    ]
    for activations, weights, parts, value, loss, size in tried:
        lines.append(f"{activations:15} {weights:8} {parts or '-':22} {100 * value:9.2f} {100 * loss:6.2f} {size:11,}")
    activations, weights, parts, _, loss, _ = tried[record["kept"]]
    kept = f"kept: activations {activations}, weights {weights}, {parts or 'nothing'} in float"
    return [*lines, f"{kept}: {'gains' if loss < 0 else 'loses'} {abs(100 * loss):.2f} points"]
