"""Benchmark .tflite files on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from densevision.benchmark.profile import Inspection, inspect_model, time_by_kind
from densevision.benchmark.timing import Ratio, Timing, bound_to_cores, file_hash, paired_ratio, time_models


@dataclass(frozen=True)
class FileReport:
    """One file: its time, the ratio to the first file's time, and its inspection."""

    timing: Timing
    ratio: Ratio
    inspection: Inspection

    @property
    def path(self) -> Path:
        return self.timing.path


def benchmark(paths: Sequence[Path], *, threads: int, runs: int, profile: bool) -> list[FileReport]:
    """Time files interleaved, then inspect each of them alone.

    Args:
        paths: .tflite files; ratios are to the first.
        threads: of the runtime.
        runs: rounds of timing; a profile has the same number, but at most 20.
        profile: whether to time every operation, too.
    Raises:
        UserError: a file is missing or is not a model.
    """
    timings = time_models(paths, threads=threads, runs=runs)
    profile_runs = min(runs, 20) if profile else 0
    with bound_to_cores(threads):
        inspections = [inspect_model(path, threads=threads, profile_runs=profile_runs) for path in paths]
    return [
        FileReport(timing, paired_ratio(timing, timings[0]), inspection)
        for timing, inspection in zip(timings, inspections, strict=True)
    ]


def describe_machine(threads: int) -> dict[str, object]:
    """Return the facts that a figure of this machine must be quoted with."""
    return dict(
        cpu=cpu_name(),
        cores=os.cpu_count(),
        threads=threads,
        system=platform.platform(terse=True),
        ai_edge_litert=version("ai-edge-litert"),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def cpu_name() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def report_as_dict(report: FileReport) -> dict[str, object]:
    """Return a report as plain data; times are in ms, those of the rounds in ``times_ms``."""
    timing = report.timing
    kinds = [
        dict(kind=kind, in_xnnpack=inside, count=count, ms=ms)
        for (kind, inside), (count, ms) in time_by_kind(report.inspection.ops).items()
    ]
    return dict(
        file=str(report.path),
        sha256=file_hash(report.path),
        size_bytes=report.path.stat().st_size,
        median_ms=timing.median_ms,
        min_ms=timing.min_ms,
        p90_ms=timing.p90_ms,
        ratio=asdict(report.ratio),
        peak_bytes=report.inspection.peak_bytes,
        kinds=kinds,
        times_ms=timing.times_ms.tolist(),
    )
