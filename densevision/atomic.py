"""Write files so that no file is ever incomplete under its final name."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from densevision.errors import UserError


def partial_path(path: Path) -> Path:
    """Return the name under which a file is written until it is whole; the suffix stays, as it names the format."""
    return path.with_name(f".{path.stem}.part{path.suffix}")


@contextlib.contextmanager
def replacing(path: Path, option: str = "") -> Iterator[Path]:
    """Give a name to write to; it becomes ``path`` if all goes well, else neither file nor new folder is left.

    Args:
        path: a file that exists stays as it is until then; missing folders are made.
        option: of the command line, for the message.
    Raises:
        UserError: the name can't be written, or is that of a device, a folder or a link; both show before the work.
    """
    if path.is_symlink() or path.exists() and not path.is_file():
        raise UserError(f"{option} {path}: can't be written (a link or not a regular file)".lstrip())
    partial = partial_path(path)
    missing = [folder for folder in path.parents if not folder.exists()]  # the innermost first
    with contextlib.ExitStack() as undo:
        for folder in reversed(missing):
            undo.callback(_remove_empty, folder)
        undo.callback(_remove_file, partial)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.touch()
        except OSError as error:
            raise UserError(f"{option} {path}: can't be written ({error.strerror})".lstrip()) from error
        yield partial
        partial.replace(path)
        undo.pop_all()


def _remove_file(path: Path) -> None:
    with contextlib.suppress(OSError):  # the disk may be gone
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def check_writable(path: Path, option: str = "") -> None:
    """Raise ``replacing``'s error before the work; leaves no file."""
    with contextlib.suppress(_OnlyTried), replacing(path, option):
        raise _OnlyTried


class _OnlyTried(Exception):
    pass


def write_whole(path: Path, content: bytes, option: str = "") -> None:
    """Write a file whole or not at all.

    Raises:
        UserError: see ``replacing``; or the disk is full.
    """
    try:
        with replacing(path, option) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise UserError(f"{option} {path}: can't be written ({error.strerror})".lstrip()) from error


def write_json(path: Path, content: object, option: str = "") -> None:
    """Write plain data as JSON, whole or not at all; raises as ``write_whole``."""
    write_whole(path, f"{json.dumps(content, indent=1)}\n".encode(), option)


@contextlib.contextmanager
def json_list(
    path: Path, head: Mapping[str, object], name: str, option: str = ""
) -> Iterator[Callable[[object], None]]:
    """Write a JSON object whose last value is a list, item by item, so that a long list takes no memory.

    Args:
        head: what comes before the list; not empty.
        name: key of the list.
    Yields:
        A function that appends an item; the file gets its name at the end.
    Raises:
        UserError: as ``write_whole``, also from the function.
    """
    with replacing(path, option) as partial, partial.open("w", encoding="ascii") as file:

        def write(text: str) -> None:
            try:
                file.write(text)
                file.flush()
            except OSError as error:
                raise UserError(f"{option} {path}: can't be written ({error.strerror})".lstrip()) from error

        before = iter([""])
        write(f"{json.dumps(head, indent=1)[:-2]},\n {json.dumps(name)}: [\n")
        yield lambda item: write(f"{next(before, ',' + chr(10))}  {json.dumps(item)}")
        write("\n ]\n}\n")


def publish(partial: Path, path: Path) -> None:
    """Rename a file that is whole so that it survives a power failure."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def write_durable(path: Path, content: bytes) -> None:
    """Write a small file so that it has its old or its new content at any time, even after a power failure.

    Raises:
        OSError: it can't be written.
    """
    partial = partial_path(path)
    try:
        partial.write_bytes(content)
        publish(partial, path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
