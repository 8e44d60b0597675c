"""Report every program that is started, and every file that is changed outside of given folders."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_STARTS = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn", "os.startfile"}
_CHANGES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.symlink": 2, "os.link": 2}
_CACHES = tuple(os.path.expanduser(f"~/{name}/") for name in (".cache", ".config"))  # of Matplotlib
_ALLOWED = {"lscpu", "nvidia-smi", "nvcc", "gcc", "cc", "c++", "ldconfig", "objdump", "ld", "file", "git", "uname"}


@contextlib.contextmanager
def guarded(*folders: Path, temporary: bool) -> Iterator[list[str]]:
    """Give the list that collects what happens in this process and must not.

    Args:
        folders: below them files may change.
        temporary: so may those that ``tempfile`` creates.
    """
    roots = [f"{os.path.realpath(one)}{os.sep}" for one in folders]
    if temporary:
        place = os.path.realpath(tempfile.gettempdir())
        roots += [os.path.join(place, name) for name in ("tmp", "torchinductor_")]
    found: list[str] = []
    active = True

    def hook(event: str, arguments: tuple) -> None:
        if not active:
            return
        if event in _STARTS and _program(arguments) not in _ALLOWED and not _is_ours(arguments):
            found.append(f"{event} {arguments[:2]!r}")
        elif event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _check(event, arguments[:1], roots, found)
        elif event in _CHANGES:
            _check(event, arguments[: _CHANGES[event]], roots, found)

    sys.addaudithook(hook)  # there is no way to remove it
    try:
        yield found
    finally:
        active = False


def _program(arguments: tuple) -> str:
    first = arguments[0]
    return os.path.basename(os.fsdecode(first)) if isinstance(first, str | bytes | os.PathLike) else repr(first)


def _is_ours(arguments: tuple) -> bool:
    """Whether a module of the package is started, as ``benchmark`` does to time in a process of its own."""
    words = [str(word) for word in arguments[1]] if len(arguments) > 1 and isinstance(arguments[1], list) else []
    return words[:2] == [sys.executable, "-m"] and words[2].startswith("densevision.")


def _check(event: str, names: tuple, roots: list[str], found: list[str]) -> None:
    for name in names:
        if isinstance(name, str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(name))
            exists = os.path.isdir(path) and event in ("open", "os.mkdir")  # a temporary file without a name; nothing
            cache = "__pycache__" in path or path.startswith(_CACHES) or path == os.devnull
            if not exists and not cache and not path.startswith(tuple(roots)):
                found.append(f"{event} {path}")
