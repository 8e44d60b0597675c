"""The further latencies in the paper: other Pixels, half resolution, quantized networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from densevision.errors import UserError
from densevision.inference.metadata import read_model_info
from densevision.paper.tables import HALF, TABLE_3, TABLE_6, TABLE_7, TABLE_8, TABLE_9, PaperRow

PIXELS = ("Pixel 1", "Pixel 2", "Pixel 3")
_PIXEL_2 = (61, 46, 86, 84, 76, 19.4, 15.6, 24.2, 19.6)  # Table 3, ms, rows 1 to 9
_PIXEL_3 = (44, 40, 61, 60, 56, 14.4, 11.7, 17.2, 13.9)
_HALF = (1020, 793, 786, 766, 906, 668, 659, 657, 415, 354, 327)  # Table 7, half resolution, ms, Pixel 3, rows 1 to 11


@dataclass(frozen=True)
class QuantizedRow:
    """A row of Table 4: the network of a row of Table 3, quantized to 8 bits."""

    float_row: PaperRow
    accuracy: float  # top-1, percent
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


@dataclass(frozen=True)
class NonlinearityRow:
    """A row of Table 5: V3-Large with h-swish in more layers or fewer."""

    row: PaperRow  # its latency is that with the optimized h-swish
    split_ms: float  # Pixel 1, h-swish of simple operators


TABLE_5 = tuple(
    NonlinearityRow(
        replace(
            TABLE_3[0],
            table=5,
            row=number,
            name=name,
            network=dict(TABLE_3[0].network, hswish_from=hswish_from),
            accuracy=top1,
            latency_ms=optimized_ms,
        ),
        split_ms,
    )
    for number, (name, hswish_from, top1, optimized_ms, split_ms) in enumerate(
        (
            ("h-swish from 80", 80, 75.2, 51.4, 57.5),
            ("ReLU", None, 74.5, 50.5, 50.5),
            ("h-swish from 16", 16, 75.4, 53.5, 68.9),
            ("h-swish from 112", 112, 75.0, 51.0, 54.4),
        ),
        1,
    )
)


def printed_latencies(row: PaperRow, size: tuple[int, int]) -> dict[str, float]:
    """Return the printed ms by Pixel for a row at an input size; empty if the paper prints none.

    Args:
        row: the row.
        size: (height, width) in pixels. Segmentation rows have a full and a half resolution; even sizes such as
            1024x2048 count as the next odd ones.
    """
    if row.latency_ms is None:
        return {}
    if row.table in (7, 8) and _same(size, HALF):
        halves = _HALF if row.table == 7 else [other.latency_ms or 0.0 for other in TABLE_8 if other.size == HALF]
        return {"Pixel 3": halves[row.row - 1]}
    if not _same(size, row.size):
        return {}
    if row.table == 3:
        return dict(zip(PIXELS, (row.latency_ms, _PIXEL_2[row.row - 1], _PIXEL_3[row.row - 1]), strict=True))
    return {"Pixel 3" if row.table in (7, 8) else "Pixel 1": row.latency_ms}


def _same(size: tuple[int, int], printed: tuple[int, int]) -> bool:
    return all(0 <= b - a <= 1 for a, b in zip(size, printed, strict=True))


def row_field(row: PaperRow) -> dict[str, int]:
    """Return the value of ``paper`` for a row, in a config and in the metadata of an exported file."""
    return dict(table=row.table, row=row.row)


def find_row(field: Mapping[str, object]) -> PaperRow | None:
    """Return the row of a ``paper`` field, in Table 8 that of the full resolution; None if there is none."""
    rows = (*TABLE_3, *TABLE_6, *TABLE_7, *TABLE_8, *TABLE_9)
    return next((row for row in rows if row_field(row) == field), None)


def printed_of_files(paths: Sequence[Path]) -> list[dict[str, float]]:
    """Return ``printed_latencies`` of each .tflite with a row of the paper in its metadata, else empty."""
    return [_printed_of_file(path) for path in paths]


def _printed_of_file(path: Path) -> dict[str, float]:
    try:
        info = read_model_info(path)
    except UserError:  # not exported by densevision
        return {}
    field = info.origin.get("paper")
    row = find_row(field) if isinstance(field, Mapping) else None
    return printed_latencies(row, info.size) if row else {}
