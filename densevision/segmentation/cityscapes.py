"""Cityscapes folders, read straight from the label-id pictures."""

from __future__ import annotations

import colorsys
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData
from PIL import Image

from densevision.augment import Augment
from densevision.data.check import SplitCounts
from densevision.dataset import DrawDataset
from densevision.errors import UserError
from densevision.images import read_image
from densevision.paths import resolve_data_root
from densevision.registry import DATASETS
from densevision.samples import SegSample
from densevision.segmentation.labels import CITYSCAPES_LABELS, TRAIN_CLASSES
from densevision.segmentation.loss import IGNORE_LABEL

_UNEXPECTED = 254  # in the id lookup only; classes are fewer


@DATASETS.register_module()
class CityscapesDataset(DrawDataset):
    """Images ``leftImg8bit/<split>/<city>/*`` with labels ``gtFine/<split>/<city>/*``.

    Label ids become class indices 0..K-1 in memory; every other id becomes 255, ignored.

    Args:
        data_root: folder that holds ``leftImg8bit`` and ``gtFine``; relative to ``$DENSEVISION_DATA``.
        split: folder name. ``"test"`` may lack labels: then there are images only.
        classes: names of the Cityscapes table in the wanted order (default: its 19 evaluated classes), or
            name -> label id for ids of one's own.
        image_suffix: what image names end with.
        label_suffix: what stands in its place in label names.
        transforms: albumentations transforms for training, applied to image and label map.
    Attributes:
        metainfo: ``classes``, ``palette`` (RGB) and ``label_ids``, all in class order.
        images: path of each image, by index.
        labels: path of each label file, by index; empty without labels.
    Raises:
        UserError: no such folder, no image, an image without label file, an unknown class name, a label file
            that is not a map of ids or does not fit its image.
    """

    def __init__(
        self,
        data_root: str,
        split: str,
        classes: Sequence[str] | Mapping[str, int] | None = None,
        image_suffix: str = "_leftImg8bit.png",
        label_suffix: str = "_gtFine_labelIds.png",
        transforms: Sequence[dict[str, Any]] = (),
    ):
        root = resolve_data_root(data_root)
        self.images = _find_images(root / "leftImg8bit" / split, image_suffix)
        label_folder = root / "gtFine" / split
        self.labels = np.array([])
        if split != "test" or label_folder.is_dir():
            self.labels = _find_labels(self.images, label_folder, image_suffix, label_suffix)
        self.metainfo = class_info(classes)
        self._lookup = _id_lookup(self.metainfo["label_ids"], own_ids=isinstance(classes, Mapping))
        self._augment = Augment(transforms, boxes=False)
        super().__init__(len(self.images))
        if len(self.labels):
            self.read_labels(0)  # a wrong encoding shows before the training starts

    def count(self, split: str = "val") -> SplitCounts:
        """Count the labelled pixels of each class."""
        source = str(Path(self.images[0]).parents[1])
        return SplitCounts(source, len(self), "pixels", dict.fromkeys(self.metainfo["classes"], 0))

    def align_classes(self, classes: Sequence[str]) -> None:
        """Take the model's classes, see ``DrawDataset``."""

    def load(self, index: int, seed: int | None) -> dict:
        """Return ``inputs`` [3, H, W] uint8 RGB and a SegSample; augmented by ``seed`` unless it is None."""
        arrays = {"image": read_image(self.images[index])}
        ori_size = arrays["image"].shape[:2]
        if len(self.labels):
            arrays["mask"] = self.read_labels(index)
            if arrays["mask"].shape != ori_size:
                raise UserError(
                    f"{self.labels[index]} is {_size(arrays['mask'])}, its image {self.images[index]} "
                    f"is {_size(arrays['image'])}; labels must have the size of their image"
                )
        if seed is not None:
            arrays = self._augment(seed, **arrays)
        inputs = torch.from_numpy(np.ascontiguousarray(arrays["image"])).permute(2, 0, 1)
        path = str(self.images[index])
        sample = SegSample(
            metainfo=dict(img_id=index, img_path=path, ori_size=ori_size, input_size=tuple(inputs.shape[1:]))
        )
        if "mask" in arrays:
            sample.gt = PixelData(labels=torch.from_numpy(arrays["mask"].copy())[None])
        return dict(inputs=inputs, data_samples=sample)

    def read_labels(self, index: int) -> np.ndarray:
        """Read one label file as class indices [H, W] uint8, 255 where ignored.

        Raises:
            OSError: the file is damaged.
            UserError: it is not a map of known ids.
        """
        path = self.labels[index]
        ids = read_label_ids(path)
        labels = self._lookup[ids]
        if (labels == _UNEXPECTED).any():
            wrong = np.unique(ids[labels == _UNEXPECTED])[:5].tolist()
            raise UserError(
                f"{path} holds the ids {wrong}, which are not Cityscapes label ids; give *_labelIds.png "
                "files (not *_labelTrainIds.png), or your own ids as classes=dict(name=id)"
            )
        return labels


def read_label_ids(path: str | Path) -> np.ndarray:
    """Read a label picture as [H, W] uint8 ids; a palette picture gives its indices.

    Raises:
        OSError: the file is missing or damaged.
        UserError: it is a colour picture, or holds ids past 255.
    """
    try:
        with Image.open(path) as picture:
            ids = np.asarray(picture)  # OpenCV would turn palette indices into brightness
            mode = picture.mode
    except OSError as error:
        raise OSError(f"{path}: not a readable label picture ({error})") from error
    if ids.ndim != 2:
        raise UserError(f"{path} is a colour picture ({mode}); label files hold one id a pixel")
    if ids.max(initial=0) > 255:
        raise UserError(
            f"{path} holds ids up to {ids.max()}, label ids end at 255; is it an instanceIds file?"
        )
    return ids.astype(np.uint8)


def class_info(classes: Sequence[str] | Mapping[str, int] | None) -> dict[str, Any]:
    """Return ``classes``, ``palette`` and ``label_ids`` of a choice of classes.

    Args:
        classes: as for :class:`CityscapesDataset`.
    Raises:
        UserError: an unknown or repeated name, no name at all, or an id outside 0..255.
    """
    table = {label.name: label for label in CITYSCAPES_LABELS if label.id >= 0}
    names = tuple(TRAIN_CLASSES if classes is None else classes)
    if not names or len(set(names)) < len(names):
        raise UserError(f"classes must be different names, at least one, not {list(names)}")
    if not isinstance(classes, Mapping):
        classes = {name: _table_row(table, name).id for name in names}
    for name, label_id in classes.items():
        if not isinstance(label_id, int) or not 0 <= label_id <= 255:
            raise UserError(f"classes: the label id of {name!r} must be a whole number in 0..255")
    spare = [_spread_color(i, len(names)) for i in range(len(names))]
    palette = [table[name].color if name in table else spare[i] for i, name in enumerate(names)]
    return dict(classes=names, palette=palette, label_ids=[classes[name] for name in names])


def _table_row(table: Mapping, name: str):
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise UserError(
            f"classes: {name!r} is not a Cityscapes class{hint}; give your own ids as classes=dict(name=id)"
        )
    return table[name]


def _spread_color(index: int, count: int) -> tuple[int, int, int]:
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(index / count, 0.7, 0.9))


def _id_lookup(label_ids: Sequence[int], *, own_ids: bool) -> np.ndarray:
    lookup = np.full(256, IGNORE_LABEL if own_ids else _UNEXPECTED, np.uint8)
    if not own_ids:
        lookup[[label.id for label in CITYSCAPES_LABELS if label.id >= 0]] = IGNORE_LABEL
    lookup[list(label_ids)] = np.arange(len(label_ids))
    return lookup


def _find_images(folder: Path, suffix: str) -> np.ndarray:
    if not folder.is_dir():
        found = ", ".join(sorted(path.name for path in folder.parent.glob("*"))) or "nothing"
        raise UserError(f"{folder} does not exist; check data_root and split (found beside it: {found})")
    images = sorted(str(path) for path in folder.glob(f"*/*{suffix}"))
    if not images:
        other = next((path.name for path in sorted(folder.glob("*/*")) if path.is_file()), None)
        seen = f"; found {other}, so set image_suffix" if other else "; images lie in one folder a city"
        raise UserError(f"{folder} holds no */*{suffix}{seen}")
    return np.array(images)  # one block of memory: loader workers do not copy it


def _find_labels(images: np.ndarray, folder: Path, image_suffix: str, label_suffix: str) -> np.ndarray:
    labels = []
    for image in map(Path, images):
        stem = image.name[: len(image.name) - len(image_suffix)]
        labels.append(folder / image.parent.name / (stem + label_suffix))
    missing = [path for path in labels if not path.is_file()]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(images)} images have no label file, first {missing[0]}; "
            "add it, remove the image, or set label_suffix"
        )
    return np.array([str(path) for path in labels])


def _size(array: np.ndarray) -> str:
    return f"{array.shape[1]}x{array.shape[0]}"
