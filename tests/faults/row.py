"""One kind of bad input: what it does to the good setup, the command that meets it, and how that must end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

Damage = Callable[[Path], object]


@dataclass(frozen=True)
class Row:
    """A kind of bad input.

    Attributes:
        group: of the table.
        name: unique within its group.
        words: of the command line after ``densevision``; it runs in a copy of the good setup.
        says: regular expression that the last line of standard error contains; of standard output where ``status`` is
            0: what a run that goes on reports.
        damage: changes the copy of the setup; None where the command line itself is bad.
        status: exit status.
        quick: whether the row is in the default suite.
        writes: names at the top of the folder that the command may write; none if it fails.
    """

    group: str
    name: str
    words: tuple[str, ...]
    says: str
    damage: Damage | None = None
    status: int = 2
    quick: bool = False
    writes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.group}: {self.name}"


TRAIN = ("train", "det.py", "--work-dir", "out")
TRAIN_SEG = ("train", "seg.py", "--work-dir", "out")


def without_data(folder: Path) -> None:
    """Remove the images and labels: what is wrong with a config is found before they are read."""
    shutil.rmtree(folder / "boxes")
    shutil.rmtree(folder / "masks")
    shutil.rmtree(folder / "cells")


def option_rows(options: dict[str, str], command: tuple[str, ...] = TRAIN) -> list[Row]:
    """Return a row per option; there are no data to read."""
    group = "cfg-options" if command is TRAIN else "cfg-options of a segmenter"
    return [
        Row(group, repr(option)[1:-1][:120], (*command, "--cfg-options", option), says, without_data)
        for option, says in options.items()
    ]


def both(*damages: Damage) -> Damage:
    """Apply one damage after the other."""

    def apply(folder: Path) -> None:
        for damage in damages:
            damage(folder)

    return apply


def append(name: str, text: str) -> Damage:
    """Add lines to a config."""

    def apply(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.write(f"{text}\n")

    return apply


def put(name: str, content: bytes | str) -> Damage:
    """Write a file."""

    def apply(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return apply


def change_bytes(name: str, change: Callable[[bytes], bytes]) -> Damage:
    """Replace a file's content by a function of it."""

    def apply(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return apply


def remove(*names: str) -> Damage:
    """Delete files."""

    def apply(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return apply


def mark_quick(rows: Iterable[Row], names: Iterable[str]) -> list[Row]:
    """Put the named rows into the default suite."""
    from dataclasses import replace

    rows, names = list(rows), set(names)
    assert names <= {row.name for row in rows}, names - {row.name for row in rows}
    return [replace(row, quick=row.name in names) for row in rows]
