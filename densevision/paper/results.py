"""Read our own results for rows of the paper from a json file."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

from densevision.errors import UserError
from densevision.json_text import parse_json
from densevision.paper.tables import TABLES


@dataclass(frozen=True)
class OwnResult:
    """The result of training the network of a row."""

    table: int
    row: int
    accuracy: float  # in the metric of the table, percent
    latency_ms: float | None = None  # on the table's phone


def read_results(path: Path) -> list[OwnResult]:
    """Read ``[{"table": 6, "row": 5, "accuracy": 21.9, "latency_ms": 120}, ...]``; the latency may be missing.

    Raises:
        UserError: the file is missing or is not such a list, or the paper has no such row.
    """
    try:
        entries = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable json file ({error})") from error
    if not isinstance(entries, list):
        raise UserError(f"{path}: give a list of objects with table, row and accuracy")
    return [_result(f"{path}, entry {number}", entry) for number, entry in enumerate(entries, 1)]


def _result(place: str, entry: object) -> OwnResult:
    known = [field.name for field in fields(OwnResult)]
    if not isinstance(entry, dict) or not {"table", "row", "accuracy"} <= entry.keys() <= set(known):
        raise UserError(f"{place}: give an object with table, row, accuracy and optionally latency_ms")
    for name, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UserError(f"{place}: {name} is {value!r}, it must be a number")
    if entry["row"] not in {row.row for row in TABLES.get(entry["table"], [])}:
        raise UserError(f"{place}: no row {entry['row']} in Table {entry['table']}; counted are {sorted(TABLES)}")
    return OwnResult(**entry)
