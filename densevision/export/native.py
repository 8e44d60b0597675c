"""Run the converter, C++ that prints at will, and ends the process where it can't write a file."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator

from densevision.errors import MachineFault

_ROOM, _MARGIN = 4, 16 * 2**20  # of temporary files: this many times the weights, and bytes
_Ended = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def check_room(weights_bytes: int) -> None:
    """Check that the folder of temporary files has the space that a conversion takes.

    Raises:
        MachineFault: it has not, or there is no such folder.
    """
    try:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise MachineFault(f"no folder for temporary files: {error.strerror or error}; set TMPDIR to one") from error
    needed = _ROOM * weights_bytes + _MARGIN
    if free < needed:
        raise MachineFault(
            f"{folder} has {free / 1e6:.0f} MB free, and the conversion needs {needed / 1e6:.0f} MB for temporary "
            "files; free space, or set TMPDIR to another folder"
        )


@contextlib.contextmanager
def hidden_errors(leftover: Callable[[], None]) -> Iterator[None]:
    """Hide what native code writes to the error output, unless it ends the process within the body.

    Args:
        leftover: removes unfinished files; called before the process ends.
    """
    sys.stderr.flush()
    saved, hidden = os.dup(2), _memory_file()

    def tell(_: object) -> None:
        os.dup2(saved, 2)
        size = os.fstat(hidden).st_size
        said = os.pread(hidden, 4000, max(0, size - 4000)).decode(errors="replace").strip().splitlines()
        last = f" ({said[-1].strip()[:300]})" if said else ""
        text = f"densevision: error: the converter ended this process{last}; is there space in TMPDIR and in memory?\n"
        os.write(2, text.encode(errors="replace"))
        leftover()

    os.dup2(hidden, 2)
    try:
        with _at_native_exit(tell):
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(hidden)


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("densevision")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@contextlib.contextmanager
def _at_native_exit(tell: Callable[[object], None]) -> Iterator[None]:
    """Call a function if C code calls exit() within the body; Python's own atexit is not called then."""
    library = ctypes.CDLL(None) if os.name == "posix" else None
    if library is None or not hasattr(library, "__cxa_atexit"):
        yield
        return
    register, finalize = getattr(library, "__cxa_atexit"), getattr(library, "__cxa_finalize")  # noqa: B009
    inside = [True]
    function, owner = _Ended(lambda argument: tell(argument) if inside else None), ctypes.create_string_buffer(8)
    register(function, None, owner)
    try:
        yield
    finally:
        inside.clear()
        finalize(owner)  # calls and removes it: it must not be called once Python has ended
