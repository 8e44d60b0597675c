"""Divide images into a training and a validation part, so that near-duplicates stay in one part."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from densevision.errors import UserError

VAL_SHARE = 0.175
_MOST = 0.25  # largest share of the images that the validation part may get
_LARGEST = 1 / 6  # a group of more of the images is a sequence, which is cut into blocks
_BLOCKS = 8  # smallest number of blocks of a long sequence
_ROBOFLOW = re.compile(r"(_(?:jpe?g|png|bmp|webp))?\.rf\.[0-9a-f]{16,}$", re.IGNORECASE)
_NUMBER = re.compile(r"[ _.\-()]*(\d+)[ _.\-()]*$")


@dataclass(frozen=True)
class Split:
    """The rows of the images of each part, and how they were chosen."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    reason: str


def split_images(names: Sequence[str], hashes: Sequence[str], classes: Sequence[frozenset[int]]) -> Split:
    """Choose about 17 % of the images for validation, in whole groups, in the order of the groups' hashes.

    Images are in one group if their content is equal, or if their names differ only in a number at the end or in
    what Roboflow appends to the copies of one image. A group with too many images, such as the frames of one video,
    is cut into blocks of consecutive numbers. New images change little, as the order depends on content only.

    Args:
        names: path of each image.
        hashes: hex digest of the content of each image.
        classes: labels in each image; both parts get every class where the groups allow it.
    Raises:
        UserError: there are fewer than two different images.
    """
    if len(set(hashes)) < 2:
        raise UserError(f"{names[0] if names else 'no image'}: two different images are needed, one to validate on")
    keys, cut = _group_keys(names)
    groups = _merge(keys, hashes)
    ordered = sorted(groups, key=lambda rows: min(hashes[row] for row in rows))
    val = _choose(ordered, len(names))
    _complete(ordered, val, classes)
    rows_of_val = sorted(row for number in val for row in ordered[number])
    taken = set(rows_of_val)
    train = tuple(row for row in range(len(names)) if row not in taken)
    reason = "by content hash"
    if cut:
        reason = "by content hash, in blocks of consecutive numbers, as most names differ only in their number"
    elif len(ordered) < len(names):
        reason = f"by content hash, {len(ordered):,} groups of similar names or equal content kept together"
    return Split(train, tuple(rows_of_val), reason)


def split_classes(names: Sequence[str], hashes: Sequence[str], labels: Sequence[int]) -> Split:
    """Choose about 17 % of the images of each class as ``split_images`` does; a class of one image is trained on.

    Args:
        names: path of each image.
        hashes: hex digest of the content of each image.
        labels: class of each image.
    Raises:
        UserError: no class has two different images.
    """
    train: list[int] = []
    val: list[int] = []
    for label in sorted(set(labels)):
        rows = [row for row, own in enumerate(labels) if own == label]
        if len({hashes[row] for row in rows}) < 2:
            train += rows
            continue
        found = split_images([names[row] for row in rows], [hashes[row] for row in rows], [frozenset()] * len(rows))
        train += [rows[row] for row in found.train]
        val += [rows[row] for row in found.val]
    if not val:
        raise UserError(f"{names[0] if names else 'no image'}: a class needs two different images, one to validate on")
    return Split(tuple(sorted(train)), tuple(sorted(val)), "of each class by content hash, similar names kept together")


def group_name(name: str) -> tuple[str, int | None]:
    """Return what similar images have in common in their paths, and the number at the end of the name, if any.

    "video/frame_012.jpg" is ("video/frame", 12); "cat_jpg.rf.0123456789abcdef0123456789abcdef.jpg" is ("cat", None).
    """
    path = PurePath(name)
    stem = path.with_suffix("").name
    original = _ROBOFLOW.sub("", stem)
    if original != stem:
        return str(path.with_name(original)), None
    number = _NUMBER.search(stem)
    if number is None:
        return str(path.with_suffix("")), None
    return f"{path.parent / stem[: number.start()] if stem[: number.start()] else path.parent}", int(number[1])


def _group_keys(names: Sequence[str]) -> tuple[list[tuple[str, int]], bool]:
    """Return a key per image, and whether a sequence of more than half of the images was cut."""
    found = [group_name(name) for name in names]
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, (prefix, _) in enumerate(found):
        rows_of[prefix].append(row)
    keys = [(prefix, 0) for prefix, _ in found]
    cut = 0
    for prefix, rows in rows_of.items():
        if len(rows) > max(1, _LARGEST * len(names)):
            shift = max(0, len(rows).bit_length() - _BLOCKS.bit_length())
            for rank, row in enumerate(sorted(rows, key=lambda row: (found[row][1] or 0, names[row]))):
                keys[row] = (prefix, rank >> shift)
            cut = max(cut, len(rows))
    return keys, 2 * cut > len(names)


def _merge(keys: Sequence[object], hashes: Sequence[str]) -> list[list[int]]:
    """Group the rows of equal keys, and join groups that share a hash."""
    parent: dict[object, object] = {}

    def root(item: object) -> object:
        while parent.setdefault(item, item) != item:
            item = parent[item]
        return item

    for key, digest in zip(keys, hashes, strict=True):
        parent[root(key)] = root(digest)
    groups: dict[object, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        groups[root(key)].append(row)
    return list(groups.values())


def _choose(ordered: Sequence[Sequence[int]], count: int) -> set[int]:
    """Take groups in their order until the validation part is large enough; skip a group that is too large."""
    wanted, most = max(1, round(VAL_SHARE * count)), max(1, int(_MOST * count))
    val: set[int] = set()
    size = 0
    for number, rows in enumerate(ordered):
        if size < wanted and size + len(rows) <= most:
            val.add(number)
            size += len(rows)
    if not val and len(ordered) > 1:
        val.add(min(range(len(ordered)), key=lambda number: len(ordered[number])))
    return val


def _complete(ordered: Sequence[Sequence[int]], val: set[int], classes: Sequence[frozenset[int]]) -> None:
    """Exchange groups until each class is in both parts, as far as its groups allow; training comes first."""
    contents = [frozenset[int]().union(*(classes[row] for row in rows)) for rows in ordered]
    groups_of: Mapping[int, int] = Counter(label for content in contents for label in content)
    for label in sorted(groups_of, key=lambda label: (groups_of[label], label)):
        inside = [number for number, content in enumerate(contents) if label in content]
        if val.issuperset(inside) and len(val) > 1:
            val.discard(inside[-1])
        elif not val.intersection(inside):
            movable = (number for number in inside if _stays(contents, val, number))
            if (chosen := next(movable, None)) is not None:
                val.add(chosen)


def _stays(contents: Sequence[frozenset[int]], val: set[int], moved: int) -> bool:
    """Tell whether the training part keeps every class of a group without it."""
    rest = [content for number, content in enumerate(contents) if number not in val and number != moved]
    return contents[moved] <= frozenset[int]().union(*rest)
