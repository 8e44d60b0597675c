"""Masks whose pixels are colors of a table, one per class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from densevision.data.check import share
from densevision.data.label_files import LabelHeader, pack_color, read_label_colors, read_label_header, unpack_color
from densevision.errors import UserError

Rgb = tuple[int, int, int]
_SHOWN = 3  # unknown colors in one line


class ColorTable:
    """Names and colors of masks, with an id for each name.

    Args:
        colors: name -> (red, green, blue), or several of them.
        id_of: id of some names; the others get free ids.
    Attributes:
        of: name -> its colors.
        id_of: name -> id, for all names.
        unknown: the id of all other colors.
    Raises:
        UserError: a color is not three whole numbers in 0..255, or two names have the same.
    """

    def __init__(self, colors: Mapping[str, Any], id_of: Mapping[str, int]):
        self.of = check_colors(colors)
        free = [id_ for id_ in range(256) if id_ not in id_of.values()]
        self.id_of = {name: id_of[name] if name in id_of else free.pop(0) for name in self.of}
        self.unknown = free.pop()
        self._lookup: np.ndarray | None = None  # [2**24] uint8, packed color -> id

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lookup": None}  # made again by each process that starts without it

    def ids(self, pixels: np.ndarray) -> np.ndarray:
        """Return the ids [H, W] uint8 of packed colors [H, W], see ``read_label_colors``."""
        if self._lookup is None:
            lookup = np.full(1 << 24, self.unknown, np.uint8)
            for name, colors in self.of.items():
                lookup[[pack_color(color) for color in colors]] = self.id_of[name]
            self._lookup = lookup
        return self._lookup[pixels]

    def describe_unknown(self, path: str) -> str:
        """Name the most frequent colors of a file that are not in the table, with their share of its pixels."""
        pixels = read_label_colors(path)
        packed, counts = np.unique(pixels[self.ids(pixels) == self.unknown], return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_SHOWN]
        shown = ", ".join(f"{unpack_color(packed[i])} {share(int(counts[i]), pixels.size)}" for i in order)
        more = f" and {len(packed) - _SHOWN:,} more" if len(packed) > _SHOWN else ""
        return f"{shown}{more} of {path}"


class ColorImages:
    """Label images with colors of a table, see ``LabelSource``."""

    def __init__(self, paths: np.ndarray, table: ColorTable):
        self.paths, self._table = paths, table
        self.recipe: str | None = f"colors {table.of} {table.id_of} {table.unknown}"

    def read_header(self, index: int) -> LabelHeader:
        """Read size and pixel format of one file; palettes may differ, as colors count."""
        header = read_label_header(self.paths[index])
        return LabelHeader(header.size, header.kind)

    def read_ids(self, index: int) -> np.ndarray:
        """Read one file, see ``LabelSource``."""
        return self._table.ids(read_label_colors(self.paths[index]))


def check_colors(colors: Mapping[str, Any]) -> dict[str, list[Rgb]]:
    """Return name -> list of colors.

    Raises:
        UserError: see ``ColorTable``.
    """
    if not isinstance(colors, Mapping) or not colors:
        raise UserError(f"colors is {colors!r}; it is dict(name=(red, green, blue))")
    table, name_of = {}, dict[Rgb, str]()
    for name, given in colors.items():
        several = given if isinstance(given, list | tuple) and given and isinstance(given[0], list | tuple) else [given]
        table[name] = [_check_color(name, color) for color in several]
        for color in table[name]:
            if name_of.setdefault(color, name) != name:
                raise UserError(f"colors: {name_of[color]!r} and {name!r} have the same color {color}")
    return table


def _check_color(name: str, color: Any) -> Rgb:
    values = list(color) if isinstance(color, list | tuple) else []
    if len(values) != 3 or not all(type(value) is int and 0 <= value <= 255 for value in values):
        raise UserError(f"colors: the color of {name!r} is {color!r}; it is (red, green, blue), each 0 to 255")
    return values[0], values[1], values[2]
