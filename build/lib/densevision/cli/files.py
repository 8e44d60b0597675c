"""What ``test`` and ``demo`` are given: a config and a checkpoint, or a .tflite."""

from __future__ import annotations

import argparse
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
