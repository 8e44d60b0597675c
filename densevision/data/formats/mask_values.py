"""Read the values of a sample of masks, and derive the classes from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from densevision.data.label_files import read_label_colors, read_label_header, read_label_ids, unpack_color
from densevision.data.sizes import even_sample
from densevision.data.threads import read_files
from densevision.errors import UserError

Rgb = tuple[int, int, int]
VOID = 255
_MOST_COLORS = 64
_MOST_PER_FILE = 5000  # colors of one mask, at edges too
_MOST_BLENDS = 2000  # colors that are looked at
_MOST_IDS = 200
_FEW_EDGES, _MOST_EDGES = 0.01, 0.2  # share of the pixels of all anti-aliased values, if they are few or many values
_RARE_COLOR = 0.005  # share of the pixels; a color with fewer may be a blend of two others at an edge
_SAMPLE = 200  # masks that are read
_UNNAMED = 0.15  # share of the pixels of an ignored id, above which the data set is told to accept it
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

    def present(self) -> list[int]:
        """Return the ids that occur, ascending."""
        return [int(i) for i in np.flatnonzero(self.by_file.sum(0))]

    def files(self, label_id: int) -> int:
        """Return the number of masks that contain an id."""
        return int((self.by_file[:, label_id] > 0).sum())


def sample_ids(masks: Sequence[Path]) -> IdSample | UserError:
    """Count the ids in an even sample of masks; return the error if one of them is not a map of ids."""

    def count(path: Path) -> np.ndarray | None | UserError:
        try:
            return np.bincount(read_label_ids(path).ravel(), minlength=256)
        except OSError:
            return None  # damaged; the data set reports it
        except UserError as error:
            return error

    rows = read_files(count, _sampled(masks))
    errors = [row for row in rows if isinstance(row, UserError)]
    if errors:
        return errors[0]
    return IdSample(np.array([row for row in rows if isinstance(row, np.ndarray)], np.int64).reshape(-1, 256))


def palettes_differ(masks: Sequence[Path]) -> bool:
    """Tell whether palette masks give the same index different colors, so that only their colors mean a class."""

    def palette(path: Path) -> bytes:
        try:
            return read_label_header(path).palette
        except OSError:
            return b""

    palettes = sorted(set(read_files(palette, _sampled(masks))), key=len)
    longest = palettes[-1]
    return any(longest[: len(other)] != other for other in palettes)


def _sampled(masks: Sequence[Path]) -> list[Path]:
    return [masks[index] for index in even_sample(len(masks), _SAMPLE)]


def class_ids(sample: IdSample) -> list[int]:
    """Return the ids that are classes.

    255 is ignored, its usual meaning, unless the masks have two values or evenly spaced gray levels. Few pixels of
    many other values next to 0 and 255 are the edges of an anti-aliased mask.

    Raises:
        UserError: there are too many values for a mask.
    """
    shares = sample.shares()
    ids = sample.present()
    between = [i for i in ids if 0 < i < VOID]
    edges = float(shares[between].sum())
    ends = min(shares[0], shares[VOID])
    if (
        between
        and ends > shares[between].max()
        and max(between) > 64
        and ((len(between) > 2 and edges < _FEW_EDGES) or (len(between) > 15 and edges < _MOST_EDGES))
    ):
        return [0, VOID]
    if len(ids) > _MOST_IDS:
        raise UserError(
            f"the masks have {len(ids)} different values, as photos or blurred masks have; give masks with one value "
            "per class, not resized or compressed"
        )
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


def id_options(sample: IdSample, classes: dict[str, int]) -> dict[str, object]:
    """Return the options of the data set that let rare classes and ignored pixels pass, as the sample has them."""
    rare = [name for name, id_ in classes.items() if sample.files(id_) <= _rare(len(sample.by_file))]
    shares = sample.shares()
    unnamed = [float(shares[i]) for i in range(256) if i not in classes.values()]
    options: dict[str, object] = {"may_lack": rare} if rare else {}
    if max(unnamed, default=0) > _UNNAMED:
        options["max_unnamed"] = min(1.0, math.ceil(10 * max(unnamed) + 0.5) / 10)
    return options


def _rare(files: int) -> int:
    """Return in how many of the files a class may be that a part of them may lack."""
    return min(_RARE, files // 4)


@dataclass(frozen=True)
class ColorSample:
    """Colors in a sample of masks.

    Attributes:
        pixels: color -> pixels, most pixels first.
        files: color -> masks with it.
        masks: number of masks.
    """

    pixels: dict[Rgb, int]
    files: dict[Rgb, int]
    masks: int

    def share(self, color: Rgb) -> float:
        """Return the share of the pixels of a color."""
        return self.pixels.get(color, 0) / max(sum(self.pixels.values()), 1)

    def is_rare(self, color: Rgb) -> bool:
        """Tell whether a color is in so few masks that a part of the data may lack it."""
        return self.files.get(color, 0) <= _rare(self.masks)


def sample_colors(masks: Sequence[Path]) -> ColorSample:
    """Count the colors in an even sample of masks.

    Raises:
        UserError: a mask has no RGB colors.
    """

    def count(path: Path) -> tuple[np.ndarray, np.ndarray]:
        try:
            colors, counts = _count_values(read_label_colors(path).ravel())
        except OSError:
            return np.array([], np.uint32), np.array([], np.int64)  # damaged; the data set reports it
        if len(colors) > _MOST_PER_FILE:
            raise _too_many_colors(len(colors), f"{path} has")
        return colors, counts

    sampled = _sampled(masks)
    count(sampled[0])  # of photos the first one shows it
    total, files = Counter[Rgb](), Counter[Rgb]()
    for colors, counts in read_files(count, sampled):
        unpacked = [unpack_color(color) for color in colors]
        total.update(dict(zip(unpacked, counts.tolist(), strict=True)))
        files.update(unpacked)
    return ColorSample(dict(total.most_common()), dict(files), len(sampled))


def _count_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different values and their counts; quick where neighbors are equal."""
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    lengths = np.diff(starts, append=len(values))
    unique, index = np.unique(values[starts], return_inverse=True)
    return unique, np.bincount(index, weights=lengths).astype(np.int64)


def main_colors(sample: ColorSample) -> list[Rgb]:
    """Return the colors that are classes: not the blends of two others at anti-aliased edges.

    Raises:
        UserError: there are too many for a mask.
    """
    classes, blends = list[Rgb](), list[Rgb]()
    for color in list(sample.pixels)[:_MOST_BLENDS]:  # most pixels first
        blend = sample.share(color) < _RARE_COLOR and _is_blend(color, classes)
        (blends if blend else classes).append(color)
        if len(classes) > _MOST_COLORS:
            break
    if len(blends) <= 2 * len(classes):  # edges give many; a few are classes whose color lies between two others
        classes += blends
    if not 1 < len(classes) <= _MOST_COLORS or sum(map(sample.share, classes)) < 1 - _MOST_EDGES:
        raise _too_many_colors(len(sample.pixels), "the masks have")
    return sorted(classes)


def _too_many_colors(count: int, what: str) -> UserError:
    return UserError(
        f"{what} {count:,} colors, as photos or blurred masks have; give masks with one color per class, not resized "
        "or compressed"
    )


def _is_blend(color: Rgb, others: Sequence[Rgb]) -> bool:
    """Tell whether a color lies between two others, on the line from one to the other."""
    ends = np.array(others, float).reshape(-1, 3)
    first, second = ends[:, None], ends[None]
    line = second - first
    length = np.maximum((line**2).sum(-1), 1)
    place = ((np.array(color) - first) * line).sum(-1) / length
    distance = np.abs(first + place[..., None] * line - np.array(color)).max(-1)
    return bool(((place > 0) & (place < 1) & (distance < 2)).any())
