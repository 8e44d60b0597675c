"""Files that several commands are given: a config and a checkpoint, or a .tflite; and the json that they write."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from densevision.errors import UserError


def add_files(parser: argparse.ArgumentParser) -> None:
    """Declare the files."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE",
                        help="CONFIG CHECKPOINT of a training, or a MODEL.tflite that densevision export wrote")


def split_files(files: Sequence[Path], config: Path | None = None) -> tuple[Path | None, Path]:
    """Return the config, or None, and the checkpoint or .tflite.

    Args:
        config: as given by an option.
    Raises:
        UserError: something is missing, or too much.
    """
    if len(files) == 1 and files[0].suffix == ".tflite":
        return config, files[0]
    if len(files) == 2 and config is None:
        return files[0], files[1]
    if len(files) == 1 and config is not None:
        return config, files[0]
    raise UserError(f"can't tell what {' '.join(map(str, files))} is; give CONFIG CHECKPOINT, or one MODEL.tflite")


def check_output(option: str, path: Path) -> None:
    """Raise a UserError, before the work, if a file can't be written."""
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: can't be written, there is no folder {path.parent}; make it first")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UserError(f"{option} {path}: can't be written; give a file in an existing folder of yours")


def write_json(path: Path, content: object) -> None:
    """Write plain data for ``--json``; raises a UserError where that can't be."""
    try:
        path.write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"--json {path}: {error.strerror}; give a file in an existing folder") from error
