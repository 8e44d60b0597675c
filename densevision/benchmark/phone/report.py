"""Summarize measurements on phones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from densevision.benchmark.phone.measurement import Measurement
from densevision.benchmark.timing import file_hash

PIXEL_NAMES = {
    f"Pixel{number}{size}": f"Pixel {number.strip() or 1}" for number in ("", " 2", " 3") for size in ("", " XL")
}


@dataclass(frozen=True)
class PhoneReport:
    """One phone's measurements: a list of rounds per model. Ratios are to the first model."""

    serial: str
    measurements: dict[Path, list[Measurement]]

    @property
    def first(self) -> Measurement:
        return next(iter(self.measurements.values()))[0]

    @property
    def column(self) -> str:
        """The paper's name of the phone, Pixel 1, 2 or 3; else the phone's own name."""
        return PIXEL_NAMES.get(self.first.phone, self.first.phone)

    def time_ms(self, model: Path) -> float:
        """Return the median over the rounds of the tool's median, or of its mean if it prints no median."""
        return median(one.log.time_ms for one in self.measurements[model])

    def ratio(self, model: Path) -> float:
        """Return the median over the rounds of the time over the first model's time in the same round."""
        base = next(iter(self.measurements.values()))
        pairs = zip(self.measurements[model], base, strict=True)
        return median(one.log.time_ms / other.log.time_ms for one, other in pairs)

    def throttled(self, model: Path) -> bool:
        return any(one.throttled for one in self.measurements[model])


def phone_line(report: PhoneReport) -> str:
    """Return the facts that the phone's figures must be quoted with, in one line."""
    one = report.first
    rounds = [each for every in report.measurements.values() for each in every]
    heat = [c for each in rounds for c in (each.before.battery_c, each.after.battery_c) if c is not None]
    warmth = f", battery {min(heat):g}-{max(heat):g} C" if heat else ""
    android = one.properties.get("ro.build.version.release", "?")
    return (
        f"{one.phone} ({report.serial}), {one.soc}, Android {android}, {one.properties['ro.build.fingerprint']}; "
        f"cores {one.cores} (mask {one.mask}) up to {one.max_khz / 1e6:.2f} GHz, governor {one.before.governor}"
        f"{warmth}; {one.flags.partition(' ')[2]}"
    )


def phone_warnings(report: PhoneReport) -> list[str]:
    """Return the reasons to doubt the figures."""
    warnings = []
    for model, rounds in report.measurements.items():
        if report.throttled(model):
            warnings.append(f"{model.name}: the phone throttled in every attempt of a round; the figure is too high")
        if any(one.log.delegated == "not" or not one.log.xnnpack for one in rounds):
            warnings.append(f"{model.name}: the log does not show that XNNPACK ran it")
        if any(one.log.threads not in (None, one.threads) for one in rounds):
            warnings.append(f"{model.name}: benchmark_model used a different number of threads than requested")
        ignored = {one.log.ignored_flags for one in rounds} - {""}
        warnings += [f"{model.name}: benchmark_model ignored {flags}" for flags in sorted(ignored)]
    return warnings


def report_as_dict(report: PhoneReport, binary: Path | None) -> dict[str, object]:
    """Return all figures as plain data; ``binary`` is None if the script measured."""
    models = [
        dict(
            file=str(model),
            sha256=file_hash(model),
            time_ms=report.time_ms(model),
            ratio=report.ratio(model),
            throttled=report.throttled(model),
            rounds=[asdict(one) for one in rounds],
        )
        for model, rounds in report.measurements.items()
    ]
    return dict(
        serial=report.serial,
        phone=report.first.phone,
        soc=report.first.soc,
        column=report.column,
        binary_sha256=file_hash(binary) if binary else None,
        models=models,
    )
