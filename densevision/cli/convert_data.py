"""``densevision convert-data``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densevision.errors import UserError

if TYPE_CHECKING:
    from densevision.data.formats.layout import Layout

_ANY_SIZE = (320, 320)  # a detection data set needs an input size; the files do not depend on it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder with images and labels, or their .json/.yaml")
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the result")
    parser.add_argument("--task", choices=("detection", "segmentation"), help="where the labels allow both")
    parser.add_argument(
        "--crops", action="store_true", help="detection: cut every object out, as an image in a folder per class"
    )
    parser.add_argument(
        "--copy", action="store_true", help="detection: also copy the images (segmentation always copies them)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Recognize the data, and write COCO json files, a Cityscapes tree, or a folder of images per class."""
    from densevision.data.formats.recognize import recognize

    if arguments.out.resolve().is_relative_to(arguments.data.resolve()) and arguments.data.is_dir():
        raise UserError(f"--out {arguments.out} is in the data's own folder; give another folder")
    layout = recognize(arguments.data, arguments.task)
    if layout.task == "classification":
        raise UserError(f"{arguments.data} is {layout.name}, which is read as it is: densevision new {arguments.data}")
    if arguments.crops and (layout.task != "detection" or arguments.copy):
        raise UserError("--crops cuts objects out by their boxes, and copies no images: leave --copy or --crops out")
    print(f"{arguments.data}: {layout.name}")
    for note in layout.notes:
        print(note)
    write = _write_boxes if layout.task == "detection" else _write_masks
    if arguments.crops:
        _write_crops(layout, arguments.out)
    else:
        write(layout, arguments.out, copy=arguments.copy)
    return 0


def _build(layout: Layout, **options: Any) -> dict[str, Any]:
    from densevision.config.types import resolve_type
    from densevision.data.check import count_lines
    from densevision.registry import DATASETS

    kind = resolve_type(layout.dataset, DATASETS)
    datasets = {part: kind(**layout.shared, **own, **options) for part, own in layout.parts.items()}
    for part, dataset in datasets.items():
        for line in count_lines(part, dataset.count("val")):
            print(line)
    return datasets


def _write_boxes(layout: Layout, out: Path, *, copy: bool) -> None:
    from densevision.detection.convert import write_coco

    for part, files in write_coco(_build(layout, input_size=_ANY_SIZE), out, copy_images=copy).items():
        print(f"{part}: {out / files['ann_file']}, image_dir {files['image_dir']}")


def _write_crops(layout: Layout, out: Path) -> None:
    from densevision.detection.crops import SMALLEST, write_crops

    for part, counts in write_crops(_build(layout, input_size=_ANY_SIZE), out).items():
        small = counts.pop("", 0)
        ranked = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(8))
        more = f", {len(counts) - 8} more classes" if len(counts) > 8 else ""
        print(f"{part}: {out / part}, {counts.total():,} images: {ranked}{more}")
        if small:
            print(f"  not cut out: {small:,} objects under {SMALLEST} pixels")


def _write_masks(layout: Layout, out: Path, *, copy: bool) -> None:
    from densevision.segmentation.convert import write_cityscapes

    options = write_cityscapes(_build(layout), out)
    print(f"CityscapesDataset({', '.join(f'{name}={value!r}' for name, value in options.items())})")
