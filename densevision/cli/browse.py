"""``densevision browse``."""

from __future__ import annotations

import argparse
from pathlib import Path

from densevision.errors import UserError, did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "source", metavar="CONFIG|DATA", help="a config, by path or name, or a folder of images and labels"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("samples.png"), metavar="OUT", help="a .png (default: samples.png)"
    )
    parser.add_argument("--split", default="train", help="train, val or test (default: train)")
    parser.add_argument("--augmented", action="store_true", help="add each image as the training augments it")
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="only images with an object of this class")
    parser.add_argument("--count", type=int, default=12, metavar="N", help="number of images (default: 12)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images (default: 0)")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change values of the config")


def run(arguments: argparse.Namespace) -> int:
    """Write a grid of images with their boxes or masks."""
    import numpy as np

    from densevision.atomic import replacing
    from densevision.images import write_image
    from densevision.inspection.samples import choose_samples, draw_grid, draw_legend, draw_sample
    from densevision.inspection.source import open_source
    from densevision.outputs import PNG, check_output

    if arguments.out.suffix.lower() != ".png":
        raise UserError(f"--out {arguments.out}: the grid is a .png file")
    if not 1 <= arguments.count <= 400:
        raise UserError(f"--count {arguments.count}: give a number from 1 to 400")
    check_output("--out", arguments.out, PNG)
    source = open_source(arguments.source, arguments.cfg_options)
    names = {split.name: split for split in source.splits}
    split = names.get(arguments.split) or (names.get("all") if arguments.split == "train" else None)
    if split is None:
        raise UserError(
            f"--split {arguments.split}: {source.name} has {', '.join(names)}.{did_you_mean(arguments.split, names)}"
        )
    if split.dataset is None:
        raise UserError(split.fault)
    indices = choose_samples(split.dataset, arguments.count, arguments.seed, arguments.class_name)
    tiles, captions = [], []
    for index in indices:
        name = Path(split.dataset.image_paths()[index]).name
        for seed in (None, arguments.seed + index) if arguments.augmented else (None,):
            try:
                tiles.append(draw_sample(split.dataset, index, seed))
            except OSError as error:
                raise UserError(f"{error}; densevision check finds all such files") from error
            captions.append(name if seed is None else f"{name}, augmented")
    grid, info = draw_grid(tiles, captions, pairs=arguments.augmented), split.dataset.metainfo
    if "palette" in info:  # boxes have their names written next to them
        grid = np.concatenate([grid, draw_legend(info["classes"], info["palette"], grid.shape[1])])
    with replacing(arguments.out, "--out") as partial:
        write_image(partial, grid)
    print(f"wrote {arguments.out}: {len(indices)} of {len(split.dataset):,} images of {split.name}")
    return 0
