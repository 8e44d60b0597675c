"""Time .tflite files on a hosted phone, through the client of Qualcomm AI Hub, to which it uploads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from densevision.benchmark.phone.report import PIXEL_NAMES
from densevision.benchmark.timing import check_model_file, file_hash
from densevision.errors import UserError, did_you_mean


@dataclass(frozen=True)
class HubReport:
    """What a hosted phone measured; it has the columns of a ``PhoneReport``. Ratios are to the first model.

    Attributes:
        device: its name in the hub.
        android: its version.
        options: of the hub's jobs.
        jobs: addresses of the jobs, by model.
        times_ms: of each run on the CPU, by model.
    """

    device: str
    android: str
    options: str
    jobs: dict[Path, str]
    times_ms: dict[Path, list[float]]

    @property
    def column(self) -> str:
        """The paper's name of the phone, Pixel 1, 2 or 3; else the hub's name."""
        return PIXEL_NAMES.get(self.device.removeprefix("Google "), self.device)

    def time_ms(self, model: Path) -> float:
        return median(self.times_ms[model])

    def ratio(self, model: Path) -> float:
        return self.time_ms(model) / self.time_ms(next(iter(self.times_ms)))

    def throttled(self, model: Path) -> bool:
        """False: the hub does not tell."""
        return False

    def line(self) -> str:
        """Return the facts that the figures must be quoted with, in one line."""
        jobs = ", ".join(f"{model.name}: {url}" for model, url in self.jobs.items())
        return f"{self.device}, Android {self.android}, hosted by Qualcomm AI Hub; {self.options}; {jobs}"

    def as_dict(self) -> dict[str, object]:
        """Return all figures as plain data."""
        models = [
            dict(file=str(model), sha256=file_hash(model), time_ms=self.time_ms(model), ratio=self.ratio(model))
            | dict(job=self.jobs[model], times_ms=times)
            for model, times in self.times_ms.items()
        ]
        return dict(hub=self.device, android=self.android, column=self.column, options=self.options, models=models)


def time_on_hub(
    device: str, models: Sequence[Path], *, threads: int, runs: int, tell: Callable[[str], None]
) -> HubReport:
    """Upload the files, time each on the CPU of a hosted phone, and wait for the figures.

    Args:
        device: the hub's name of a phone: "Google Pixel 3".
        models: .tflite files.
        threads: of the runtime.
        runs: per file.
        tell: receives lines about the progress.
    Raises:
        UserError: the hub has no such phone, does not know the user, or a job fails.
        ModuleNotFoundError: the client, qai_hub, is not installed.
    """
    import qai_hub

    for model in models:
        check_model_file(model)
    options = f"--compute_unit cpu --tflite_options number_of_threads={threads} --max_profiler_iterations {runs}"
    try:
        phone = _find(qai_hub.get_devices(), device)
        jobs = {}
        for model in models:
            jobs[model] = qai_hub.submit_inference_job(str(model), phone, name=model.name, options=options)
            tell(f"{model.name}: {jobs[model].url}")
        times = {model: _times(model, job) for model, job in jobs.items()}
    except (qai_hub.Error, OSError) as error:  # OSError: no network
        reason = " ".join(re.sub("[|┌─┐└┘]", " ", str(error)).split()) or type(error).__name__  # it frames texts
        raise UserError(f"--device hub:{device}: {reason}") from error
    return HubReport(phone.name, phone.os, options, {model: job.url for model, job in jobs.items()}, times)


def _find(phones: Sequence[Any], name: str) -> Any:
    """Return the phone with a name; of several, that with the latest Android, which the hub lists last."""
    found = [phone for phone in phones if phone.name == name]
    if not found:
        remedy = did_you_mean(name, {phone.name for phone in phones}) or "qai-hub list-devices lists them"
        raise UserError(f"--device hub:{name}: the hub has no such phone; {remedy}")
    return found[-1]


def _times(model: Path, job: Any) -> list[float]:
    status = job.wait()
    if not status.success:
        raise UserError(f"{model}: the hub's job failed ({status.message or status.code}); see {job.url}")
    summary = job.download_profile()["execution_summary"]
    times_us = summary.get("all_inference_times") or [summary["estimated_inference_time"]]
    return [us / 1000 for us in times_us]
