"""The ids in label files, compared with the chosen classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from densevision.data.check import share
from densevision.errors import UserError, listed
from densevision.segmentation.classes import UNEXPECTED, VOID_IDS, near_name
from densevision.segmentation.colors import ColorTable
from densevision.segmentation.loss import IGNORE_LABEL

LISTED = 5  # ids and classes in one line


@dataclass(frozen=True)
class Rules:
    """The expected ids in the label files of a data set.

    Attributes:
        id_of: class name -> label id, for the chosen classes.
        own_ids: whether the ids are the user's, not those of the Cityscapes table with its void ids.
        max_unnamed: largest share of the pixels, 0..1, of one id without a class.
        may_lack: classes that need not occur, or "all".
        colors: the color table of masks whose pixels are colors.
    Raises:
        UserError: ``max_unnamed`` is not a share, or ``may_lack`` has an unknown class.
    """

    id_of: dict[str, int]
    own_ids: bool
    max_unnamed: float = 0.2
    may_lack: Sequence[str] | str = ()
    colors: ColorTable | None = None

    def __post_init__(self) -> None:
        number = isinstance(self.max_unnamed, int | float) and not isinstance(self.max_unnamed, bool)
        if not number or not 0 <= self.max_unnamed <= 1:
            raise UserError(f"max_unnamed is {self.max_unnamed!r}; it is a share of the pixels, 0 to 1")
        if self.may_lack == "all":
            return
        if not isinstance(self.may_lack, list | tuple):
            raise UserError(f"may_lack is {self.may_lack!r}; it is a list of class names, or 'all'")
        for name in self.may_lack:
            if name not in self.id_of:
                raise UserError(f"may_lack: {name!r} is not one of the classes{near_name(str(name), self.id_of)}")

    def must_occur(self, name: str) -> bool:
        """Tell whether a class must have pixels: a user's id that never occurs is probably wrong."""
        return self.own_ids and self.may_lack != "all" and name not in self.may_lack

    @property
    def void_ids(self) -> Sequence[int]:
        """Ids that are ignored on purpose."""
        if self.colors:
            return [id_ for name, id_ in self.colors.id_of.items() if name not in self.id_of]
        return () if self.own_ids else VOID_IDS

    @property
    def void_source(self) -> str:
        """Where ``void_ids`` come from, for messages."""
        if self.colors:
            return f"of {listed([name for name in self.colors.of if name not in self.id_of], LISTED)}"
        return "void ids of the Cityscapes table"

    def spell(self, name: str) -> str:
        """Write a class with its id or color, as the config has it."""
        return f"{name}={self.colors.of[name][0] if self.colors else self.id_of[name]}"

    def spell_ids(self, ids: Sequence[int]) -> str:
        """List ids, or the names of colors."""
        if self.colors is None:
            shown = [str(id_) for id_ in sorted(ids[:LISTED])]
        else:
            name_of = {id_: name for name, id_ in self.colors.id_of.items()}
            shown = [name_of.get(id_, "colors without a name") for id_ in sorted(ids[:LISTED])]
        kind = "names" if self.colors else "ids"
        return ", ".join(shown) + (f" and {len(ids) - LISTED} more {kind}" if len(ids) > LISTED else "")


@dataclass(frozen=True)
class Pixels:
    """Pixels per id in the label files that were read.

    Attributes:
        by_file: [F, 256], a row per file.
        lookup: [256] id -> class index, 255 if ignored, or ``UNEXPECTED``.
        rules: the expected ids.
        example: the most frequent unknown colors of one file, if masks have colors.
    """

    by_file: np.ndarray
    lookup: np.ndarray
    rules: Rules
    example: str = ""

    @cached_property
    def by_id(self) -> dict[int, int]:
        """Id -> pixels, for the ids that occur, in ascending order."""
        counts = self.by_file.sum(0)
        return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}

    @cached_property
    def total(self) -> int:
        """Number of all pixels."""
        return sum(self.by_id.values())

    @cached_property
    def missing(self) -> list[str]:
        """Classes without pixels, by ascending id."""
        id_of = self.rules.id_of
        return sorted((name for name in id_of if id_of[name] not in self.by_id), key=id_of.__getitem__)

    @property
    def needed(self) -> list[str]:
        """Classes without pixels that must have some, by ascending id."""
        return [name for name in self.missing if self.rules.must_occur(name)]

    @cached_property
    def present(self) -> list[str]:
        """Classes that occur."""
        return [name for name in self.rules.id_of if name not in self.missing]

    @cached_property
    def unnamed(self) -> dict[int, int]:
        """Id -> pixels of the ignored ids, except the void ids of the table; most pixels first."""
        ids = [i for i in self.by_id if self.lookup[i] == IGNORE_LABEL and i not in self.rules.void_ids]
        return {i: self.by_id[i] for i in sorted(ids, key=self.by_id.__getitem__, reverse=True)}

    @cached_property
    def void(self) -> int:
        """Number of pixels with void ids of the table."""
        return sum(self.by_id.get(i, 0) for i in self.rules.void_ids if self.lookup[i] == IGNORE_LABEL)

    @cached_property
    def unexpected(self) -> list[int]:
        """Ids that are not in the Cityscapes table."""
        return [i for i in self.by_id if self.lookup[i] == UNEXPECTED]

    def per_class(self, num_classes: int) -> list[int]:
        """Return the pixels of each class index."""
        counts = np.bincount(self.lookup, weights=self.by_file.sum(0), minlength=256)
        return counts[:num_classes].astype(int).tolist()

    def notes(self) -> list[str]:
        """List the ids that are ignored, with their shares of the pixels."""
        notes = []
        if self.void:
            notes.append(f"ignored: {share(self.void, self.total)} of the pixels, {self.rules.void_source}")
        if self.rules.colors:
            unknown = sum(self.unnamed.values())
            colors = f"colors without a name: {share(unknown, self.total)} of the pixels, such as {self.example}"
            return [*notes, colors] if unknown else notes
        named = [
            f"{id_}: {share(count, self.total)} of the pixels{' (ignored)' if id_ == IGNORE_LABEL else ''}"
            for id_, count in list(self.unnamed.items())[:LISTED]
        ]
        rest = list(self.unnamed.values())[LISTED:]
        if rest:
            named.append(f"{len(rest)} more ids: {share(sum(rest), self.total)}")
        return notes + (["ids without a class: " + ", ".join(named)] if named else []) + self._two_encodings()

    def _two_encodings(self) -> list[str]:
        """Note a class that seems to have two ids: each file with several ids has exactly one of them."""
        has = self.by_file > 0
        has = has[has.sum(1) > 1]
        for id_ in self.unnamed:
            for name, own in self.rules.id_of.items():
                files, others = int(has[:, own].sum()), int(has[:, id_].sum())
                if min(files, others) > 1 and (has[:, own] ^ has[:, id_]).all():
                    return [f"{files:,} files have {name}={own} and {others:,} others {id_}: is that {name} too?"]
        return []
