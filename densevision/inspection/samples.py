"""Choose images of every class, and draw them with their boxes or masks, before and after augmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from densevision.classification.dataset import ImageFolder
from densevision.detection.coco import CocoDataset
from densevision.errors import UserError, did_you_mean, listed
from densevision.images import shrink_image
from densevision.inspection.finding import Inspection
from densevision.segmentation.dataset import LabelMapDataset
from densevision.visualize import draw_labels, draw_truth


@dataclass(frozen=True)
class Choice:
    """Which samples to show.

    Attributes:
        count: images per class.
        classes: names; empty for all.
        seed: of the choice and of the augmentation.
        augmented: whether to show each image as training sees it, too.
        side: pixels of the longer side of a drawn image, at most.
    """

    side: int
    count: int = 3
    classes: tuple[str, ...] = ()
    seed: int = 0
    augmented: bool = False


@dataclass(frozen=True)
class Sample:
    """One drawn image.

    Attributes:
        path: of the image file.
        plain: [H, W, 3] uint8 RGB with its boxes or mask; None if it can't be read.
        augmented: the same as training sees it; None if that was not asked for.
        fault: why it can't be shown.
    """

    path: str
    plain: np.ndarray | None
    augmented: np.ndarray | None = None
    fault: str = ""


def check_shown(dataset: Any, classes: Sequence[str]) -> None:
    """Raise an error if a data set is of no known task, or lacks a class.

    Raises:
        UserError: with the classes that it has.
    """
    if not isinstance(dataset, CocoDataset | LabelMapDataset | ImageFolder):
        raise UserError(f"browse shows data sets of boxes, masks and class folders, not {type(dataset).__name__}")
    names = dataset.metainfo["classes"]
    for name in classes:
        if name not in names:
            raise UserError(f"--class {name}: no such class; {did_you_mean(name, names) or listed(names, 12)}")


def choose_samples(dataset: Any, choice: Choice) -> dict[str, list[int]]:
    """Return class -> indices of images that have it, each image once as far as there are others."""
    random = np.random.default_rng(choice.seed)
    used: set[int] = set()
    chosen = {}
    for label, name in enumerate(dataset.metainfo["classes"]):
        if choice.classes and name not in choice.classes:
            continue
        rows = random.permutation(_images_with(dataset, label)).tolist()
        rows.sort(key=lambda row: row in used)  # stable: new images first, in random order
        chosen[name] = rows[: choice.count]
        used.update(chosen[name])
    return chosen


def _images_with(dataset: Any, label: int) -> np.ndarray:
    if isinstance(dataset, CocoDataset):
        rows = np.repeat(np.arange(len(dataset)), np.diff(dataset.starts))
        return np.unique(rows[dataset.labels == label])
    if isinstance(dataset, ImageFolder):
        return np.flatnonzero(dataset.labels == label)
    known = [index for index in dataset.id_counts.known if index not in dataset.id_counts.damaged]
    with_label = dataset.id_counts.read(known)[:, dataset.lookup == label].any(axis=1)
    return np.array(known, int)[with_label]


def worst_images(dataset: Any, inspection: Inspection) -> list[int]:
    """Return the indices of the images that errors and warnings name, one of each finding first.

    A label file stands for its image.
    """
    index_of = {str(path): index for index, path in enumerate(dataset.image_paths())}
    if isinstance(dataset, LabelMapDataset):
        index_of |= {str(path): index for index, path in enumerate(dataset.labels)}
    named = [
        [index_of[path] for path in finding.files if path in index_of]
        for finding in inspection.findings
        if finding.severity != "note"
    ]
    longest = max(map(len, named), default=0)
    rounds = [indices[turn] for turn in range(longest) for indices in named if turn < len(indices)]
    return list(dict.fromkeys(rounds))


def draw_sample(dataset: Any, index: int, choice: Choice) -> Sample:
    """Draw one image with what is labeled in it."""
    path = str(dataset.image_paths()[index])
    try:
        plain = _draw_plain(dataset, index, choice.side)
        augmented = _draw_augmented(dataset, index, choice) if choice.augmented else None
    except (OSError, UserError) as error:
        return Sample(path, None, fault=str(error).removeprefix(f"{path}: "))
    return Sample(path, plain, augmented)


def _draw_plain(dataset: Any, index: int, side: int) -> np.ndarray:
    image = dataset.read(index)
    if isinstance(dataset, CocoDataset):
        rows = slice(dataset.starts[index], dataset.starts[index + 1])
        return _with_boxes(image, dataset.boxes[rows], dataset.labels[rows], dataset.metainfo, side)
    if isinstance(dataset, ImageFolder):
        return shrink_image(image, side)[0]
    if not len(dataset.labels):
        return image
    return _with_mask(image, dataset.read_labels(index), dataset.metainfo, side)


def _draw_augmented(dataset: Any, index: int, choice: Choice) -> np.ndarray:
    """Draw an image as ``dataset[SampleKey(index, seed)]``, but without another one in place of a damaged one.

    Each image has its own seed, as in training: with one for all, all would be flipped, or none.
    """
    item = dataset.load(index, int(np.random.SeedSequence([choice.seed, index]).generate_state(1)[0]))
    image = np.ascontiguousarray(item["inputs"].permute(1, 2, 0).numpy())
    truth = item["data_samples"].gt
    if isinstance(dataset, ImageFolder):
        return image
    if isinstance(dataset, CocoDataset):
        return _with_boxes(image, truth.boxes.numpy(), truth.labels.numpy(), dataset.metainfo, choice.side)
    return _with_mask(image, truth.labels[0].numpy(), dataset.metainfo, choice.side)


def _with_boxes(
    image: np.ndarray, boxes: np.ndarray, labels: np.ndarray, info: Mapping[str, Any], side: int
) -> np.ndarray:
    image, scale = shrink_image(image, side)
    return draw_truth(image, boxes * scale, labels, info["classes"])


def _with_mask(image: np.ndarray, labels: np.ndarray, info: Mapping[str, Any], side: int) -> np.ndarray:
    image, _ = shrink_image(image, side)
    labels = cv2.resize(np.ascontiguousarray(labels), image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return draw_labels(image, labels, (), info["palette"])
