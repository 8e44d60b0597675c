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
            timing, ratio = row.timing, row.ratio
            table.add_row(
                f"{path.name}\nbrowser: {result.browser}",
                f"{path.stat().st_size / 1e6:.2f}",
                f"{timing.median_ms:.2f}",
                f"{timing.min_ms:.2f}",
                f"{timing.p90_ms:.2f}",
                f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})" if ratio else "-",
                "-",
            )


def browser_lines(browsers: Mapping[Path, Sequence[BrowserRow]]) -> Iterator[str]:
    """Yield the facts that each browser's figures must be quoted with, and the reasons to doubt them."""
    rows = [row for every in browsers.values() for row in every]
    for result in dict.fromkeys(row.result for row in rows):
        threads = " or ".join(map(str, sorted({one.threads for one in result.models})))
        rounds = len(result.models[0].times_ms)
        yield (
            f"browser {result.browser}: {result.runtime} ({result.build}), {threads} thread(s) "
            f"of {result.cores or 'unknown'} cores, {rounds} rounds, wall time, {result.started}; "
            f"{result.user_agent}"
        )
    for path, every in browsers.items():
        for row in every:
            if row.times.drift > _DRIFT:
                yield (
                    f"warning: {path.name}, browser {row.result.browser}: the last third of the rounds took "
                    f"{row.times.drift:.0%} longer than the first; the device got hot or busy"
                )
