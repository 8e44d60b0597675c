"""Find images that are in a data set twice: the same pixels, or nearly the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from densevision.images import read_image
from densevision.inspection.finding import Finding
from densevision.inspection.scan import ImageFacts

_BITS = 6  # of 64 that may differ
_LEVELS = 6.0  # mean difference of two thumbnails, of 255, that still counts as the same scene
_ROWS = 512  # images to compare with all others at a time
_FLAT = 4.0  # standard deviation of a thumbnail without content to compare


@dataclass(frozen=True)
class Pair:
    """Two images that are alike.

    Attributes:
        first, second: indices.
        exact: whether all pixels are equal.
    """

    first: int
    second: int
    exact: bool


def find_pairs(images: Sequence[ImageFacts]) -> list[Pair]:
    """Return the pairs of equal or nearly equal images; files that can't be read are in none.

    Nearly equal are images whose 64-bit difference hash (dHash) differs in at most 6 bits, and whose 16x16 gray
    thumbnails differ by at most 6 levels on average. Of several equal images, each is in a pair with the first.
    """
    readable = [index for index, image in enumerate(images) if not image.fault]
    first_with: dict[bytes, list[int]] = defaultdict(list)
    pairs, distinct = [], []
    for index in readable:
        twins = first_with[images[index].pixels]
        twin = next((other for other in twins if _equal(images[index], images[other])), None)
        if twin is None:
            twins.append(index)
            distinct.append(index)
        else:
            pairs.append(Pair(twin, index, exact=True))
    return pairs + list(_near(images, distinct))


def _equal(one: ImageFacts, other: ImageFacts) -> bool:
    if one.content == other.content:
        return True
    return bool(np.array_equal(read_image(one.path), read_image(other.path)))


def _near(images: Sequence[ImageFacts], indices: Sequence[int]) -> Iterator[Pair]:
    indices = [index for index in indices if images[index].look.std() > _FLAT]
    if len(indices) < 2:
        return
    signs = np.array([images[index].bright for index in indices], np.float32) * 2 - 1  # [N, 64]
    looks = np.array([images[index].look for index in indices], np.int16).reshape(len(indices), -1)
    for start in range(0, len(indices), _ROWS):
        rows = signs[start : start + _ROWS]
        alike = rows @ signs.T >= 64 - 2 * _BITS  # each bit that differs takes 2 from 64
        for row, column in zip(*np.nonzero(np.triu(alike, start + 1)), strict=True):
            one, other = looks[start + row], looks[column]
            if np.abs(one - other).mean() <= _LEVELS:
                yield Pair(indices[start + row], indices[column], exact=False)


def duplicate_findings(images: Mapping[str, Sequence[ImageFacts]]) -> list[Finding]:
    """Describe the images that occur twice, in two splits first.

    Args:
        images: split -> its images.
    """
    names = [name for name in images for _ in images[name]]
    every = [image for name in images for image in images[name]]
    found: dict[tuple[bool, str, str], dict[str, str]] = defaultdict(dict)  # exact, splits -> file -> its twin
    for pair in find_pairs(every):
        first, second = every[pair.first], every[pair.second]
        found[pair.exact, names[pair.first], names[pair.second]].setdefault(second.path, first.path)
    apart = [key for key in found if key[1] != key[2]]
    within = [key for key in found if key[1] == key[2]]
    return [
        _describe(key, found[key], len(images[key[2]]))
        for keys in (apart, within)
        for key in sorted(keys, key=lambda key: not key[0])
    ]


def contradiction_findings(split: str, images: Sequence[ImageFacts], classes: Sequence[str]) -> list[Finding]:
    """Find images that are in the folders of two classes.

    Args:
        images: of a split of a folder per class.
        classes: name of the class of each image.
    """
    pairs = [pair for pair in find_pairs(images) if pair.exact and classes[pair.first] != classes[pair.second]]
    if not pairs:
        return []
    one, other = classes[pairs[0].first], classes[pairs[0].second]
    text = f"{len(pairs):,} images are in the folders of two classes, such as {one} and {other}"
    return [
        Finding(
            kind="contradiction",
            severity="warning",
            split=split,
            text=text,
            action="use",
            effect="used with both labels, which no model can learn: keep one of each",
            count=len(pairs),
            files=tuple(images[pair.second].path for pair in pairs),
            twins=tuple(images[pair.first].path for pair in pairs),
        )
    ]


def _describe(key: tuple[bool, str, str], twins: Mapping[str, str], images: int) -> Finding:
    exact, first, split = key
    files = tuple(twins)
    like = "the same pixels as" if exact else "nearly the same pixels as"
    if first != split:
        text = f"{len(files):,} of {images:,} images have {like} images in {first}"
        effect = "used; the metric does not measure generalization: keep each scene in one split"
    else:
        text = f"{len(files):,} of {images:,} images have {like} another one of the split"
        effect = "used; they count several times: keep one of each" if exact else "used; each adds little"
    return Finding(
        kind=("identical" if exact else "near-duplicate") + ("-across-splits" if first != split else ""),
        severity="warning" if exact or first != split else "note",
        split=split,
        text=text,
        action="use",
        effect=effect,
        count=len(files),
        files=files,
        twins=tuple(twins.values()),
    )
