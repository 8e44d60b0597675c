"""Check, before the work, that a file can be written and that nothing of the user's would be lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from densevision.atomic import partial_path
from densevision.errors import UserError
from densevision.json_text import parse_json


@dataclass(frozen=True)
class Kind:
    """What a command writes.

    Attributes:
        name: for messages.
        matches: whether an existing file is of this kind, and so may be overwritten.
    """

    name: str
    matches: Callable[[Path], bool]


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


def _is_results(path: Path) -> bool:
    try:
        content = parse_json(path.read_bytes())
    except ValueError:  # also UnicodeDecodeError
        return False
    return not (isinstance(content, dict) and _DATA_KEYS & content.keys())


_DATA_KEYS = {"images", "annotations", "categories", "shapes", "cells"}  # COCO, LabelMe, notebooks
CSV = Kind("CSV of results", lambda path: path.read_bytes().startswith(b"file,class,"))
HTML = Kind("page of densevision", lambda path: path.read_bytes()[:15].lower() == b"<!doctype html>")
JSON = Kind("JSON of results", _is_results)
PNG = Kind("PNG image", lambda path: _head(path).startswith(b"\x89PNG"))
TFLITE = Kind(".tflite file", lambda path: _head(path)[4:] == b"TFL3")
ANY = Kind("file", lambda path: True)


def check_output(
    option: str, path: Path, kind: Kind = JSON, others: Iterable[str | Path | None] = (), *, makes_folder: bool = False
) -> None:
    """Check, before the work, that writing a file is possible and loses nothing.

    A file that exists is overwritten only if it is of the kind that is written, and neither an input nor a link.

    Args:
        option: name of the option or argument, for messages.
        others: the command's inputs and its other outputs; a camera's number and None are ignored.
        makes_folder: whether the command creates the folder that the file goes to.
    Raises:
        UserError: it can't be written, or something would be lost.
    """
    if not path.parent.is_dir() and not makes_folder:
        raise UserError(f"{option} {path}: can't be written, there is no folder {path.parent}; create it first")
    if os.path.isdir(path) or path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        raise UserError(f"{option} {path}: can't be written; give a file in an existing folder of yours")
    try:
        fault = _loss(path, kind, [Path(other) for other in others if other is not None])
    except OSError as error:  # a name that is too long, a folder or file that can't be read
        fault = f"can't be written ({error.strerror})"
    if fault:
        raise UserError(f"{option} {path}: {fault}; give another name")


def _loss(path: Path, kind: Kind, others: Sequence[Path]) -> str | None:
    """Return what would be lost if the file were written, or None."""
    for found in (path, partial_path(path)) if path.name else (path,):  # the root has no name
        if found.is_symlink() or found.exists() and not found.is_file():
            return f"{found} is a link or not a regular file"
    if any(is_same(path, other) for other in others):
        return "the command line names this file twice"
    if path.exists() and path.stat().st_size and not kind.matches(path):
        return f"this file exists and is not a {kind.name}"
    return None


def check_taken(option: str, folder: Path, names: Iterable[str]) -> None:
    """Raise a UserError if a folder that images are to be written to contains a file of one of these names."""
    taken = [name for name in names if (folder / name).exists()]
    if taken:
        fault = f"already contains {min(taken)}, which would be overwritten"
        raise UserError(f"{option} {folder} {fault}; give a new or an empty folder")


def is_same(one: Path, other: Path) -> bool:
    """Return whether two paths name one file or folder, which need not exist."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)
