"""Data sets with a folder per class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.structures import LabelData

from densevision.classification.folders import Tree, read_classes, read_tree
from densevision.data.augment import Augment
from densevision.data.check import SplitCounts
from densevision.data.dataset import SeededDataset
from densevision.data.decoded import DecodedCache
from densevision.data.paths import resolve_data_root
from densevision.data.samples import ClsSample
from densevision.data.sizes import SAMPLE, even_sample
from densevision.errors import UserError, did_you_mean, listed
from densevision.images import fit_image, read_header, read_image, resize_image
from densevision.registry import DATASETS


@DATASETS.register_module()
class ImageFolder(SeededDataset):
    """Images in a folder per class, resized to one size: ``data_root/image_dir/CLASS/NAME.jpg``.

    Args:
        data_root: folder, see ``resolve_data_root``. A ``classes.txt`` in it gives order and names of the classes, see
            ``read_classes``.
        image_dir: folder of the class folders, relative to ``data_root``.
        input_size: (height, width) that every image is resized to.
        center_crop: as of ``fit_image``, where there is no augmentation.
        classes: names in the order of the labels, which also selects them; None takes all.
        transforms: albumentations for training; the resize follows them.
        image_list: text file that names the images in use, one per line, relative to ``data_root``; None uses all.
        cache: keep decoded images in files, ``dict(folder="/dev/shm/NAME", gigabytes=4)``, see ``DecodedCache``.
    Attributes:
        metainfo: ``classes``.
        images: path of each image relative to the folder of the class folders, by index.
        labels: [N] int64, class of each image.
    Raises:
        UserError: folders, ``classes.txt`` or list are at fault.
    """

    reads = dict(cache=DecodedCache)

    def __init__(
        self,
        data_root: str,
        image_dir: str,
        input_size: tuple[int, int],
        center_crop: float | None = None,
        classes: Sequence[str] | None = None,
        transforms: Sequence[dict] = (),
        image_list: str | None = None,
        cache: Mapping[str, Any] | None = None,
    ):
        root = resolve_data_root(data_root)
        self._tree = read_tree(root / image_dir, root / image_list if image_list else None)
        folder_of = read_classes(root, self._tree.folders)
        names = tuple(folder_of) if classes is None else _chosen(classes, folder_of, self._tree)
        labels = np.array(self._tree.labels([folder_of.get(name, name) for name in names]), np.int64)
        self.images = np.array(self._tree.images, object)[labels >= 0]
        self.labels = labels[labels >= 0]
        self.metainfo = dict(classes=names)
        self._left_out = int((labels < 0).sum())
        self.input_size, self.center_crop = (input_size[0], input_size[1]), center_crop
        self._augment = Augment(transforms, boxes=False)
        super().__init__(len(self.images), cache)
        if not len(self.images):
            raise UserError(f"{self._tree.place}: no class folder contains an image in use; correct image_dir")

    def image_paths(self) -> list[str]:
        """Return the path of each image, by index."""
        return [str(self._tree.place / image) for image in self.images]

    def spread(self, count: int) -> list[int]:
        """Return ``count`` indices, of each class as many as of the others where it has enough, evenly spread."""
        by_class = [np.flatnonzero(self.labels == label) for label in range(len(self.metainfo["classes"]))]
        taken, left = [0] * len(by_class), count
        for number, label in enumerate(sorted(range(len(by_class)), key=lambda label: len(by_class[label]))):
            taken[label] = min(len(by_class[label]), left // (len(by_class) - number))
            left -= taken[label]
        chosen = [rows[np.arange(most) * len(rows) // max(1, most)] for rows, most in zip(by_class, taken, strict=True)]
        return np.sort(np.concatenate(chosen)).tolist()

    def read(self, index: int) -> np.ndarray:
        """Read one image as [H, W, 3] uint8 RGB.

        Raises:
            OSError: the image can't be read.
        """
        path = self._tree.place / self.images[index]
        return self.decoded(path, "apply", lambda: read_image(path))

    def load(self, index: int, seed: int | None) -> dict:
        """Return ``inputs`` [3, *input_size] uint8 RGB and a ``ClsSample``; augmented by ``seed`` unless it is None."""
        image = self.read(index)
        info = dict(img_path=str(self._tree.place / self.images[index]), ori_size=image.shape[:2])
        if seed is None:
            image = fit_image(image, self.input_size, self.center_crop)
        else:
            image = resize_image(self._augment(seed, image=image)["image"], self.input_size)
        sample = ClsSample(metainfo=info | dict(input_size=self.input_size))
        sample.gt = LabelData(label=torch.tensor([self.labels[index]]))
        inputs = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        return dict(inputs=inputs, data_samples=sample)

    def count(self, split: str = "val") -> SplitCounts:
        """Count the images per class, and read headers of images; see ``SeededDataset``."""
        per_class = dict(zip(self.metainfo["classes"], self._per_class(), strict=True))
        training = split == "train"
        damaged = self._damaged_images(even_sample(len(self), SAMPLE) if training else range(len(self)))
        notes = []
        if damaged and training:
            notes = [f"{len(damaged)} images can't be read and will be skipped, the first is {damaged[0]}"]
        dropped = {
            "images in no class folder": self._tree.loose,
            "images of classes that are left out": self._left_out,
            "files in other formats": self._tree.others,
        }
        return SplitCounts(
            len(self),
            "labels",
            per_class,
            {reason: count for reason, count in dropped.items() if count},
            notes=tuple(notes),
            training_fault=self._training_fault(per_class),
            evaluation_fault=f"{damaged[0]}; fix or delete the image" if damaged else None,
        )

    def _per_class(self) -> list[int]:
        counts: list[int] = np.bincount(self.labels, minlength=len(self.metainfo["classes"])).tolist()
        return counts

    def _damaged_images(self, indices: Sequence[int]) -> list[str]:
        found = []
        for index in indices:
            try:
                read_header(self._tree.place / self.images[index])
            except OSError as error:
                found.append(str(error))
        return found

    def _training_fault(self, per_class: dict[str, int]) -> str | None:
        place, empty = self._tree.place, [name for name, count in per_class.items() if not count]
        if len(per_class) < 2:
            return (
                f"{place} has one class, {listed(list(per_class))}; a classifier needs a folder of each of two or more"
            )
        if empty:
            return (
                f"{place} has no image of {listed(empty)}; add images, delete the folder or the line of classes.txt, "
                "or leave the class out with classes=[...] in the data sets of the config"
            )
        return None

    def align_classes(self, classes: Sequence[str]) -> None:
        """Map the labels to the model's classes, see ``SeededDataset``."""
        own = self.metainfo["classes"]
        counts = Counter({own[label]: count for label, count in enumerate(self._per_class()) if count})
        unknown = [name for name in counts if name not in classes]
        if unknown:
            hint = did_you_mean(unknown[0], classes) or f"it has {listed(list(classes), 12)}."
            raise UserError(
                f"{self._tree.place}: the model has no class {unknown[0]!r} ({counts[unknown[0]]:,} images); {hint} "
                "Rename the folder, or leave the class out with classes=[...] in the data set of the config"
            )
        position = {name: label for label, name in enumerate(classes)}
        self.labels = np.array([position.get(name, -1) for name in own], np.int64)[self.labels]
        self.metainfo.update(classes=tuple(classes))  # evaluators keep a reference to the dict


def _chosen(classes: Sequence[str], known: dict[str, str], tree: Tree) -> tuple[str, ...]:
    """Check the config's classes; one without a folder in this split is an error where no ``classes.txt`` has it."""
    if len(set(classes)) < len(classes):
        raise UserError(f"classes={list(classes)} in the config: each class must occur once")
    if not set(classes) & set(known):
        raise UserError(f"{tree.place} has no folder of {listed(list(classes))}; its classes are {listed(list(known))}")
    return tuple(classes)
