"""``densevision browse``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.errors import UserError, did_you_mean, listed

if TYPE_CHECKING:
    from densevision.inspection.source import Source, Split

_WORST = 12  # images of errors and warnings in the page
_MOST = 100  # images per class
_CELL, _IMAGE = 320, 560  # pixels of the longer side of an image in the PNG and in the page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "source", metavar="CONFIG|DATA", help="a config, by path or name, or a folder with images and labels"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("samples.html"),
        help="a .png, an .html page, or a folder for index.html (default: samples.html)",
    )
    parser.add_argument("--augmented", action="store_true", help="also show each image as training sees it")
    parser.add_argument("--split", help="train, val or test (default: the first)")
    parser.add_argument("--class", nargs="+", default=[], dest="classes", metavar="NAME", help="only these classes")
    parser.add_argument("--count", type=int, default=3, help="images per class (default: 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and of the augmentation (default: 0)")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change config values")


def run(arguments: argparse.Namespace) -> int:
    """Choose samples, draw them, and write the page or image."""
    from densevision.atomic import write_whole
    from densevision.images import encode_image
    from densevision.inspection.doctor import inspect_source
    from densevision.inspection.grid import Page, draw_grid, render_page
    from densevision.inspection.samples import Choice, check_shown, choose_samples, draw_sample, worst_images
    from densevision.inspection.source import open_source

    out = _check_out(arguments.out)
    if not 1 <= arguments.count <= _MOST:
        raise UserError(f"--count {arguments.count}: give a number from 1 to {_MOST}")
    if arguments.seed < 0:
        raise UserError(f"--seed {arguments.seed}: give 0 or more")
    source = open_source(arguments.source, arguments.cfg_options)
    split = _split(source, arguments.split)
    dataset = split.dataset
    check_shown(dataset, arguments.classes)
    found = inspect_source(replace(source, splits=[split]))
    side = _CELL if out.suffix.lower() == ".png" else _IMAGE
    choice = Choice(side, arguments.count, tuple(arguments.classes), arguments.seed, arguments.augmented)
    chosen = choose_samples(dataset, choice)
    samples = {name: [draw_sample(dataset, index, choice) for index in rows] for name, rows in chosen.items()}
    info = dataset.metainfo
    legend = list(zip(info["classes"], info["palette"], strict=True)) if "palette" in info else []
    if out.suffix.lower() == ".png":
        write_whole(out, encode_image(draw_grid(samples, found, legend)), "--out")
    else:
        worst = [draw_sample(dataset, index, choice) for index in worst_images(dataset, found)[:_WORST]]
        style = files("densevision.report").joinpath("style.css").read_text()
        page = Page(f"{arguments.source}, {split.name}", style, samples, worst, legend)
        write_whole(out, render_page(page, found).encode(errors="surrogateescape"), "--out")
    shown = len({index for rows in chosen.values() for index in rows})
    unreadable = len({one.path for row in samples.values() for one in row if one.fault})
    fault = f"; {unreadable:,} of them can't be read" if unreadable else ""
    print(f"wrote {out}: {shown:,} of {len(dataset):,} images of {split.name}{fault}")
    return 0


def _check_out(out: Path) -> Path:
    """Return the file to write: ``out``, or index.html in it.

    Raises:
        UserError: it can't be written, or something would be lost.
    """
    from densevision.outputs import HTML, PNG, check_output

    if out.suffix.lower() not in (".png", ".html"):
        if out.suffix:
            raise UserError(f"--out {out}: give a .png, an .html page, or a folder")
        out = out / "index.html"
    check_output("--out", out, PNG if out.suffix.lower() == ".png" else HTML, makes_folder=True)
    return out


def _split(source: Source, name: str | None) -> Split:
    names = [split.name for split in source.splits]
    if name is not None and name not in names:
        near = did_you_mean(name, names)
        raise UserError(f"--split {name}: {source.name} has {listed(names)}{f'; {near}' if near else ''}")
    split = next(split for split in source.splits if name in (None, split.name))
    if split.dataset is None:
        raise UserError(split.fault)
    return split
