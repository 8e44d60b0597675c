"""The folder for results: checked before the work, and cleared of what a failed start created in it."""

from __future__ import annotations

import ast
import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from densevision.errors import UserError

_RUN_KEYS = {"experiment_name", "launcher", "work_dir"}  # in every dump of a run's config


class WorkDir:
    """A folder for results, created with its parents.

    Args:
        path: the folder; it may exist and have other files.
    Raises:
        UserError: the folder can't be created or written to.
    """

    def __init__(self, path: str | Path):
        if not str(path).strip():
            raise UserError("work_dir is empty; give a folder for the results")
        self.path = Path(os.path.abspath(path))
        self._created: list[Path] = []  # folders, deepest last
        self._claimed: list[Path] = []
        try:
            self._create()
        except (OSError, ValueError) as error:  # ValueError: a null byte
            self.clear()
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"can't write to the work dir {path}: {reason}; choose another one (--work-dir)") from error

    def _create(self) -> None:
        missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            self._created.append(folder)
        probe = self.path / f".probe_{os.getpid()}.part"  # swept by the next training if this one is killed here
        self._claimed.append(probe)
        probe.write_bytes(bytes(4096))
        probe.unlink(missing_ok=True)

    def claim(self, path: str | Path) -> Path:
        """Register a file or folder that is about to be created, so that ``clear`` removes it; skip one that exists."""
        path = Path(path)
        if not path.exists():
            self._claimed.append(path)
        return path

    def clear(self) -> None:
        """Remove what was claimed, and created folders without other content."""
        for path in self._claimed:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):  # gone, or never possible: the work dir is a file
                    path.unlink()
        for folder in reversed(self._created):
            try:
                folder.rmdir()
            except OSError:  # other files, or gone
                break


EXAMPLES = ("train_batch.png", "val_predictions.png")  # written by a training
REPORTS = ("report.html", "report.json")
RESULTS = ("predictions", "ap.txt", "iou.txt", "confusion.csv", "confusion.png", *REPORTS)  # of the package
_RECORD = ".densevision_results"  # names of what an evaluation wrote: the next one may overwrite it


def protect_others(folder: Path, config: Path, timestamp: str) -> Path | None:
    """Move files that an evaluation would overwrite but did not write to a new folder, and return it.

    Args:
        folder: where results go.
        config: the file that is evaluated; a copy of it is written too.
        timestamp: part of the new folder's name.
    """
    record = folder / _RECORD
    own = record.read_text().splitlines() if record.is_file() else []
    others = [folder / name for name in (*RESULTS, config.name) if name not in own and (folder / name).exists()]
    others = [path for path in others if not (config.exists() and path.samefile(config))]
    return set_aside(others, folder, timestamp) if others else None


def record_results(folder: Path, config: Path) -> None:
    """Record which files an evaluation has written."""
    names = [name for name in (*RESULTS, config.name) if (folder / name).exists()]
    (folder / _RECORD).write_text("".join(f"{name}\n" for name in names))


def disk_fault(path: Path, error: OSError) -> str:
    """Return what to say where a file of a training can't be written."""
    return f"{path} can't be written: {error.strerror or error}; free some disk space, then --resume"


def read_name(pointer: Path) -> str:
    """Return the name of a file in the same folder that a file has as its text; empty if it has none, or junk."""
    try:
        return Path(pointer.read_text(encoding="utf-8").strip()).name
    except (OSError, ValueError):
        return ""


def set_aside(files: Sequence[Path], folder: Path, timestamp: str) -> Path:
    """Move files into a new folder ``before_<timestamp>`` below ``folder``, and return it."""
    target = free_name(folder / f"before_{timestamp}")
    target.mkdir()
    for path in files:
        path.rename(target / path.name)
    return target


def free_name(path: Path) -> Path:
    """Return the path, or if it exists the first free one of ``path_1``, ``path_2``, ..."""
    free, number = path, 1
    while free.exists():
        free, number = path.with_name(f"{path.name}_{number}"), number + 1
    return free


def check_work_dir(work_dir: str | Path, config: Path) -> None:
    """Check, before the work, that a run's copy of its config would not overwrite a config that a user wrote.

    The config itself may be in the work directory; then the run writes no copy.

    Raises:
        UserError: the work directory has a file of the config's name that no run wrote.
    """
    dump = Path(work_dir, config.name)
    try:
        if config.exists() and dump.exists() and dump.samefile(config):
            return
        foreign = dump.is_symlink() or dump.exists() and not _is_dump(dump)
    except (OSError, ValueError):  # an invalid name: reported when the folder is created
        return
    if foreign:
        raise UserError(
            f"--work-dir {work_dir}: the run would overwrite {dump} with its own settings; give another folder"
        )


def _is_dump(path: Path) -> bool:
    """Return whether a run wrote this config: only assignments, no comment, and the keys that a run adds."""
    try:
        text = path.read_text(encoding="utf-8")
        statements = ast.parse(text).body
    except (OSError, ValueError, SyntaxError):
        return False
    names = {
        target.id
        for one in statements
        if isinstance(one, ast.Assign)
        for target in one.targets
        if isinstance(target, ast.Name)
    }
    commented = any(line.lstrip().startswith("#") for line in text.splitlines())
    return len(names) == len(statements) and names >= _RUN_KEYS and not commented
