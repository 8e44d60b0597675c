"""Data sets whose label maps are drawn from polygons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from densevision.data.files import find_files
from densevision.data.formats.polygons import Outlines, Shape, load_json, read_outlines
from densevision.data.formats.readers import BOX_READERS
from densevision.data.image_list import select_images
from densevision.data.label_files import LabelHeader
from densevision.data.paths import resolve_data_root
from densevision.data.sizes import check_exif, describe_size, size_as_read
from densevision.errors import UserError, listed
from densevision.images import read_header
from densevision.registry import DATASETS
from densevision.segmentation.classes import class_info, near_name
from densevision.segmentation.dataset import LabelMapDataset, Pairs
from densevision.segmentation.loss import IGNORE_LABEL
from densevision.segmentation.pixels import Rules

_DEFINE_ORDER = ("labelme", "cvat")  # formats whose tools draw a later object over an earlier one
_IGNORED = ("__ignore__", "ignore", "void")  # names of objects whose pixels are ignored


@DATASETS.register_module()
class PolygonDataset(LabelMapDataset):
    """Images with polygons or RLE masks, drawn when they are read.

    Where objects overlap, the smaller one is on top: COCO and YOLO give no order, and a small object inside of a large
    one is in front of it far more often than the reverse. LabelMe and CVAT define the order: the later one is on top.
    See ``LabelMapDataset``.

    Args:
        data_root: folder of the data; relative to ``$DENSEVISION_DATA``.
        ann_file: COCO json, or file or folder of another format; relative to ``data_root``.
        image_dir: folder of the images, relative to ``data_root``.
        classes: the names in use, in the order of the labels; objects of other names are not drawn. By default the
            background and all names of the json.
        background: name of the pixels without an object; None ignores them.
        format: "coco" or one of ``BOX_READERS``, whose files must have polygons.
        image_list: text file that names the images in use, one per line; relative to ``data_root``.
        transforms: albumentations transforms for training, applied to image and label map.
        max_unnamed: largest share of the pixels, 0..1, that may be ignored; more is considered a mistake.
        exif: "apply" or "ignore" the rotation of an image's EXIF tag; polygons are never rotated.
        early: other transforms for the first part of a training, ``dict(until=0.4, transforms=[...])``.
        cache: keep decoded images in files, ``dict(folder="/dev/shm/NAME", gigabytes=4)``, see ``DecodedCache``.
    Raises:
        UserError: the json is missing or malformed, has no polygons, or names images that are not there.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str,
        image_dir: str = ".",
        classes: Sequence[str] | None = None,
        background: str | None = "background",
        format: str = "coco",
        image_list: str | None = None,
        transforms: Sequence[dict[str, Any]] = (),
        *,
        max_unnamed: float = 0.2,
        exif: str = "apply",
        early: Mapping[str, Any] | None = None,
        cache: Mapping[str, Any] | None = None,
    ):
        root = resolve_data_root(data_root)
        check_exif(exif)
        source = root / ann_file
        outlines = _read(source, root / image_dir, format)
        id_of = _number(outlines, classes, background)
        info = class_info(id_of)
        rows = list(range(len(outlines.file_names)))
        if image_list is not None:
            rows = select_images(outlines.file_names, root / image_list, source)
        names, notes = find_files(root / image_dir, [outlines.file_names[row] for row in rows], source)
        notes += _notes(outlines, id_of)
        images = np.array([str(root / image_dir / name) for name in names])
        background_id = IGNORE_LABEL if background is None else id_of.get(background, IGNORE_LABEL)
        labels = DrawnLabels(outlines, rows, images, id_of, background_id, exif)
        pairs = Pairs(images, labels, notes, root / image_dir, source)
        super().__init__(pairs, info, Rules(id_of, True, max_unnamed, "all"), transforms, exif, early, cache)


class DrawnLabels:
    """Label maps that are drawn from outlines, see ``LabelSource``.

    Args:
        outlines: the objects.
        rows: row of each image in ``outlines``.
        images: path of each image.
        id_of: class name -> label id; objects of other names are not drawn.
        background: id of the other pixels.
        exif: "apply" or "ignore" the EXIF tag where the size is read from the image.
    """

    def __init__(
        self,
        outlines: Outlines,
        rows: Sequence[int],
        images: np.ndarray,
        id_of: dict[str, int],
        background: int,
        exif: str,
    ):
        self.paths = np.array([str(outlines.source)] * len(rows))
        self.recipe: str | None = None  # drawn, not decoded
        self._sizes = [outlines.sizes[row] for row in rows]
        self._shapes = [outlines.shapes[row] for row in rows]
        self._relative, self._in_order = outlines.relative, outlines.in_order
        self._images, self._id_of, self._background, self._exif = images, id_of, background, exif

    def read_header(self, index: int) -> LabelHeader:
        """Return the size that the objects were drawn for, see ``LabelSource``."""
        return LabelHeader(self._sizes[index] or size_as_read(read_header(self._images[index]), self._exif), "polygons")

    def read_ids(self, index: int) -> np.ndarray:
        """Draw the objects of one image, see ``LabelSource``."""
        size = self.read_header(index).size
        ids = np.full(size, self._background, np.uint8)
        drawn = [(shape.name, self._rle(index, shape, size)) for shape in self._shapes[index] if self._is_drawn(shape)]
        if not self._in_order:
            drawn.sort(key=lambda item: -int(coco_mask.area(item[1])))
        for name, rle in drawn:
            ids[self._decode(index, rle) > 0] = self._id_of.get(name, IGNORE_LABEL)
        return ids

    def _decode(self, index: int, rle: dict[str, Any]) -> np.ndarray:
        try:
            return coco_mask.decode(rle)
        except ValueError as error:
            raise UserError(f"{self.paths[index]}: {error} of {self._images[index]}; correct the file") from error

    def _is_drawn(self, shape: Shape) -> bool:
        return shape.name in self._id_of or shape.name.lower() in _IGNORED

    def _rle(self, index: int, shape: Shape, size: tuple[int, int]) -> dict[str, Any]:
        if isinstance(shape.outline, list):
            polygons = shape.outline
            if self._relative:
                scale = np.array(size[::-1], float)
                polygons = [(np.reshape(polygon, (-1, 2)) * scale).ravel().tolist() for polygon in polygons]
            return coco_mask.merge(coco_mask.frPyObjects(polygons, *size))
        if list(shape.outline["size"]) != list(size):
            raise UserError(
                f"{self.paths[index]}: an RLE of {self._images[index]} is {describe_size(shape.outline['size'])}, the "
                f"image {describe_size(size)}; correct the file"
            )
        counts = shape.outline["counts"]
        return coco_mask.frPyObjects(shape.outline, *size) if isinstance(counts, list) else shape.outline


def _read(source: Path, image_dir: Path, name: str) -> Outlines:
    if name == "coco":
        return read_outlines(load_json(source), source)
    if name not in BOX_READERS:
        raise UserError(f"format={name!r} in the config; it must be one of {listed(['coco', *BOX_READERS], 20)}")
    reader = BOX_READERS[name]
    outlines = read_outlines(reader.read(source, image_dir), source)
    return replace(outlines, relative=reader.boxes.startswith("relative"), in_order=name in _DEFINE_ORDER)


def _number(outlines: Outlines, classes: Sequence[str] | None, background: str | None) -> dict[str, int]:
    """Return the id of each class: 0, 1, 2, ... with the background first by default."""
    known = [name for name in outlines.names if name.lower() not in _IGNORED]
    if background is not None and background not in known:
        known.insert(0, background)
    if classes is None:
        return {name: id_ for id_, name in enumerate(known)}
    class_info({name: id_ for id_, name in enumerate(classes)})
    for name in classes:
        if name not in known:
            raise UserError(f"classes: {outlines.source} has no category {name!r}{near_name(name, known)}")
    return {name: id_ for id_, name in enumerate(classes)}


def _notes(outlines: Outlines, id_of: dict[str, int]) -> list[str]:
    shapes = [shape for image in outlines.shapes for shape in image]
    if not shapes:
        raise UserError(
            f"{outlines.source} has no polygons, {sum(outlines.skipped.values()):,} objects are boxes only; "
            "segmentation needs polygons or RLE masks"
        )
    notes = [*outlines.notes]
    notes += [f"{count:,} objects are not drawn: {reason}" for reason, count in outlines.skipped.items()]
    others = sorted({shape.name for shape in shapes} - id_of.keys())
    return notes + ([f"objects that are not among the classes: {listed(others)}"] if others else [])
