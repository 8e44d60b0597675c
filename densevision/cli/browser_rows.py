"""What ``densevision benchmark --browser`` adds to its table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from densevision.benchmark.browser import BrowserRow

_DRIFT = 0.1  # above, a warning


def add_browser_rows(table: Table, browsers: Mapping[Path, Sequence[BrowserRow]]) -> None:
    """Add a section per browser with a row per file; ratios are within a section, as those above."""
    rows = [(path, row) for path, every in browsers.items() for row in every]
    for result in dict.fromkeys(row.result for _, row in rows):
        table.add_section()
        for path, row in rows:
            if row.result is not result:
                continue
            times = row.times
            table.add_row(
                f"{path.name}\nbrowser: {result.browser}",
                f"{path.stat().st_size / 1e6:.2f}",
                f"{times.median:.2f}",
                f"{times.min:.2f}",
                f"{times.p90:.2f}",
                "-" if row.ratio is None else f"{row.ratio:.2f}",
                "-",
            )


def browser_lines(browsers: Mapping[Path, Sequence[BrowserRow]]) -> Iterator[str]:
    """Yield the facts that each browser's figures must be quoted with, and the reasons to doubt them."""
    rows = [row for every in browsers.values() for row in every]
    for result in dict.fromkeys(row.result for row in rows):
        threads = sorted({one.threads for one in result.models})
        yield (
            f"browser {result.browser}: {result.runtime} ({result.build}), {' or '.join(map(str, threads))} thread(s) "
            f"of {result.cores or 'unknown'} cores, wall time, {result.started}; "
            f"{result.user_agent}"
        )
    for path, every in browsers.items():
        for row in every:
            if row.times.drift > _DRIFT:
                yield (
                    f"warning: {path.name}, browser {row.result.browser}: the last third of the runs took "
                    f"{row.times.drift:.0%} longer than the first; the device got hot or busy"
                )
