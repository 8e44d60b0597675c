"""The classes of a COCO json that a config chooses, by name or by id."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from densevision.detection.coco_json import CocoTable
from densevision.errors import UserError, did_you_mean, listed


def choose_categories(table: CocoTable, classes: Sequence[str] | int | None) -> dict[str, Any]:
    """Map class name -> category id, in the order of the labels.

    Args:
        table: from ``CocoReader``.
        classes: as for ``CocoDataset``.
    Raises:
        UserError: a name is not in the json, or an id is higher than the number.
    """
    ids = dict(zip(table.names, table.category_ids, strict=True))
    if classes is None:
        return ids
    if isinstance(classes, int):
        return _all_ids(ids, classes, table.path)
    if len(set(classes)) < len(classes):
        raise UserError(f"classes={list(classes)} in the config: each class must occur once")
    unknown = [name for name in classes if name not in ids]
    if unknown and ids:
        raise UserError(f"class {unknown[0]!r} in the config is not in {table.path}; its classes are: {', '.join(ids)}")
    return {name: ids.get(name, number) for number, name in enumerate(classes, start=1)}


def _all_ids(ids: Mapping[str, Any], last: int, path: Path) -> dict[str, int]:
    names = {id_: name for name, id_ in ids.items()}
    wrong = [id_ for id_ in names if isinstance(id_, str) or not 1 <= id_ <= last]
    if wrong:
        in_order = list(names)
        raise UserError(f"classes={last} in the config: {path} has the category ids {in_order[0]} to {in_order[-1]}")
    return {names.get(id_, f"N/A {id_}"): id_ for id_ in range(1, last + 1)}


def _normalized(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def unknown_class(name: str, count: int, classes: Sequence[str], path: str) -> str:
    """Describe a class of the data that the model lacks, with the likely cause and the remedy."""
    twin = {_normalized(known): known for known in classes}.get(_normalized(name))
    what = f"{name!r} ({count:,} boxes)"
    if twin is not None:
        return (
            f"{path}: the class {what} differs from the model's {twin!r} only in case, spaces or "
            "Unicode form; rename it there"
        )
    hint = did_you_mean(name, classes) or f"it has {listed(classes, 12)}."
    return (
        f"{path}: the model has no class {what}; {hint} Correct the name, or leave the class out with "
        "classes=[...] in the data set of the config"
    )
