"""Files that several commands take: a checkpoint with or without a config, or a .tflite; and annotated images."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from densevision.errors import UserError
from densevision.outputs import ANY, JSON, check_output, check_taken, is_same


def add_files(parser: argparse.ArgumentParser) -> None:
    """Declare the files."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="CHECKPOINT of a training (or CONFIG CHECKPOINT, where another config is to be used), or a MODEL.tflite",
    )


def split_files(files: Sequence[Path], config: Path | None = None) -> tuple[Path | None, Path]:
    """Return the config, or None, and the checkpoint or .tflite.

    Args:
        config: as given by an option.
    Raises:
        UserError: a file is missing, or there is one too many.
    """
    if len(files) == 1 and files[0].suffix != ".py":
        return config, files[0]
    if len(files) == 2 and config is None:
        return files[0], files[1]
    raise UserError(
        f"can't tell what {' '.join(map(str, files))} is; give CHECKPOINT, CONFIG CHECKPOINT, or one MODEL.tflite"
    )


def check_frames(where: str, output: Path | None, json_path: Path | None, models: Sequence[Path]) -> None:
    """Check the outputs of a command that annotates images or a video.

    Args:
        where: the input: a video, a folder of images, an image, or a camera's number.
        output: a video, an image or a folder of images.
    Raises:
        UserError: an output can't be written, or something would be lost.
    """
    if json_path:
        check_output("--json", json_path, JSON, [where, output, *models], makes_folder=True)
    if output and os.path.isdir(output) and not is_same(output, Path(where)):
        _check_folder(output, Path(where))
    elif output and output.suffix:
        check_output("--out", output, ANY, models, makes_folder=True)


def _check_folder(folder: Path, source: Path) -> None:
    """Check a folder for the names of the input's images, or of numbered frames, which others may have written."""
    if source.is_dir():
        names = {path.name for path in source.iterdir()}
    else:
        numbered = {path.name for path in folder.iterdir() if re.fullmatch(r"\d{6}\.jpg", path.name)}
        names = numbered | {source.name}
    check_taken("--out", folder, names)
