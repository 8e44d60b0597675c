"""Read our own results for rows of the paper: from a json file, or from the trainings of classifiers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from densevision.errors import UserError
from densevision.json_text import parse_json
from densevision.paper.tables import TABLES, PaperRow


@dataclass(frozen=True)
class OwnResult:
    """The result of training the network of a row."""

    table: int
    row: int
    accuracy: float  # in the metric of the table, percent
    latency_ms: float | None = None  # on the table's phone
    data: str = ""  # name of the user's data set; empty for the paper's


_KEYS = {"table", "row", "accuracy", "latency_ms"}
_REPORT = "report.json"


def read_own(paths: Sequence[Path]) -> list[OwnResult]:
    """Read the results of json files, see ``read_results``, and of work dirs or result folders of classifiers.

    Raises:
        UserError: a path can't be read, a network is no row, or the runs were evaluated on different data.
    """
    found = [result for path in paths for result in (_of_run(path) if path.is_dir() else read_results(path))]
    names = sorted({result.data for result in found} - {""})
    if len(names) > 1:
        raise UserError(f"--ours: runs on {' and on '.join(names)} can't be compared; give those of one data set")
    return found


def _of_run(folder: Path) -> list[OwnResult]:
    """Return the rows of Tables 3 and 9 that have the network and the input size of a run, with its top-1."""
    try:
        content = parse_json((folder / _REPORT).read_text())
        settings, metrics = content["settings"], content["metrics"]
        data = Path(settings["val_dataloader.dataset.data_root"]).name
        size = settings.get("model.input_size", "(224, 224)")
        backbone = {key.split(".")[2]: value for key, value in settings.items() if key.startswith("model.backbone.")}
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{folder} has no {_REPORT} of a training or a test; densevision test writes one") from error
    if not isinstance(metrics, Mapping) or "cls/top1" not in metrics:
        raise UserError(f"{folder}: the run has no top-1; work dirs of classifiers only, other results in a json file")
    rows = _rows(backbone, size)
    if not rows:
        own = f"{backbone.get('name')}, width {backbone.get('width', 1.0)}, input {size}"
        raise UserError(f"{folder}: {own} is no row of Tables 3 and 9; train a row's network at its input size")
    return [OwnResult(row.table, row.row, 100 * float(metrics["cls/top1"]), data=data) for row in rows]


def _of_entry(entry: Mapping[str, Any]) -> list[OwnResult]:
    """Return the rows of an entry of docs/results.json, none if it is of no classifier, or its network of no row."""
    from densevision.config.load import load_config

    if "top-1" not in entry["metrics"]:
        return []
    model = load_config(Path(entry["config"]).stem).model
    backbone = {key: str(value) for key, value in model.backbone.items()}
    rows = _rows(backbone, str(tuple(model.get("input_size", (224, 224)))))
    return [OwnResult(row.table, row.row, 100 * entry["metrics"]["top-1"], data=entry["data"]) for row in rows]


def _rows(backbone: Mapping[str, str], size: str) -> list[PaperRow]:
    network = {"width": "1.0", **backbone}
    return [row for table in (3, 9) for row in TABLES[table] if _is_row(row, network, size)]


def _is_row(row: PaperRow, network: Mapping[str, str], size: str) -> bool:
    if str(row.size) != size or network.keys() != row.network.keys():
        return False
    return network["name"] == row.network["name"] and network["width"] in (
        f"{row.network['width']:g}",
        f"{row.network['width']}",
    )


def read_results(path: Path) -> list[OwnResult]:
    """Read ``[{"table": 6, "row": 5, "accuracy": 21.9, "latency_ms": 120}, ...]``; the latency may be missing.

    The "trainings" of docs/results.json give their classifiers.

    Raises:
        UserError: the file is missing or is not such a list, or the paper has no such row.
    """
    try:
        entries = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable json file ({error})") from error
    if isinstance(entries, dict) and _are_trainings(entries.get("trainings")):
        return [result for entry in entries["trainings"] for result in _of_entry(entry)]
    if not isinstance(entries, list):
        raise UserError(f"{path}: give a list of objects with table, row and accuracy")
    return [_result(f"{path}, entry {number}", entry) for number, entry in enumerate(entries, 1)]


def _are_trainings(entries: object) -> bool:
    keys = {"config", "metrics", "data"}
    return isinstance(entries, list) and all(isinstance(one, dict) and keys <= one.keys() for one in entries)


def _result(place: str, entry: object) -> OwnResult:
    if not isinstance(entry, dict) or not {"table", "row", "accuracy"} <= entry.keys() <= _KEYS:
        raise UserError(f"{place}: give an object with table, row, accuracy and optionally latency_ms")
    for name, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UserError(f"{place}: {name} is {value!r}, it must be a number")
    if entry["row"] not in {row.row for row in TABLES.get(entry["table"], [])}:
        raise UserError(f"{place}: no row {entry['row']} in Table {entry['table']}; counted are {sorted(TABLES)}")
    return OwnResult(**entry)
