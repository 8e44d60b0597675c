"""See every change of files below a folder before it happens, in this process and those it forks; kill it or fail."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

_CHANGES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.truncate": 1, "os.symlink": 2}
_HALF = b"PK\x03\x04" + bytes(20_000)  # what a checkpoint of a killed process may begin with


@contextlib.contextmanager
def watched(folder: Path, act: Callable[[str, Path], None]) -> Iterator[None]:
    """Call ``act`` with the event and the path before each change below ``folder``.

    A change is a file opened to write, a rename, a removal, or a new folder.
    """
    root, active = str(folder.resolve()), True

    def hook(event: str, arguments: tuple) -> None:
        if active and ((event == "open" and _writes(arguments)) or event in _CHANGES):
            for name in arguments[: _CHANGES.get(event, 1)]:
                path = _below(root, name)
                if path is not None:
                    act(event, path)
                    return

    sys.addaudithook(hook)  # there is no way to remove it
    try:
        yield
    finally:
        active = False


def _writes(arguments: tuple) -> bool:
    return bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _below(root: str, name: object) -> Path | None:
    if not isinstance(name, str | bytes | os.PathLike):
        return None  # a descriptor
    path = os.path.abspath(os.fsdecode(name))
    return Path(path) if path == root or path.startswith(f"{root}{os.sep}") else None


def kill_self(event: str, path: Path, *, half: bool) -> None:
    """End this process as ``kill -9`` does; ``half`` leaves the beginning of the file that was about to be written."""
    if half and event == "open":
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, _HALF)
    os.kill(os.getpid(), signal.SIGKILL)
