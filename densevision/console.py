"""A live progress bar on a terminal, plain lines elsewhere. Needs rich only."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from densevision.stages import is_quiet


class Display:
    """A live bar with two lines of text on a terminal; plain lines elsewhere.

    Args:
        console: where to print.
        enabled: False prints nothing, for all but one of many processes.
    """

    def __init__(self, console: Console, *, enabled: bool = True):
        self.live = console.is_terminal and enabled and not is_quiet()
        self._enabled = enabled and not is_quiet()
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), console=console
        )
        self._task = self._bar.add_task("", total=None)
        self._note, self._evaluation = Text(), Text(style="green")
        self._screen = Live(Group(self._bar, self._note, self._evaluation), console=console, refresh_per_second=4)

    def __enter__(self) -> Display:
        if self.live:
            self._screen.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.live:
            self._screen.stop()

    def start(self, what: str, total: int | None, done: int = 0) -> None:
        """Start a bar of ``total`` steps, None if the number is unknown."""
        self._bar.reset(self._task, description=what, total=total, completed=done)

    def advance(self, done: int, note: str | None = None, evaluation: str | None = None) -> None:
        """Advance the bar to ``done`` and change the lines below it."""
        self._bar.update(self._task, completed=done)
        if note is not None:
            self._note.plain = note
        if evaluation is not None:
            self._evaluation.plain = evaluation

    def print(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        if self.live:
            self._screen.console.print(line, markup=False, highlight=False)
        elif self._enabled:
            print(line, flush=True)
