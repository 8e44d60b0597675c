"""``densevision predict``."""

from __future__ import annotations

import argparse
import csv
import glob
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.atomic import write_json, write_whole
from densevision.errors import UserError
from densevision.outputs import ANY, CSV, JSON, check_output, check_taken

if TYPE_CHECKING:
    from densevision.api import Model
    from densevision.inference.results import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a checkpoint of a training, or a MODEL.tflite")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="images, folders of images, or patterns ('*.jpg')")
    parser.add_argument("--config", type=Path, help="of a checkpoint that does not carry its config")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write what was found in each image")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write a row per object, or per class of an image")
    parser.add_argument("--save-images", type=Path, metavar="FOLDER", help="write the images with the results drawn")
    parser.add_argument("--score-threshold", type=float, help="detector: lowest score (default: the model's, else 0.3)")
    parser.add_argument(
        "--nms",
        choices=("across-classes", "per-class"),
        help="detector: of overlapping boxes keep the best one of all, or of each class (default: across-classes)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Predict image by image; returns 130 when Ctrl-C ended it early, with what was found until then written."""
    from densevision.api import load

    paths = find_images(arguments.images)
    _check_outputs(arguments, paths)
    model = load(arguments.model, arguments.config, score_threshold=arguments.score_threshold, nms=arguments.nms)
    found: list[tuple[Path, Result]] = []
    interrupted = False
    try:
        for path, result in _predict(model, paths):
            found.append((path, result))
            if arguments.save_images:
                _save(result, arguments.save_images / path.name)
            elif not (arguments.json or arguments.csv):
                print(f"{path}: {result.summary()}", flush=True)
    except KeyboardInterrupt:
        interrupted = True
    if not found and not interrupted:
        raise UserError("none of the images could be read")
    _write(arguments, model, found)
    if remark := model.predictor.nothing_found(len(found)):
        print(remark)
    return 130 if interrupted else 0


def find_images(words: Sequence[str]) -> list[Path]:
    """Return the image files that the command line names, in its order.

    Args:
        words: files, folders, or patterns with ``*``, ``?`` or ``**``.
    Raises:
        UserError: a word stands for no image.
    """
    from densevision.images import IMAGE_SUFFIXES
    from densevision.video.sources import list_images

    paths: list[Path] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            found = list_images(path)
        elif path.is_file():
            found = [path]
        else:
            matches = sorted(map(Path, glob.glob(word, recursive=True)))
            found = [one for one in matches if one.suffix.lower() in IMAGE_SUFFIXES]
        if not found:
            raise UserError(f"{word}: no image there ({', '.join(IMAGE_SUFFIXES)})")
        paths += found
    return list(dict.fromkeys(paths))


def _check_outputs(arguments: argparse.Namespace, paths: Sequence[Path]) -> None:
    folder = arguments.save_images
    inputs = [arguments.model, arguments.config, *paths]
    for option, path, kind, other in (
        ("--json", arguments.json, JSON, arguments.csv),
        ("--csv", arguments.csv, CSV, None),
    ):
        if path:
            images = [folder / one.name for one in paths] if folder else []
            check_output(option, path, kind, [*inputs, other, folder, *images], makes_folder=True)
    if folder is None:
        return
    names = [path.name for path in paths]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--save-images {folder}: two images are named {twice}; predict their folders one at a time")
    for name in names:
        check_output("--save-images", folder / name, ANY, inputs, makes_folder=True)
    check_taken("--save-images", folder, names)


def _predict(model: Model, paths: Iterable[Path]) -> Iterator[tuple[Path, Result]]:
    for path in paths:
        try:
            result = model(path)
        except UserError as error:  # a damaged image among many
            print(f"skipped: {error}")
            continue
        yield path, result


def _save(result: Result, path: Path) -> None:
    from densevision.images import encode_image

    write_whole(path, encode_image(result.draw(), path.suffix), "--save-images")


def _write(arguments: argparse.Namespace, model: Model, found: Sequence[tuple[Path, Result]]) -> None:
    if arguments.json:
        images = [dict(file=str(path), size=list(result.image.shape[:2]), **result.record()) for path, result in found]
        content = dict(model=str(arguments.model), task=model.task, classes=list(model.classes), results=images)
        write_json(arguments.json, content, "--json")
    if arguments.csv:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["file", *model.predictor.columns])
        writer.writerows([str(path), *row] for path, result in found for row in result.rows())
        write_whole(arguments.csv, text.getvalue().encode(errors="surrogateescape"), "--csv")
    if places := [str(place) for place in (arguments.json, arguments.csv, arguments.save_images) if place]:
        print(f"wrote {' and '.join(places)}: {len(found)} image{'s' * (len(found) != 1)}")
