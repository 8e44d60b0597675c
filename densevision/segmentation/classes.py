"""The classes of a segmentation data set: names, colors, label ids, and the lookup from id to class index."""

from __future__ import annotations

import colorsys
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from densevision.errors import UserError, listed
from densevision.segmentation.labels import CITYSCAPES_LABELS, TRAIN_CLASSES
from densevision.segmentation.loss import IGNORE_LABEL

UNEXPECTED = 254  # in the id lookup only; there are fewer classes
TABLE = {label.name: label for label in CITYSCAPES_LABELS if label.id >= 0}
VOID_IDS = tuple(label.id for label in TABLE.values() if label.train_id == IGNORE_LABEL)


def class_info(classes: Sequence[str] | Mapping[str, int] | None) -> dict[str, Any]:
    """Return ``classes``, ``palette`` and ``label_ids`` of the chosen classes.

    Args:
        classes: as for :class:`CityscapesDataset`.
    Raises:
        UserError: a name is unknown or repeated, there is none, or an id is repeated or outside 0..255.
    """
    if isinstance(classes, str):
        raise UserError(f"classes must be a list of names, not the text {classes!r}")
    if not isinstance(classes, Sequence | Mapping | None):
        raise UserError(f"classes must be a list of names or dict(name=id), not {classes!r}")
    names = tuple(TRAIN_CLASSES if classes is None else classes)
    if not names or len(set(names)) < len(names):
        raise UserError(f"classes must be different names, at least one, not {list(names)}")
    if len(names) > UNEXPECTED:
        raise UserError(f"classes: {len(names)} names; a label file can have at most {UNEXPECTED} classes")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"classes: {name!r} is not a name; give names, or your own ids as classes=dict(name=id)")
    if not isinstance(classes, Mapping):
        classes = {name: _table_id(name) for name in names}
    _check_ids(classes)
    palette = [TABLE[n].color if n in TABLE else _spread_color(i, len(names)) for i, n in enumerate(names)]
    return dict(classes=names, palette=palette, label_ids=[classes[name] for name in names])


def _check_ids(classes: Mapping[str, int]) -> None:
    name_of: dict[int, str] = {}
    for name, label_id in classes.items():
        if not isinstance(label_id, int) or isinstance(label_id, bool) or not 0 <= label_id <= 255:
            raise UserError(f"classes: the label id of {name!r} must be a whole number in 0..255, not {label_id!r}")
        if label_id in name_of:
            raise UserError(f"classes: {name_of[label_id]!r} and {name!r} have the same label id {label_id}")
        name_of[label_id] = name


def _table_id(name: str) -> int:
    if name not in TABLE:
        raise UserError(
            f"classes: {name!r} is not a Cityscapes class{near_name(name, TABLE)}; "
            "give your own ids as classes=dict(name=id)"
        )
    return TABLE[name].id


def near_name(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?)" if a known name is similar to ``name`` in any case, else nothing."""
    lower = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    return f" (did you mean {lower[near[0]]!r}?)" if near else ""


def _spread_color(index: int, count: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(index / count, 0.7, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def id_lookup(label_ids: Sequence[int], *, own_ids: bool) -> np.ndarray:
    """Return [256] uint8: label id -> class index, 255 if ignored, ``UNEXPECTED`` if the table lacks the id."""
    lookup = np.full(256, IGNORE_LABEL if own_ids else UNEXPECTED, np.uint8)
    if not own_ids:
        lookup[[label.id for label in TABLE.values()]] = IGNORE_LABEL
    lookup[list(label_ids)] = np.arange(len(label_ids))
    return lookup


def align(
    info: dict[str, Any], lookup: np.ndarray, classes: Sequence[str], occurs: Callable[[int], bool], source: str
) -> tuple[dict[str, Any], np.ndarray]:
    """Reorder ``class_info`` and ``id_lookup`` of a data set to a model's classes, by name.

    A class that only the model has gets its id of the Cityscapes table or else an unused one: predictions of the
    class are written as that id, and no label is read as the class.

    Args:
        info: from ``class_info``.
        lookup: from ``id_lookup``.
        classes: the model's classes.
        occurs: tells whether an id is in the label files.
        source: folder of the label files, for messages.
    Raises:
        UserError: a class occurs that the model lacks.
    """
    id_of = dict(zip(info["classes"], info["label_ids"], strict=True))
    unknown = [name for name, id_ in id_of.items() if name not in classes and occurs(id_)]
    if unknown:
        raise UserError(
            f"the label files in {source} contain {listed(unknown, 20)}, which the model lacks"
            f"{near_name(unknown[0], classes)}; the model's classes are {listed(classes, 20)}; use its names in "
            "classes, or leave the others out"
        )
    aligned = np.full(256, IGNORE_LABEL, np.uint8)
    aligned[UNEXPECTED] = UNEXPECTED
    for label, name in enumerate(info["classes"]):
        if name in classes:
            aligned[label] = list(classes).index(name)
    for name in classes:
        if name not in id_of:
            free = [id_ for id_ in range(256) if id_ not in id_of.values()]
            id_of[name] = TABLE[name].id if name in TABLE and TABLE[name].id in free else free[0]
    return class_info({name: id_of[name] for name in classes}), aligned[lookup]
