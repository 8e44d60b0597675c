"""Measure a folder of data: what the settings of a training are chosen from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from densevision.config.types import resolve_type
from densevision.data.check import SplitCounts, check_counts, count_lines
from densevision.data.formats.layout import Layout
from densevision.data.sizes import even_sample, size_as_read
from densevision.errors import UserError
from densevision.images import read_header
from densevision.registry import DATASETS

_ENDS = 1 << 16  # bytes at both ends of a file that its digest is computed from
_HEADERS = 300  # images whose size is read
_MASKS = 200  # masks that are read to find which classes an image has; those that ``count`` has read
_ANY_SIZE = (320, 320)  # data sets of detection and classification need an input size; nothing here depends on it


@dataclass(frozen=True)
class Facts:
    """One part of a data set, measured.

    Attributes:
        classes: names in label order.
        paths: path of each image.
        sizes: [S, 2] (height, width) of the images, or of an even sample.
        contents: labels in each image; empty where they were not read.
        boxes: [M, 4] xyxy as fractions of the image; none in segmentation.
        labels: [M] label of each box.
        uniform: whether all images have one size; True for a detector and a classifier, which resize them.
        counts: images, boxes or pixels per class, and notes.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    sizes: np.ndarray
    contents: tuple[frozenset[int], ...]
    boxes: np.ndarray
    labels: np.ndarray
    uniform: bool
    counts: SplitCounts

    def lines(self, part: str) -> list[str]:
        """Describe the part as a training does at its start."""
        return count_lines(part, self.counts)


def arguments_of(layout: Layout, part: str) -> dict[str, Any]:
    """Return the data set's arguments for a part of a layout."""
    return {**layout.shared, **layout.parts[part]}


def measure(layout: Layout, part: str, classes: Sequence[str] = (), *, training: bool) -> Facts:
    """Read the annotations of a part and the headers of its images.

    Args:
        part: key of the layout's parts.
        classes: names of the training part, which another part must not exceed.
        training: whether the part is to be trained on.
    Raises:
        UserError: nothing can be learned from the data, or measured on them; or they contradict themselves.
    """
    arguments = arguments_of(layout, part)
    kind: Any = resolve_type(layout.dataset, DATASETS)
    resized = layout.task != "segmentation"
    dataset = kind(**arguments, **(dict(input_size=_ANY_SIZE) if resized else {}))
    if not len(dataset):
        raise UserError(f"{arguments['data_root']}: the part {part!r} has no images")
    if classes:
        dataset.align_classes(classes)
    counts = dataset.count("train" if training else "val")
    check_counts("train" if training else "val", counts)
    boxes, labels, contents = _READERS[layout.task](dataset)
    return Facts(
        classes=tuple(dataset.metainfo["classes"]),
        paths=tuple(dataset.image_paths()),
        sizes=_read_sizes(dataset.image_paths(), arguments.get("exif", "apply")),
        contents=tuple(contents),
        boxes=boxes,
        labels=labels,
        uniform=resized or _is_uniform(dataset),
        counts=counts,
    )


def _is_uniform(dataset: Any) -> bool:
    try:
        dataset.check_batch(2)
    except UserError:
        return False
    return True


def _read_boxes(dataset: Any) -> tuple[np.ndarray, np.ndarray, list[frozenset[int]]]:
    rows = np.repeat(np.arange(len(dataset)), np.diff(dataset.starts))
    sizes = dataset.sizes[rows][:, [1, 0, 1, 0]]
    known = (sizes > 0).all(axis=1)
    boxes = dataset.boxes[known] / sizes[known]
    slices = zip(dataset.starts[:-1], dataset.starts[1:], strict=True)
    return boxes, dataset.labels[known], [frozenset(dataset.labels[low:high].tolist()) for low, high in slices]


def _read_masks(dataset: Any) -> tuple[np.ndarray, np.ndarray, list[frozenset[int]]]:
    contents = [frozenset[int]()] * len(dataset)
    rows = even_sample(len(dataset), _MASKS)
    number = len(dataset.metainfo["classes"])
    dataset.id_counts.read(rows)  # in threads; the loop finds the counts in memory
    for row in rows:
        found = dataset.id_counts.read([row])  # [1, 256], or [0, 256] of a damaged file
        labels = np.unique(dataset.lookup[np.flatnonzero(found.sum(0))])
        contents[row] = frozenset(labels[labels < number].tolist())
    return np.zeros((0, 4)), np.zeros(0, np.int64), contents


def _read_labels(dataset: Any) -> tuple[np.ndarray, np.ndarray, list[frozenset[int]]]:
    return np.zeros((0, 4)), np.zeros(0, np.int64), [frozenset([label]) for label in dataset.labels.tolist()]


_READERS = {"detection": _read_boxes, "segmentation": _read_masks, "classification": _read_labels}


def _read_sizes(paths: Sequence[str], exif: str) -> np.ndarray:
    """Return [S, 2] (height, width) of an even sample of the images; one that can't be read is left out."""

    def size(row: int) -> tuple[int, int] | None:
        try:
            return size_as_read(read_header(paths[row]), exif)
        except OSError:  # counted and reported with the data
            return None

    with ThreadPoolExecutor() as pool:
        found = [size for size in pool.map(size, even_sample(len(paths), _HEADERS)) if size is not None]
    if not found:
        raise UserError(f"{paths[0]}: no image can be read")
    return np.array(found)


def content_hashes(paths: Sequence[str]) -> list[str]:
    """Return a digest of each file, computed from its size, its first and its last 64 KiB."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_content_hash, paths))


def _content_hash(path: str) -> str:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.blake2b(f"{size} ".encode() + file.read(_ENDS), digest_size=16)
            file.seek(max(_ENDS, size - _ENDS))
            digest.update(file.read(_ENDS))
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror}); fix or delete it and its annotation") from error
    return digest.hexdigest()


def common_folder(arguments: Mapping[str, Any]) -> Path:
    """Return the folder that an image list's names are relative to."""
    return Path(arguments["data_root"], arguments.get("image_dir", ""))
