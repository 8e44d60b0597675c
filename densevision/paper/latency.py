"""Export the rows of Tables 3 to 7 with random weights and time them on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from densevision.atomic import write_whole
from densevision.benchmark.timing import Ratio, Timing, paired_ratio, time_models
from densevision.data.normalize import Normalize
from densevision.errors import UserError
from densevision.export.convert import ExportOptions, convert, export_tflite
from densevision.export.graph import InputType, Pixels
from densevision.export.quantize import to_int8
from densevision.export.tflite_graph import read_graph, split_hard_swish, write_graph
from densevision.paper.compare import build_classifier, build_dense
from densevision.paper.pixels import TABLE_4, TABLE_5, NonlinearityRow, printed_latencies, row_field
from densevision.paper.tables import TABLE_3, TABLE_6, TABLE_7, PaperRow

RUNS = {3: 50, 5: 50, 6: 50, 7: 10}  # rounds by table; Table 4 is timed with Table 3
_CALIBRATION_SIZE = 320  # longest side of the images for the batch-norm statistics
_Model = TypeVar("_Model", bound=nn.Module)


@dataclass(frozen=True)
class ExportedRow:
    """A printed row and its exported file.

    Attributes:
        label: table and row as "6.5"; "5.1 split" for the one whose h-swish is split.
        name: name of the network.
        row: the row of the float network.
        quantized: whether the file has 8-bit integers.
        accuracy: printed accuracy in percent, in the metric of the table.
        pixel_ms: printed latency by Pixel.
        split: whether h-swish is an addition, ReLU6 and two products instead of one operator.
    """

    label: str
    name: str
    row: PaperRow
    quantized: bool
    accuracy: float
    pixel_ms: dict[str, float]
    split: bool = False

    @property
    def file_name(self) -> str:
        return f"table{self.label.replace('.', '_row').replace(' ', '_')}.tflite"


@dataclass(frozen=True, kw_only=True)
class TimedRow(ExportedRow):
    """An exported row with our latency."""

    timing: Timing

    def to_dict(self) -> dict[str, object]:
        """Return the row as plain data."""
        return dict(
            label=self.label,
            name=self.name,
            accuracy=self.accuracy,
            paper_ms=self.pixel_ms,
            size=self.row.size,
            median_ms=self.timing.median_ms,
            min_ms=self.timing.min_ms,
            p90_ms=self.timing.p90_ms,
            times_ms=self.timing.times_ms.tolist(),
        )


@dataclass(frozen=True)
class Pair:
    """The ratio of the latencies of two rows, ours and the paper's by Pixel."""

    row: TimedRow
    base: TimedRow
    ours: Ratio
    printed: dict[str, float]


BASES = {  # label of a row -> labels of the rows that the paper compares it with
    "3.1": ("3.5", "3.3"),
    "3.6": ("3.9",),
    "4.1": ("3.1", "4.2"),
    "4.2": ("3.5",),
    "4.3": ("3.6", "4.4"),
    "4.4": ("3.9",),
    "5.2": ("5.1",),
    "5.3": ("5.1",),
    "5.4": ("5.1",),
    "5.1 split": ("5.1", "5.2"),
    "5.3 split": ("5.3",),
    "5.4 split": ("5.4",),
    "6.5": ("6.2", "6.4", "6.3"),
    "6.11": ("6.6", "6.10"),
    "7.8": ("7.1", "7.4", "7.5"),
    "7.11": ("7.10",),
}


def rows_to_time(tables: Sequence[int]) -> list[ExportedRow]:
    """List the rows of the given tables of 3 to 7; Table 3 includes Table 4, and Table 4 its float rows."""
    floats = [one.float_row for one in TABLE_4]
    printed = {3: TABLE_3, 4: floats, 5: [one.row for one in TABLE_5], 6: TABLE_6, 7: TABLE_7}
    rows = [
        ExportedRow(f"{row.table}.{row.row}", row.name, row, False, row.accuracy, printed_latencies(row, row.size))
        for table in tables
        for row in printed[table]
    ]
    if 5 in tables:
        rows += [_split_row(one) for one in TABLE_5 if one.row.network["hswish_from"]]
    if {3, 4} & set(tables):
        rows += [
            ExportedRow(f"4.{number}", f"{one.float_row.name}, int8", one.float_row, True, one.accuracy, one.latencies)
            for number, one in enumerate(TABLE_4, 1)
        ]
    return rows


def _split_row(one: NonlinearityRow) -> ExportedRow:
    row = one.row
    return ExportedRow(f"5.{row.row} split", row.name, row, False, row.accuracy, {"Pixel 1": one.split_ms}, split=True)


def export_rows(rows: Sequence[ExportedRow], folder: Path, report: Callable[[str], None]) -> None:
    """Export the rows to a folder, except those that exist there.

    Args:
        rows: from ``rows_to_time``; a split one comes after the row that it is made of.
        folder: created if it does not exist.
        report: gets a line per row.
    Raises:
        UserError: litert-torch is missing, or the folder can't be written.
    """
    make_folder(folder)
    for number, one in enumerate(rows, 1):
        if (folder / one.file_name).exists():
            continue
        report(f"exporting {number} of {len(rows)}: Table {one.label}, {one.name}")
        if one.split:
            whole = (folder / one.file_name.replace("_split", "")).read_bytes()
            write_whole(folder / one.file_name, split_file(whole))
        else:
            export_row(one.row, folder / one.file_name, quantized=one.quantized)


def make_folder(folder: Path) -> None:
    """Create the folder of the exported files, if it does not exist.

    Raises:
        UserError: it can't be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--work-dir {folder}: {error.strerror}; choose another folder") from error


def split_file(content: bytes) -> bytes:
    """Replace every h-swish of a .tflite by simple operators."""
    graph = read_graph(content)
    split_hard_swish(graph)
    return write_graph(graph)


def export_row(row: PaperRow, path: Path, *, quantized: bool) -> None:
    """Export the network of a row with seeded random weights, up to its scores: no NMS, no upsampling."""
    if row.kind == "classifier":
        export_classifier(lambda: build_classifier(row), row.size, path, quantized=quantized)
        return
    torch.manual_seed(0)
    options = ExportOptions(size=row.size, postprocess="none", labels="logits")
    about = dict(origin=dict(paper=row_field(row)))
    export_tflite(set_statistics(build_dense(row), row.size), path, options, about=about)


def export_classifier(
    build: Callable[[], nn.Module], size: tuple[int, int], path: Path, *, quantized: bool = False
) -> None:
    """Export a classifier with seeded random weights, up to its scores.

    Args:
        build: makes the network, with weights from the seed.
        size: (height, width) of the input in pixels.
    """
    torch.manual_seed(0)
    write_whole(path, _convert_classifier(set_statistics(build(), size), size, quantized))


def set_statistics(model: _Model, size: tuple[int, int]) -> _Model:
    """Set the batch-norm statistics from a few smooth random images, so that activations have a usual range."""
    scale = min(1.0, _CALIBRATION_SIZE / max(size))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain average
    with torch.no_grad():
        for images in smooth_images(8, [round(scale * side) for side in size]).split(4):
            model.train()(images / 127.5 - 1)
    return model.eval()


def smooth_images(count: int, size: Sequence[int]) -> Tensor:
    """Return [count, 3, H, W] float32 in 0..255, seeded noise upsampled from 8x8."""
    noise = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return 255 * F.interpolate(noise, size=tuple(size), mode="bicubic").clamp(0, 1)


class ClassificationGraph(nn.Module):
    """[1, H, W, 3] pixels -> [1, K] scores in 0..1."""

    pixels: nn.Module
    parts: Mapping[str, Sequence[nn.Module]] = {}  # no part stays in float

    def __init__(self, model: nn.Module, input_type: InputType):
        super().__init__()
        self.pixels, self.model = Pixels(Normalize(), input_type), model

    def forward(self, image: Tensor) -> Tensor:
        return self.model(self.pixels(image)).softmax(-1)


def _convert_classifier(model: nn.Module, size: tuple[int, int], quantized: bool) -> bytes:
    content = convert(ClassificationGraph(model, "float32" if quantized else "uint8"), size)
    if not quantized:
        return content
    images = smooth_images(8, size).permute(0, 2, 3, 1).to(torch.uint8)
    return to_int8(content, list(images.numpy()))


def time_rows(rows: Sequence[ExportedRow], folder: Path, report: Callable[[str], None]) -> list[TimedRow]:
    """Time the exported rows table by table with one thread; runs of the same table are interleaved."""
    timed = []
    for table, runs in RUNS.items():
        group = [one for one in rows if one.row.table == table]
        if not group:
            continue
        report(f"timing Table {table}: {len(group)} files, {runs} rounds")
        timings = time_models([folder / one.file_name for one in group], runs=runs)
        timed += [TimedRow(**vars(one), timing=timing) for one, timing in zip(group, timings, strict=True)]
    return timed


def compare_pairs(rows: Sequence[TimedRow]) -> list[Pair]:
    """Compare the rows as the paper does, where both were timed."""
    by_label = {one.label: one for one in rows}
    labels = [(label, base) for label, bases in BASES.items() for base in bases]
    return [_pair(by_label[label], by_label[base]) for label, base in labels if {label, base} <= by_label.keys()]


def _pair(one: TimedRow, base: TimedRow) -> Pair:
    printed = {pixel: ms / base.pixel_ms[pixel] for pixel, ms in one.pixel_ms.items() if pixel in base.pixel_ms}
    return Pair(one, base, paired_ratio(one.timing, base.timing), printed)
