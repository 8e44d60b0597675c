"""Export the rows of Tables 3, 4, 6 and 7 with random weights and time them on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from densevision.paper.compare import build_row
from densevision.paper.pixels import TABLE_4, printed_latencies, row_field
from densevision.paper.tables import TABLE_3, TABLE_6, TABLE_7, PaperRow

RUNS = {3: 50, 6: 50, 7: 10}  # rounds by table; Table 4 is timed with Table 3
_SETTLE_SIZE = 320  # longest side of the images that set the statistics; a detector takes its own size only


@dataclass(frozen=True)
class TimedRow:
    """A printed row with the file that stands for it, and in the end its time.

    Attributes:
        label: "6.5": table and row.
        accuracy: printed, per cent, in the table's own metric.
        pixel_ms: printed, by Pixel.
    """

    label: str
    name: str
    row: PaperRow
    quantized: bool
    accuracy: float
    pixel_ms: dict[str, float]
    timing: Timing | None = None

    @property
    def file_name(self) -> str:
        return f"table{self.label.replace('.', '_row')}.tflite"


@dataclass(frozen=True)
class Pair:
    """A row's time over another's, ours and the paper's by Pixel."""

    row: TimedRow
    base: TimedRow
    ours: Ratio
    printed: dict[str, float]


PAIRS = (  # what the paper claims, by labels
    ("3.1", "3.5"),
    ("3.1", "3.3"),
    ("3.6", "3.9"),
    ("4.1", "3.1"),
    ("4.2", "3.5"),
    ("4.3", "3.6"),
    ("4.4", "3.9"),
    ("4.1", "4.2"),
    ("4.3", "4.4"),
    ("6.5", "6.2"),
    ("6.5", "6.4"),
    ("6.5", "6.3"),
    ("6.11", "6.6"),
    ("6.11", "6.10"),
    ("7.8", "7.1"),
    ("7.8", "7.4"),
    ("7.8", "7.5"),
    ("7.11", "7.10"),
)


def rows_to_time(tables: Sequence[int]) -> list[TimedRow]:
    """List the rows of some of the tables 3, 6 and 7; with Table 3 come Table 4's."""
    printed = {3: TABLE_3, 6: TABLE_6, 7: TABLE_7}
    rows = [
        TimedRow(f"{row.table}.{row.row}", row.name, row, False, row.accuracy, printed_latencies(row, row.size))
        for table in tables
        for row in printed[table]
    ]
    if 3 in tables:
        rows += [
            TimedRow(f"4.{number}", f"{one.float_row.name}, int8", one.float_row, True, one.accuracy, one.latencies)
            for number, one in enumerate(TABLE_4, 1)
        ]
    return rows


def export_rows(rows: Sequence[TimedRow], folder: Path, tell: Callable[[str], None]) -> None:
    """Write the rows' files into a folder; those that are there stay.

    Raises:
        UserError: litert-torch is missing, or the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--work-dir {folder}: {error.strerror}; choose another folder") from error
    for number, one in enumerate(rows, 1):
        if (folder / one.file_name).exists():
            continue
        tell(f"exporting {number} of {len(rows)}: Table {one.label}, {one.name}")
        export_row(one.row, folder / one.file_name, quantized=one.quantized)


def export_row(row: PaperRow, path: Path, *, quantized: bool) -> None:
    """Write a row's network with seeded random weights, up to its scores: no NMS, no enlarging."""
    torch.manual_seed(0)
    model = settle(build_row(row), row.size)
    if row.kind == "classifier":
        write_whole(path, _classifier(model, row.size, quantized))
        return
    options = ExportOptions(size=row.size, postprocess="none", labels="logits")
    export_tflite(model, path, options, about=dict(origin=dict(paper=row_field(row))))


def settle(model: nn.Module, size: tuple[int, int]) -> nn.Module:
    """Let the batch norms see a few smooth random images, so that activations keep a sane range."""
    scale = min(1.0, _SETTLE_SIZE / max(size))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain average
    with torch.no_grad():
        for images in smooth_images(8, [round(scale * side) for side in size]).split(4):
            model.train()(images / 127.5 - 1)
    return model.eval()


def smooth_images(count: int, size: Sequence[int]) -> Tensor:
    """Return [count, 3, H, W] float32 in 0..255, seeded noise enlarged from 8x8."""
    noise = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return 255 * F.interpolate(noise, size=tuple(size), mode="bicubic").clamp(0, 1)


class ClassificationGraph(nn.Module):
    """[1, H, W, 3] pixels -> [1, K] scores in 0..1."""

    def __init__(self, model: nn.Module, input_type: InputType):
        super().__init__()
        self.pixels, self.model = Pixels(Normalize(), input_type), model

    def forward(self, image: Tensor) -> Tensor:
        return self.model(self.pixels(image)).softmax(-1)


def _classifier(model: nn.Module, size: tuple[int, int], quantized: bool) -> bytes:
    content = convert(ClassificationGraph(model, "float32" if quantized else "uint8"), size)
    if not quantized:
        return content
    images = smooth_images(8, size).permute(0, 2, 3, 1).to(torch.uint8)
    return to_int8(content, list(images.numpy()))


def time_rows(rows: Sequence[TimedRow], folder: Path, tell: Callable[[str], None]) -> list[TimedRow]:
    """Time the rows' files, one thread, table by table; those of one table interleaved."""
    timed = []
    for table, runs in RUNS.items():
        group = [one for one in rows if one.row.table == table]
        if not group:
            continue
        tell(f"timing Table {table}: {len(group)} files, {runs} rounds")
        timings = time_models([folder / one.file_name for one in group], runs=runs)
        timed += [TimedRow(**{**vars(one), "timing": timing}) for one, timing in zip(group, timings, strict=True)]
    return timed


def pairs(rows: Sequence[TimedRow]) -> list[Pair]:
    """Return the claims of ``PAIRS`` whose rows were timed."""
    by_label = {one.label: one for one in rows}
    return [_pair(by_label[label], by_label[base]) for label, base in PAIRS if {label, base} <= by_label.keys()]


def _pair(one: TimedRow, base: TimedRow) -> Pair:
    printed = {pixel: ms / base.pixel_ms[pixel] for pixel, ms in one.pixel_ms.items() if pixel in base.pixel_ms}
    return Pair(one, base, paired_ratio(one.timing, base.timing), printed)


def as_dict(one: TimedRow) -> dict[str, object]:
    """Return a timed row as plain data."""
    return dict(
        label=one.label,
        name=one.name,
        accuracy=one.accuracy,
        paper_ms=one.pixel_ms,
        size=one.row.size,
        median_ms=one.timing.median_ms,
        min_ms=one.timing.min_ms,
        p90_ms=one.timing.p90_ms,
        times_ms=one.timing.times_ms.tolist(),
    )
