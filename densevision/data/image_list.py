"""Read the text files that name the images of a split, one per line."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from densevision.errors import UserError


def select_images(names: Sequence[str], list_file: Path, folder: Path) -> list[int]:
    """Return the indices of the images that a list names, in its order, each once.

    A line names a file by its path or the end of it, with or without suffix. What follows after a space, such as a
    label file or a number, is not read.

    Args:
        names: paths of the images, relative to ``folder``, with slashes.
        list_file: the text file.
        folder: of the images, for messages.
    Raises:
        UserError: the list can't be read, names nothing, or an image that is not there or that is ambiguous.
    """
    index_of = _index(names)
    found, missing = dict[int, None](), []
    for line in _read_lines(list_file):
        matches = _find(line, index_of)
        if len(matches) > 1:
            raise UserError(f"{list_file}: {line!r} names {names[matches[0]]} and {names[matches[1]]}; give the folder")
        if matches:
            found[matches[0]] = None
        else:
            missing.append(line)
    if missing:
        raise UserError(
            f"{list_file}: {len(missing):,} of {len(missing) + len(found):,} images are not in {folder}, the first is "
            f"{missing[0]!r}; correct the list, or image_dir in the config"
        )
    if not found:
        raise UserError(f"{list_file} names no image")
    return list(found)


def _read_lines(list_file: Path) -> list[str]:
    try:
        text = list_file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{list_file} does not exist; correct image_list in the config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{list_file}: not a readable text file ({error}); correct image_list in the config") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _normalized(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().replace("\\", "/")


def _index(names: Sequence[str]) -> dict[str, list[int]]:
    """Map each end of each path, with and without suffix, to the images that have it."""
    index_of: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        parts = _normalized(name).split("/")
        for start in range(len(parts)):
            end = "/".join(parts[start:])
            for key in {end, end.rpartition(".")[0]}:
                index_of.setdefault(key, []).append(index)
    return index_of


def _find(line: str, index_of: dict[str, list[int]]) -> list[int]:
    """Return the images with the longest matching end of the path that a line names."""
    for spelling in dict.fromkeys((line, line.split()[0])):
        parts = [part for part in _normalized(spelling).split("/") if part not in ("", ".")]
        for start in range(len(parts)):
            if found := index_of.get("/".join(parts[start:])):
                return found
    return []
