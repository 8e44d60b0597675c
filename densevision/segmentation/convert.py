"""Write a segmentation data set as a Cityscapes tree, for programs that read nothing else."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from densevision.data.threads import read_files
from densevision.errors import UserError
from densevision.images import write_image
from densevision.segmentation.dataset import LabelMapDataset

_ALL = "all"  # folder of images that are directly in the folder of images
_LABEL_SUFFIX = "_gtFine_labelIds.png"


def write_cityscapes(parts: Mapping[str, LabelMapDataset], out: Path) -> dict[str, Any]:
    """Write ``leftImg8bit/<split>/`` and ``gtFine/<split>/`` with a class index per pixel, 255 where ignored.

    The folder is whole or not there. Images are copied, or decoded and written as PNG if they have several formats.

    Args:
        parts: name of a split -> its data set.
        out: a new or empty folder.
    Returns:
        The arguments of the ``CityscapesDataset`` that reads the tree, without ``split``.
    Raises:
        UserError: the folder has content, the parts differ in their classes, or a file can't be read.
        OSError: a file can't be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; choose another one")
    first = next(iter(parts.values()))
    classes = first.metainfo["classes"]
    for part, dataset in parts.items():
        if dataset.metainfo["classes"] != classes:
            raise UserError(f"the classes of {part} are {dataset.metainfo['classes']}, of others {classes}")
    suffixes = {Path(path).suffix.lower() for dataset in parts.values() for path in dataset.images}
    suffix = suffixes.pop() if len(suffixes) == 1 and first.exif == "apply" else ".png"
    copy = not suffixes and first.exif == "apply"
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        whole = Path(temporary) / out.name
        for part, dataset in parts.items():
            _write_part(dataset, whole, part, f"_leftImg8bit{suffix}", copy=copy)
        whole.replace(out)
    return dict(
        data_root=str(out.resolve()),
        classes={name: label for label, name in enumerate(classes)},
        image_suffix=f"_leftImg8bit{suffix}",
        max_unnamed=1.0,  # what is ignored and what may lack was decided where the data were read
        may_lack="all",
    )


def _write_part(dataset: LabelMapDataset, out: Path, part: str, suffix: str, *, copy: bool) -> None:
    names = _names(dataset)

    def write(index: int) -> None:
        image = out / "leftImg8bit" / part / f"{names[index]}{suffix}"
        image.parent.mkdir(parents=True, exist_ok=True)
        try:
            if copy:
                shutil.copyfile(dataset.images[index], image)
            else:
                write_image(image, dataset.read(index))
            if len(dataset.labels):
                label = out / "gtFine" / part / f"{names[index]}{_LABEL_SUFFIX}"
                write_image(label, np.ascontiguousarray(dataset.read_labels(index)))
        except OSError as error:
            raise UserError(f"{dataset.images[index]}: {error}") from error

    read_files(write, range(len(dataset)))


def _names(dataset: LabelMapDataset) -> list[str]:
    """Return "<city>/<name>" of each image."""
    names = []
    for index in range(len(dataset)):
        path = PurePosixPath(dataset.result_name(index))
        city = "_".join(path.parts[:-1]) or _ALL
        names.append(f"{city}/{path.stem}")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise UserError(f"several images would have the name {repeated[0]}; rename them")
    return names
