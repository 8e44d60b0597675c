"""A folder whose results a command replaces when it runs again; it never changes other files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from densevision.atomic import write_json
from densevision.errors import UserError
from densevision.json_text import parse_json

MARKER = ".densevision.json"
_ABOUT = "densevision quickstart wrote the files listed here, as [bytes, time of the last change], and replaces them"


class OwnFolder:
    """Claim a folder for the results of a run.

    Args:
        folder: a new or empty folder, or one that an earlier run claimed.
        writes: patterns of the files that a run writes, relative to the folder; ``*`` also matches slashes.
        exclusive: patterns of places where a file that no run wrote would be overwritten or used.
    """

    def __init__(self, folder: Path, writes: Sequence[str], exclusive: Sequence[str]):
        self.folder = folder
        self._marker = folder / MARKER
        self._writes, self._exclusive = writes, exclusive

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Remove the earlier run's files; at the end, also after a failure, record the new ones.

        Raises:
            UserError: no run wrote the folder or a file at a result's place, or nothing can be written.
        """
        try:
            own = self._check()
            for name in own:
                (self.folder / name).unlink()
            self._remove_empty_parents(own)
            self.folder.mkdir(parents=True, exist_ok=True)
            started = self._start()
        except OSError as error:
            raise UserError(f"--out {self.folder}: can't be written ({error.strerror}); give another folder") from error
        try:
            yield
        finally:
            with suppress(OSError, UserError):  # the marker then shows that the run did not end
                self._write_marker(started, self._found(started))

    def _check(self) -> list[str]:
        """Return the names of the files that a run wrote and nobody changed."""
        out = self.folder
        if out.is_symlink() or out.exists() and not out.is_dir():
            raise UserError(f"--out {out} is a link or not a folder; give a new folder")
        if not out.exists() or not any(out.iterdir()):
            return []
        if self._marker.is_symlink() or not self._marker.is_file():
            raise UserError(
                f"--out {out} is not empty, and quickstart did not create it (there is no {MARKER}); "
                "give a new or an empty folder"
            )
        own = self._own()
        wrong = {path.name for path, is_folder in self._tops().items() if path.exists() and path.is_dir() != is_folder}
        for path in [*self._files(), *(out / name for name in wrong)]:
            name = path.relative_to(out).as_posix()
            if path.is_symlink() or name in wrong or _matches(name, self._exclusive) and name not in own:
                raise UserError(
                    f"--out {out}: quickstart did not write {name}, or it was changed later; "
                    "move it to another place, or give another folder"
                )
        return own

    def _own(self) -> list[str]:
        content = self._read_marker()
        made = content["made"]
        if made is None:  # the earlier run was killed before it recorded its files
            made = self._found(content["started"])
        present = self._found(0)
        return [name for name, state in made.items() if present.get(name) == state]

    def _read_marker(self) -> dict:
        try:
            content = parse_json(self._marker.read_bytes())
            if isinstance(content["started"], int) and isinstance(content["made"], dict | None):
                return content
        except (ValueError, KeyError, TypeError):
            pass
        raise UserError(f"--out {self.folder}: {MARKER} in it is damaged; give a new or an empty folder")

    def _start(self) -> int:
        """Write the marker, and return the time of the folder's file system in ns."""
        self._marker.touch()
        started = self._marker.stat().st_mtime_ns
        self._write_marker(started, None)
        return started

    def _write_marker(self, started: int, made: dict | None) -> None:
        write_json(self._marker, dict(about=_ABOUT, started=started, made=made), "--out")

    def _found(self, since: int) -> dict[str, list[int]]:
        """Return size and time of the files that match the patterns and changed since a time in ns."""
        found = {}
        for path in self._files():
            name, state = path.relative_to(self.folder).as_posix(), path.lstat()
            if _matches(name, self._writes) and not path.is_symlink() and state.st_mtime_ns >= since:
                found[name] = [state.st_size, state.st_mtime_ns]
        return found

    def _files(self) -> Iterator[Path]:
        """Yield the files, and the links to files and folders, in the places where the command writes."""
        for top in self._tops():
            if top.is_symlink() or top.is_file():
                yield top
                continue
            for place, folders, files in os.walk(top):
                yield from (Path(place, name) for name in files)
                yield from (path for name in folders if (path := Path(place, name)).is_symlink())

    def _tops(self) -> dict[Path, bool]:
        """Return the paths that the command writes directly in the folder, and whether each is a folder."""
        return {self.folder / pattern.partition("/")[0]: "/" in pattern for pattern in self._writes}

    def _remove_empty_parents(self, names: Sequence[str]) -> None:
        parents = {parent for name in names for parent in Path(name).parents} - {Path(".")}
        for parent in sorted(parents, key=lambda path: len(path.parts), reverse=True):
            if not any((self.folder / parent).iterdir()):
                (self.folder / parent).rmdir()


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
