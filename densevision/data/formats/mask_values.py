"""Read the values of a sample of masks, and derive the classes from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from densevision.data.label_files import read_label_ids
from densevision.data.sizes import even_sample
from densevision.data.threads import read_files
from densevision.errors import UserError

VOID = 255
_SAMPLE = 200  # masks that are read
_STRAY = 0.01  # share of the pixels of all anti-aliased values together; more are classes
_RARE = 3  # files; a class in no more of them may be absent from a part of the data


@dataclass(frozen=True)
class IdSample:
    """Ids in a sample of masks.

    Attributes:
        by_file: [F, 256] pixels per id.
    """

    by_file: np.ndarray

    def shares(self) -> np.ndarray:
        """Return the share of each id, [256]."""
        counts = self.by_file.sum(0)
        return counts / max(counts.sum(), 1)

    def files(self, label_id: int) -> int:
        """Return the number of masks that contain an id."""
        return int((self.by_file[:, label_id] > 0).sum())


def sample_ids(masks: Sequence[Path]) -> IdSample | None:
    """Count the ids in an even sample of masks; None if one of them is not a map of ids."""

    def count(path: Path) -> np.ndarray | None | UserError:
        try:
            return np.bincount(read_label_ids(path).ravel(), minlength=256)
        except OSError:
            return None  # damaged; the data set reports it
        except UserError as error:
            return error

    rows = read_files(count, [masks[index] for index in even_sample(len(masks), _SAMPLE)])
    if any(isinstance(row, UserError) for row in rows):
        return None
    return IdSample(np.array([row for row in rows if isinstance(row, np.ndarray)], np.int64).reshape(-1, 256))


def class_ids(sample: IdSample) -> list[int]:
    """Return the ids that are classes.

    255 is ignored, its usual meaning, unless the masks have two values or evenly spaced gray levels. Few pixels of
    many other values next to 0 and 255 are the edges of an anti-aliased mask.
    """
    shares = sample.shares()
    ids = np.flatnonzero(shares).tolist()
    between = [i for i in ids if 0 < i < VOID]
    if {0, VOID} <= set(ids) and len(between) > 1 and shares[between].sum() < _STRAY and max(between) > 64:
        ids = [0, VOID]
    if VOID in ids and not (len(ids) <= 2 or _are_gray_levels(ids)):
        ids.remove(VOID)
    return ids


def _are_gray_levels(ids: Sequence[int]) -> bool:
    """Tell whether sorted ids are 0 to 255 in equal steps, such as 0, 128, 255."""
    levels = np.linspace(0, VOID, len(ids))
    return 2 < len(ids) <= 8 and ids[0] == 0 and bool((np.abs(levels - ids) <= 1).all())


def unnamed_classes(ids: Sequence[int]) -> dict[str, int]:
    """Name ids that have no names: "background" for 0, "object" for the other of two, else "class_<id>"."""
    other = "object" if len(ids) == 2 and ids[0] == 0 else "class_{}"
    return {"background" if id_ == 0 else other.format(id_): id_ for id_ in ids}


def options_of(sample: IdSample, classes: dict[str, int]) -> dict[str, object]:
    """Return the options of the data set that let rare classes and ignored pixels pass, as the sample has them."""
    rare = [name for name, id_ in classes.items() if sample.files(id_) <= min(_RARE, len(sample.by_file) // 4)]
    shares = sample.shares()
    unnamed = [float(shares[i]) for i in range(256) if i not in classes.values()]
    options: dict[str, object] = {"may_lack": rare} if rare else {}
    if max(unnamed, default=0) > 0.15:
        options["max_unnamed"] = min(1.0, round(max(unnamed) + 0.15, 1))
    return options
