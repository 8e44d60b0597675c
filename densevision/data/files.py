"""Find the image files of an annotation file, even if it was written on another machine."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

from densevision.errors import UserError

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_LOCAL_FILE = re.compile(r"\bd=([^&#]*)")  # Label Studio serves files as ?d=path


def find_files(folder: Path, names: Sequence[str], source: Path) -> tuple[list[str], list[str]]:
    """Find each name below a folder.

    A name that does not exist as written is searched for with slashes for backslashes, without URL quoting, by the
    longest matching end of its path (at least the base name), and case-insensitively.

    Args:
        folder: the folder of the images.
        names: relative or absolute paths.
        source: the annotation file, for messages.
    Returns:
        A path relative to ``folder`` for each name, and a note if some names are spelled differently from the files.
    Raises:
        UserError: files are missing, a name matches several files, or two names match one.
    """
    listing = cache(_file_names)
    found = list(names)
    absent, missing = [], []
    for row, name in enumerate(names):
        parent, base = os.path.split(name)
        if base not in listing(os.path.join(folder, parent)):
            absent.append(row)
    if not absent:
        return found, []
    below = _all_files(folder)
    for row in absent:
        match = _search(names[row], below, source)
        if match is None:
            missing.append(names[row])
        else:
            found[row] = match
    if missing:
        absence = f"the first is {missing[0]}" if folder.is_dir() else "which does not exist"
        raise UserError(
            f"{len(missing)} of {len(names)} images of {source} are not in {folder}, {absence}; "
            "check image_dir in the config"
        )
    _refuse_shared(found, names, source)
    first = absent[0]
    return found, [
        f"{len(absent)} file_name entries are spelled differently from their files, "
        f"the first is {names[first]!r} for {found[first]!r}"
    ]


def _file_names(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (OSError, ValueError):  # no such folder, or an impossible name
        return set()


def _all_files(folder: Path) -> dict[str, list[tuple[str, ...]]]:
    """Map the normalized base name of each file below a folder to the parts of its paths."""
    below: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for parent, _, names in os.walk(folder):
        parts = Path(parent).relative_to(folder).parts
        for name in names:
            below[_normalized(name)].append((*parts, name))
    return below


def _search(name: str, below: dict[str, list[tuple[str, ...]]], source: Path) -> str | None:
    for spelling in _spellings(name):
        parts = [_normalized(part) for part in spelling.split("/") if part not in ("", ".")]
        matches = below.get(parts[-1], []) if parts else []
        lengths = [_common_end(parts, [_normalized(part) for part in path]) for path in matches]
        best = [path for path, length in zip(matches, lengths, strict=True) if length == max(lengths)]
        if len(best) > 1:
            listed = " and ".join("/".join(path) for path in sorted(best)[:2])
            raise UserError(
                f"{source}: file_name {name!r} does not exist, and {listed} both match; "
                "correct file_name, or image_dir in the config"
            )
        if best:
            return "/".join(best[0])
    return None


def _spellings(name: str) -> list[str]:
    """Return the possible paths of a name, with slashes: the name itself, and the path of a URL."""
    spellings = [name.strip()]
    if _URL.match(spellings[0]) or "?" in spellings[0]:
        path, _, query = _URL.sub("", spellings[0]).partition("?")
        spellings += [*_LOCAL_FILE.findall(query), path]
    spellings += [unquote(spelling) for spelling in spellings]
    return list(dict.fromkeys(spelling.replace("\\", "/").rstrip("/") for spelling in spellings))


def _normalized(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _common_end(left: Sequence[str], right: Sequence[str]) -> int:
    pairs = zip(reversed(left), reversed(right), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _refuse_shared(found: Sequence[str], names: Sequence[str], source: Path) -> None:
    name_of: dict[str, str] = {}
    for path, name in zip(map(os.path.normpath, found), names, strict=True):
        if path in name_of:
            raise UserError(
                f"{source}: file_name {name_of[path]!r} and {name!r} both match the file {path}; "
                "correct file_name, or image_dir in the config"
            )
        name_of[path] = name
