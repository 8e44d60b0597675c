"""Timings that the page of ``densevision web`` and ``densevision serve`` measured in a browser."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from densevision.benchmark.timing import Ratio, Timing, file_hash, paired_ratio
from densevision.errors import UserError
from densevision.json_text import parse_json

KIND, KIND_OF_MANY = "densevision browser timing", "densevision browser timings"
MAX_MODELS, MAX_ROUNDS = 64, 2000
_MAX_MS = 1e6
_BUILDS = ("default", "compat", "threaded")  # of the runtime: with relaxed SIMD, without, with threads


@dataclass(frozen=True)
class ModelTimes:
    """The times of one file in a browser, under the names that the page gives them.

    Attributes:
        sha256: of the file as ``densevision export`` wrote it.
        threads: of the runtime.
        runs_per_round: of which a time is the mean, where the browser's clock is coarse.
        times_ms: one per round; round r of all files was in the same turn.
    """

    sha256: str
    threads: int
    runs_per_round: int
    times_ms: tuple[float, ...]

    @property
    def drift(self) -> float:
        """How much longer the last third of the rounds took than the first, in medians: 0.1 is 10 %."""
        third = max(1, len(self.times_ms) // 3)
        return float(np.median(self.times_ms[-third:]) / np.median(self.times_ms[:third]) - 1)

    def timing(self, path: Path) -> Timing:
        """Return the times as those of a file on this machine."""
        return Timing(path, np.array(self.times_ms))


@dataclass(frozen=True)
class BrowserResult:
    """One press of the page's "Time it", under the names that the page gives its values.

    Attributes:
        user_agent: what the browser calls itself.
        cores: that the browser reports, if it does.
        isolated: whether threads were allowed.
        build: of the runtime, "default", "compat" or "threaded".
        runtime: name and version.
        started: by the browser's clock, ISO 8601.
        models: one per file, in the page's order; the files ran in turns.
    """

    user_agent: str
    cores: int | None
    isolated: bool
    build: str
    runtime: str
    started: str
    models: tuple[ModelTimes, ...]

    @property
    def browser(self) -> str:
        return browser_name(self.user_agent)

    def of(self, sha256: str) -> ModelTimes | None:
        """Return the times of a file, None if it was not timed."""
        return next((one for one in self.models if one.sha256 == sha256), None)


@dataclass(frozen=True)
class BrowserRow:
    """What a table shows of one file in one browser.

    Attributes:
        timing: of the rounds.
        ratio: to the first file of the table, round by round; None where that was not timed.
    """

    result: BrowserResult
    times: ModelTimes
    timing: Timing
    ratio: Ratio | None


def browser_rows(results: Sequence[BrowserResult], paths: Sequence[Path]) -> dict[Path, list[BrowserRow]]:
    """Find the timings of files by their hashes.

    Args:
        results: of ``read_browser_results``.
        paths: .tflite files; ratios are to the first, within one result, round by round.
    Returns:
        The rows of each file, in the order of the results.
    Raises:
        UserError: no result is of any of the files.
    """
    hashes = {path: file_hash(path) for path in paths}
    rows: dict[Path, list[BrowserRow]] = {path: [] for path in paths}
    for result in results:
        base = result.of(hashes[paths[0]])
        for path in rows:
            if times := result.of(hashes[path]):
                timing = times.timing(path)
                ratio = paired_ratio(timing, base.timing(paths[0])) if base else None
                rows[path].append(BrowserRow(result, times, timing, ratio))
    if not any(rows.values()):
        raise UserError(f"--browser: no timing there is of {', '.join(path.name for path in paths)}; give these files")
    return rows


def result_as_dict(result: BrowserResult) -> dict[str, object]:
    """Return a result as the page sends it, without what is not checked."""
    return dict(kind=KIND, unit="ms", **asdict(result))


def row_as_dict(row: BrowserRow) -> dict[str, object]:
    """Return a row as plain data, with all that its figures must be quoted with; times are in ms."""
    facts = {key: value for key, value in asdict(row.result).items() if key != "models"}
    return dict(
        facts,
        browser=row.result.browser,
        median_ms=row.timing.median_ms,
        min_ms=row.timing.min_ms,
        p90_ms=row.timing.p90_ms,
        drift=row.times.drift,
        ratio=asdict(row.ratio) if row.ratio else None,
        **asdict(row.times),
    )


def browser_name(user_agent: str) -> str:
    """Return a short name: "Chrome 141, Android". Versions of systems are left out, as browsers invent them."""
    kinds = (
        ("Edge", r"Edg(?:A|iOS)?/(\d+)"),
        ("Opera", r"OPR/(\d+)"),
        ("Samsung Internet", r"SamsungBrowser/(\d+)"),
        ("Firefox", r"(?:Firefox|FxiOS)/(\d+)"),
        ("Chrome", r"(?:Chrome|CriOS)/(\d+)"),
        ("Safari", r"Version/(\d+).* Safari/"),
    )
    systems = ("Android", "iPhone", "iPad", "CrOS", "Windows", "Macintosh", "Linux")
    found = next((f"{name} {match[1]}" for name, pattern in kinds if (match := re.search(pattern, user_agent))), None)
    system = next((name for name in systems if name in user_agent), None)
    return ", ".join(filter(None, (found or "unknown browser", system)))


def read_browser_results(path: Path) -> list[BrowserResult]:
    """Read the file that ``densevision serve --json`` wrote, or the JSON of one timing, copied from the page.

    Raises:
        UserError: it is missing or is no such file.
    """
    try:
        content = parse_json(path.read_bytes())
        results = content["results"] if content.get("kind") == KIND_OF_MANY else [content]
        return [parse_result(one) for one in results]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give the file of densevision serve --json") from error
    except (ValueError, KeyError, TypeError, AttributeError, UserError):
        raise UserError(f"{path} has no browser timings; give the file of densevision serve --json") from None


def parse_result(content: object, known: Collection[str] | None = None) -> BrowserResult:
    """Check what a page sent; what has no place in ``BrowserResult`` is dropped.

    Args:
        content: of the JSON.
        known: SHA-256 of the files that the page was given; None allows any.
    Raises:
        UserError: a key is missing or has a wrong value.
    """
    fields = _object(content, "the result")
    if fields.get("kind") != KIND or fields.get("unit") != "ms":
        raise UserError(f"kind and unit are not {KIND} and ms")
    models = fields.get("models")
    if not isinstance(models, list) or not 1 <= len(models) <= MAX_MODELS:
        raise UserError(f"models is not a list of 1 to {MAX_MODELS}")
    parsed = tuple(_model(_object(one, "a model"), known) for one in models)
    if len({one.sha256 for one in parsed}) < len(parsed):
        raise UserError("models names a file twice")
    if len({len(one.times_ms) for one in parsed}) > 1:
        raise UserError("models have different numbers of rounds")
    if not isinstance(fields.get("isolated"), bool):
        raise UserError("isolated is neither true nor false")
    if fields.get("build") not in _BUILDS:
        raise UserError(f"build is not one of {', '.join(_BUILDS)}")
    return BrowserResult(
        user_agent=_text(fields, "user_agent", 500),
        cores=None if "cores" in fields and fields["cores"] is None else _count(fields, "cores", 1024),
        isolated=bool(fields["isolated"]),
        build=str(fields["build"]),
        runtime=_text(fields, "runtime", 50),
        started=_text(fields, "started", 40),
        models=parsed,
    )


def _model(fields: Mapping[str, Any], known: Collection[str] | None) -> ModelTimes:
    sha256 = fields.get("sha256")
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise UserError("sha256 is not 64 hexadecimal digits")
    if known is not None and sha256 not in known:
        raise UserError("sha256 is of no file that is served here; load the page again")
    times = fields.get("times_ms")
    if not isinstance(times, list) or not 1 <= len(times) <= MAX_ROUNDS:
        raise UserError(f"times_ms is not a list of 1 to {MAX_ROUNDS}")
    return ModelTimes(
        sha256, _count(fields, "threads", 1024), _count(fields, "runs_per_round", 10**6), tuple(map(_time, times))
    )


def _object(content: object, name: str) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        raise UserError(f"{name} is not an object")
    return content


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MAX_MS:  # false for NaN
        raise UserError(f"times_ms has something that is no number between 0 and {_MAX_MS:g}")
    return float(value)


def _count(fields: Mapping[str, Any], key: str, highest: int) -> int:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        raise UserError(f"{key} is not a whole number from 1 to {highest}")
    return value


def _text(fields: Mapping[str, Any], key: str, longest: int) -> str:
    """Return a text; control characters, which could write to a terminal, are refused."""
    value = fields.get(key)
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise UserError(f"{key} is not a printable text of at most {longest} characters")
    return value
