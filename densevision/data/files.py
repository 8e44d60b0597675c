"""Find the image files that a json names, also where it was written on another machine."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from densevision.errors import UserError

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_LOCAL_FILE = re.compile(r"\bd=([^&#]*)")  # Label Studio serves files as ?d=path


def find_files(folder: Path, names: Sequence[str], source: Path) -> tuple[list[str], list[str]]:
    """Find each name below a folder.

    A name that is not there as it is written is searched for with slashes for backslashes, without URL quoting, by
    as much of its path as fits, at least the base name, and without regard to upper and lower case.

    Args:
        source: the json, for messages.
    Returns:
        A path relative to ``folder`` for each name, and a note if some names are spelled otherwise than the files.
    Raises:
        UserError: files are missing, a name fits several files, or two names fit one.
    """
    listing = cache(_file_names)
    found = []
    for name in names:
        parent, base = os.path.split(name)
        found.append(name if base in listing(os.path.join(folder, parent)) else None)
    absent = [row for row, name in enumerate(found) if name is None]
    if not absent:
        return found, []
    below = _all_files(folder)
    for row in absent:
        found[row] = _search(names[row], below, source)
    missing = [names[row] for row in absent if found[row] is None]
    if missing:
        absence = f"the first is {missing[0]}" if folder.is_dir() else "which does not exist"
        raise UserError(
            f"{len(missing)} of {len(names)} images of {source} are not in {folder}, {absence}; "
            "check image_dir in the config"
        )
    _refuse_shared(found, names, source)
    first = absent[0]
    return found, [
        f"{len(absent)} images found under another spelling of their file_name, "
        f"the first {names[first]!r} as {found[first]!r}"
    ]


def _file_names(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (OSError, ValueError):  # no such folder, or no possible name
        return set()


def _all_files(folder: Path) -> dict[str, list[tuple[str, ...]]]:
    """Map the plain base name of each file below a folder to the parts of its paths."""
    below = defaultdict(list)
    for parent, _, names in os.walk(folder):
        parts = Path(parent).relative_to(folder).parts
        for name in names:
            below[_plain(name)].append((*parts, name))
    return below


def _search(name: str, below: dict[str, list[tuple[str, ...]]], source: Path) -> str | None:
    for spelling in _spellings(name):
        parts = [_plain(part) for part in spelling.split("/") if part not in ("", ".")]
        matches = below.get(parts[-1], []) if parts else []
        lengths = [_common_end(parts, [_plain(part) for part in path]) for path in matches]
        best = [path for path, length in zip(matches, lengths, strict=True) if length == max(lengths)]
        if len(best) > 1:
            listed = " and ".join("/".join(path) for path in sorted(best)[:2])
            raise UserError(
                f"{source}: file_name {name!r} is not there, and {listed} both fit; "
                "correct file_name, or image_dir in the config"
            )
        if best:
            return "/".join(best[0])
    return None


def _spellings(name: str) -> list[str]:
    """Return what a name may mean, as paths with slashes: itself, and without a URL's decoration."""
    spellings = [name.strip()]
    if _URL.match(spellings[0]) or "?" in spellings[0]:
        path, _, query = _URL.sub("", spellings[0]).partition("?")
        spellings += [*_LOCAL_FILE.findall(query), path]
    spellings += [unquote(spelling) for spelling in spellings]
    return list(dict.fromkeys(spelling.replace("\\", "/").rstrip("/") for spelling in spellings))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _common_end(left: Sequence[str], right: Sequence[str]) -> int:
    length = 0
    while length < min(len(left), len(right)) and left[-1 - length] == right[-1 - length]:
        length += 1
    return length


def _refuse_shared(found: Sequence[str], names: Sequence[str], source: Path) -> None:
    user = {}
    for path, name in zip(found, names, strict=True):
        path = os.path.normpath(path)
        if path in user:
            raise UserError(
                f"{source}: file_name {user[path]!r} and {name!r} both fit the one file {path}; "
                "correct file_name, or image_dir in the config"
            )
        user[path] = name
