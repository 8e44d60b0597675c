"""Keep the timings that pages send, in one file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from densevision.atomic import write_json
from densevision.benchmark.browser import (
    KIND_OF_MANY,
    BrowserResult,
    parse_result,
    read_browser_results,
    result_as_dict,
)
from densevision.errors import UserError
from densevision.json_text import parse_json

MAX_RESULTS = 200


class ResultStore:
    """A file of results, whole at any time.

    Args:
        path: a file that exists is continued.
        models: SHA-256 of each served file: its name for ``tell``.
        tell: receives a line about each result.
    Raises:
        UserError: the file exists and is not one of results.
    """

    def __init__(self, path: Path, models: Mapping[str, str], tell: Callable[[str], None]):
        self._path, self._models, self._tell = path, models, tell
        self._results = read_browser_results(path) if path.exists() and path.stat().st_size else []
        self._lock = threading.Lock()

    def accept(self, body: bytes, address: str) -> None:
        """Check, keep and report a result.

        Raises:
            UserError: it is wrong, there are too many, or the file can't be written.
        """
        result = parse_result(_parse(body), self._models)
        with self._lock:
            if len(self._results) >= MAX_RESULTS:
                raise UserError(f"{self._path.name} is full with {MAX_RESULTS} results; start with another --json")
            kept = [*self._results, result]
            write_json(self._path, dict(kind=KIND_OF_MANY, results=[result_as_dict(one) for one in kept]), "--json")
            self._results = kept
            self._tell(f"{result.browser} at {address}: {self._times(result)}")

    def _times(self, result: BrowserResult) -> str:
        return ", ".join(f"{self._models[one.sha256]} {median(one.times_ms):.1f} ms" for one in result.models)


def _parse(body: bytes) -> object:
    try:
        return parse_json(body.decode(), constants=False)
    except ValueError:  # also UnicodeDecodeError
        raise UserError("not JSON") from None
