"""A segmenter's classes: names, colors and label ids, and the way from an id to a class index."""

from __future__ import annotations

import colorsys
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from densevision.errors import UserError
from densevision.segmentation.labels import CITYSCAPES_LABELS, TRAIN_CLASSES
from densevision.segmentation.loss import IGNORE_LABEL

UNEXPECTED = 254  # in the id lookup only; classes are fewer
TABLE = {label.name: label for label in CITYSCAPES_LABELS if label.id >= 0}
VOID_IDS = tuple(label.id for label in TABLE.values() if label.train_id == IGNORE_LABEL)


def class_info(classes: Sequence[str] | Mapping[str, int] | None) -> dict[str, Any]:
    """Return ``classes``, ``palette`` and ``label_ids`` of a choice of classes.

    Args:
        classes: as for :class:`CityscapesDataset`.
    Raises:
        UserError: an unknown or repeated name, no name at all, or an id that is repeated or outside 0..255.
    """
    if isinstance(classes, str):
        raise UserError(f"classes must be a list of names, not the text {classes!r}")
    if not isinstance(classes, Sequence | Mapping | None):
        raise UserError(f"classes must be a list of names or dict(name=id), not {classes!r}")
    names = tuple(TRAIN_CLASSES if classes is None else classes)
    if not names or len(set(names)) < len(names):
        raise UserError(f"classes must be different names, at least one, not {list(names)}")
    if len(names) > UNEXPECTED:
        raise UserError(f"classes: {len(names)} names; a label file tells at most {UNEXPECTED} classes apart")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"classes: {name!r} is not a name; give names, or your own ids as classes=dict(name=id)")
    if not isinstance(classes, Mapping):
        classes = {name: _table_id(name) for name in names}
    _check_ids(classes)
    spare = [_spread_color(i, len(names)) for i in range(len(names))]
    palette = [TABLE[name].color if name in TABLE else spare[i] for i, name in enumerate(names)]
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
    """Return " (did you mean ...?)" if a known name is close to ``name``, else nothing."""
    lower = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    return f" (did you mean {lower[near[0]]!r}?)" if near else ""


def _spread_color(index: int, count: int) -> tuple[int, int, int]:
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(index / count, 0.7, 0.9))


def id_lookup(label_ids: Sequence[int], *, own_ids: bool) -> np.ndarray:
    """Return [256] uint8: label id -> class index, 255 where ignored, ``UNEXPECTED`` where the table has no such id."""
    lookup = np.full(256, IGNORE_LABEL if own_ids else UNEXPECTED, np.uint8)
    if not own_ids:
        lookup[[label.id for label in TABLE.values()]] = IGNORE_LABEL
    lookup[list(label_ids)] = np.arange(len(label_ids))
    return lookup


def align(
    info: dict[str, Any], lookup: np.ndarray, classes: Sequence[str], occurs: Callable[[int], bool], source: str
) -> tuple[dict[str, Any], np.ndarray]:
    """Bring ``class_info`` and ``id_lookup`` of a data set to the order of a model's classes, by name.

    A class that only the model has gets the id of the Cityscapes table, or else one that nothing else uses:
    predictions of it are written as that id, and no label is read as it.

    Args:
        occurs: tells whether an id is in the label files.
        source: their folder, for the message.
    Raises:
        UserError: a class occurs that the model lacks.
    """
    id_of = dict(zip(info["classes"], info["label_ids"], strict=True))
    unknown = [name for name, id_ in id_of.items() if name not in classes and occurs(id_)]
    if unknown:
        raise UserError(
            f"the label files in {source} hold {_listed(unknown)}, which the model lacks"
            f"{near_name(unknown[0], classes)}; the model's classes are {_listed(classes)}; use its names in classes, "
            "or leave the others out"
        )
    aligned = np.full(256, IGNORE_LABEL, np.uint8)
    aligned[UNEXPECTED] = UNEXPECTED
    for label, name in enumerate(info["classes"]):
        if name in classes:
            aligned[label] = list(classes).index(name)
    for name in classes:
        if name not in id_of:
            free = [id_ for id_ in range(256) if id_ not in id_of.values()]
            wanted = TABLE[name].id if name in TABLE else free[0]
            id_of[name] = wanted if wanted in free else free[0]
    return class_info({name: id_of[name] for name in classes}), aligned[lookup]


def _listed(names: Sequence[str], limit: int = 20) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")
