"""Read the output of TFLite's ``benchmark_model``, in the formats of all its versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_NUMBER = r"[\d.]+(?:e[+-]?\d+)?"
# Microseconds. One run alone prints "count=1 curr=7", equal runs "count=9 curr=7(all same)".
_COUNT = re.compile(
    rf"count=(?P<count>\d+)(?: first=\d+)? curr=(?P<curr>{_NUMBER})(?: ?\(all same\))?"
    rf"(?: min=(?P<min>{_NUMBER}) max=(?P<max>{_NUMBER}) avg=(?P<avg>{_NUMBER}) std=(?P<std>{_NUMBER}))?"
    rf"(?: p5={_NUMBER} median=(?P<median>{_NUMBER}) p95=(?P<p95>{_NUMBER}))?"
)
_SUMMARY = re.compile(
    rf"Inference timings in us: Init: (?P<init>{_NUMBER}), First inference: {_NUMBER}, "
    rf"Warmup \(avg\): (?P<warmup>{_NUMBER}), Inference \(avg\): (?P<mean>{_NUMBER})"
)
_OLD_SUMMARY = re.compile(
    rf"Average inference timings in us: Warmup: (?P<warmup>{_NUMBER}), Init: (?P<init>{_NUMBER}), "
    rf"(?:Inference|no stats): (?P<mean>{_NUMBER})"
)
# LiteRT's tool ends with a block in milliseconds; that of its Python tool has a median.
_BLOCK = re.compile(
    rf"(Model initialization|Warmup \(avg\)|Inference \(\w+\)): +({_NUMBER})(?: ms)?(?: \((\d+) runs\))?"
)
_THREADS = re.compile(r"#threads used for CPU inference: \[(-?\d+)\]")
_DELEGATED = re.compile(r"model graph will (?:be )?(completely|partially|not be)")
_MEMORY = re.compile(rf"(?:Memory footprint delta|Peak memory footprint).{{0,300}}overall=({_NUMBER})")
_IGNORED = re.compile(r"Unconsumed cmdline flags: *(\S.*)")
_FAULT = re.compile(r"(?i)\berror\b|\bfail|unresolved|not executable|no such file|not found|denied|killed|aborted")


class LogError(ValueError):
    """A log without a result: cut short, or of a failed run. The message is one line."""


@dataclass(frozen=True)
class PhoneLog:
    """A log's figures, times in milliseconds; None if this version of the tool does not print a figure."""

    runs: int
    mean_ms: float
    min_ms: float | None
    max_ms: float | None
    std_ms: float | None
    median_ms: float | None
    p95_ms: float | None
    init_ms: float | None
    warmup_ms: float | None
    memory_mb: float | None
    threads: int | None
    delegated: str | None  # by an explicit XNNPACK delegate: "completely", "partially" or "not"
    xnnpack: bool  # whether the log names that delegate
    ignored_flags: str  # not supported by this version of the tool

    @property
    def time_ms(self) -> float:
        """The median, or the mean if the tool prints no median."""
        return self.mean_ms if self.median_ms is None else self.median_ms


def parse_benchmark_log(text: str) -> PhoneLog:
    """Read the last run of a log.

    Args:
        text: the tool's stdout and stderr; prefixes such as ``INFO:`` or logcat's are accepted.
    Raises:
        LogError: the run failed, or the log ends before its summary.
    """
    try:
        return _parse(text)
    except (ValueError, OverflowError) as error:
        if isinstance(error, LogError):
            raise
        raise LogError(f"a number in it is damaged: {error}") from error


def _parse(text: str) -> PhoneLog:
    text = text[max(text.rfind("STARTING!"), 0) :].replace("\r\n", "\n")
    times = _microseconds(text) or _milliseconds(text)
    if times is None:
        raise LogError(_explain_failure(text))
    threads, delegated, memory, ignored = (p.search(text) for p in (_THREADS, _DELEGATED, _MEMORY, _IGNORED))
    return PhoneLog(
        **times,
        memory_mb=float(memory[1]) if memory else None,
        threads=int(threads[1]) if threads else None,
        delegated=delegated[1].split()[0] if delegated else None,
        xnnpack="XNNPACK delegate" in text,
        ignored_flags=ignored[1].strip() if ignored else "",
    )


def _microseconds(text: str) -> dict[str, Any] | None:
    """Read the second "count=" line, after that of the warm-up, only if a summary line follows."""
    summary = _SUMMARY.search(text) or _OLD_SUMMARY.search(text)
    lines = [match.groupdict() for match in _COUNT.finditer(text)][:2]
    if not lines or not (summary or "BENCHMARK RESULTS" in text):
        return None
    line, overall = lines[-1], summary.groupdict() if summary else {}
    if line["avg"] is None:  # all runs were equal
        line |= dict.fromkeys(("min", "max", "avg", "median", "p95"), line["curr"]) | {"std": "0"}
    found = {f"{name}_ms": line[name] for name in ("min", "max", "std", "median", "p95")}
    found |= dict(mean_ms=line["avg"], init_ms=overall.get("init"), warmup_ms=overall.get("warmup") or lines[0]["avg"])
    times = {name: None if text is None else round(float(text) / 1e3, 6) for name, text in found.items()}
    return {"runs": int(line["count"]), **times}


def _milliseconds(text: str) -> dict[str, Any] | None:
    block = {name: (float(value), runs) for name, value, runs in _BLOCK.findall(text.partition("BENCHMARK RESULTS")[2])}
    if not block.get("Inference (avg)", ("", ""))[1]:
        return None
    names = {f"{short}_ms": f"Inference ({short})" for short in ("min", "max", "std", "median", "p95")}
    names |= dict(mean_ms="Inference (avg)", init_ms="Model initialization", warmup_ms="Warmup (avg)")
    runs = int(block["Inference (avg)"][1])
    return {"runs": runs} | {key: block.get(name, (None, ""))[0] for key, name in names.items()}


def _explain_failure(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    faults = [line for line in lines if _FAULT.search(line)]
    if faults:
        return f"benchmark_model says: {faults[0]}"
    return f"the log is cut short{f' after: {lines[-1]}' if lines else ', it is empty'}"
