"""Every reader on damaged files: an accepted file or a documented exception, within 5 s and 1 GB."""

from __future__ import annotations

import random

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="the extra dev is not installed")
from hypothesis import strategies  # noqa: E402

from tests.faults.fuzz.run import TARGETS, Fuzzer, run_case  # noqa: E402

pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")
_QUICK = [name for name in TARGETS if name != "report"]  # which needs a training


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    monkeypatch.delenv("DENSEVISION_DATA", raising=False)


@pytest.mark.parametrize("name", _QUICK)
def test_damaged_files_are_read_or_refused(name, tmp_path):
    target = TARGETS[name](tmp_path)
    assert any(target.run(seed) for seed in target.seeds)

    @hypothesis.settings(max_examples=12, deadline=None, database=None, derandomize=True)
    @hypothesis.given(strategies.integers(0, 2**32))
    def check(number: int) -> None:
        content = target.case(random.Random(number))
        fault, _ = run_case(target, content)
        assert fault is None, content[:500]

    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_damaged_files(name, tmp_path):
    fuzzer = Fuzzer(name, tmp_path)
    fuzzer.run(100_000, 120)
    assert fuzzer.cases > 0 and fuzzer.faults == {}


def test_a_fuzzer_reports_exceptions_hangs_and_memory(tmp_path):
    from tests.faults.fuzz import run
    from tests.faults.fuzz.targets import Target

    def read(content: bytes) -> None:
        if content == b"0":
            raise KeyError("undocumented")
        if content == b"1":
            bytearray(16 * run.BYTES)  # more than a worker of the tests has freed and kept
        if content == b"2":
            import os

            os.abort()

    numbers = iter("0123456789")
    contents = [next(numbers).encode() for _ in range(5)]
    target = Target(tuple(contents), lambda data, draw: contents[0], read)
    fuzzer = Fuzzer("toy", tmp_path)
    fuzzer.case = lambda target, number: contents[number % 5]
    run.TARGETS["toy"] = lambda folder: target
    try:
        fuzzer.run(5, 60)
    finally:
        del run.TARGETS["toy"]
    assert fuzzer.cases == 5 and fuzzer.accepted == 2
    assert sorted(place.split(" at ")[0] for place in fuzzer.faults) == [
        "KeyError",
        "MemoryError",
        "the process ended with -6",
    ]
