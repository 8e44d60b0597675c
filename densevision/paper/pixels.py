"""The latencies that the paper prints beyond one per row: other Pixels, half resolution, quantised networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from densevision.errors import UserError
from densevision.inference.metadata import read_model_info
from densevision.paper.tables import HALF, TABLE_3, TABLE_6, TABLE_7, TABLE_8, TABLE_9, PaperRow

PIXELS = ("Pixel 1", "Pixel 2", "Pixel 3")
_PIXEL_2_AND_3 = (  # Table 3, ms, rows 1 to 9
    (61, 44),
    (46, 40),
    (86, 61),
    (84, 60),
    (76, 56),
    (19.4, 14.4),
    (15.6, 11.7),
    (24.2, 17.2),
    (19.6, 13.9),
)
_HALF = (1020, 793, 786, 766, 906, 668, 659, 657, 415, 354, 327)  # Table 7, half resolution, ms, Pixel 3, rows 1 to 11


@dataclass(frozen=True)
class QuantizedRow:
    """A row of Table 4: the network of a row of Table 3, quantised to 8 bits."""

    float_row: PaperRow
    accuracy: float  # top-1, per cent
    latencies: dict[str, float]  # ms by Pixel


TABLE_4 = tuple(
    QuantizedRow(row, top1, dict(zip(PIXELS, latencies, strict=True)))
    for row, top1, latencies in (
        (TABLE_3[0], 73.8, (44, 42.5, 31.7)),
        (TABLE_3[4], 70.9, (52, 48.3, 37.0)),
        (TABLE_3[5], 64.9, (15.5, 14.9, 10.7)),
        (TABLE_3[8], 57.2, (16.7, 15.6, 11.9)),
    )
)


def printed_latencies(row: PaperRow, size: tuple[int, int]) -> dict[str, float]:
    """Return ms by Pixel that the paper prints for a row at an input size; empty where it prints none.

    Args:
        size: (height, width) in pixels. Segmentation rows have a full and a half resolution; even sizes such as
            1024x2048 count as the odd ones next to them.
    """
    if row.table in (7, 8) and _same(size, HALF):
        halves = _HALF if row.table == 7 else [other.latency_ms for other in TABLE_8 if other.size == HALF]
        return {"Pixel 3": halves[row.row - 1]}
    if not _same(size, row.size):
        return {}
    if row.table == 3:
        return dict(zip(PIXELS, (row.latency_ms, *_PIXEL_2_AND_3[row.row - 1]), strict=True))
    return {"Pixel 3" if row.table in (7, 8) else "Pixel 1": row.latency_ms}


def _same(size: tuple[int, int], printed: tuple[int, int]) -> bool:
    return all(0 <= b - a <= 1 for a, b in zip(size, printed, strict=True))


def row_field(row: PaperRow) -> dict[str, int]:
    """Return what stands for a row in a config's and an exported file's ``paper``."""
    return dict(table=row.table, row=row.row)


def find_row(field: Mapping[str, object]) -> PaperRow | None:
    """Return the row that a ``paper`` field names; None if there is none. Of Table 8 it is the full resolution."""
    rows = (*TABLE_3, *TABLE_6, *TABLE_7, *TABLE_8, *TABLE_9)
    return next((row for row in rows if row_field(row) == field), None)


def printed_of_files(paths: Sequence[Path]) -> list[dict[str, float]]:
    """Return ``printed_latencies`` of each .tflite whose metadata names a row of the paper, else nothing."""
    return [_printed_of_file(path) for path in paths]


def _printed_of_file(path: Path) -> dict[str, float]:
    try:
        about = read_model_info(path)
    except UserError:  # another project's file
        return {}
    field = about.origin.get("paper")
    row = find_row(field) if isinstance(field, Mapping) else None
    return printed_latencies(row, about.size) if row else {}
