"""Read the output of ``measure.sh`` on a phone into ``Measurement`` objects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from densevision.benchmark.phone.log import LogError, PhoneLog, parse_benchmark_log
from densevision.benchmark.timing import file_hash


class OtherFileError(LogError):
    """A measurement is of a different file than the one at its place; the message is that file's name."""


@dataclass(frozen=True)
class Conditions:
    """A phone's state before or after a run; None if the phone does not report a value.

    Attributes:
        governor: of a fast core's frequency.
        limit_khz: lowest of the fast cores' current limits.
        thermal_status: Android's, 0 (none) to 6 (shutdown).
        battery_c, cpu_c: degrees Celsius, of the hottest cpu zone.
        throttled: a limit below the maximum, or a thermal status above 0.
    """

    governor: str
    limit_khz: int
    thermal_status: int | None
    battery_c: float | None
    cpu_c: float | None
    throttled: bool


@dataclass(frozen=True)
class Measurement:
    """One call of benchmark_model on a phone, with all facts that its figures must be quoted with."""

    properties: dict[str, str]  # Android's, by their names
    mask: str  # of the cores, hexadecimal
    cores: str  # their numbers
    max_khz: int
    flags: str
    hashes: dict[str, str]  # SHA-256 by path on the phone; empty if the phone can't compute it
    before: Conditions
    after: Conditions
    log: PhoneLog

    @property
    def throttled(self) -> bool:
        return self.before.throttled or self.after.throttled

    @property
    def threads(self) -> int:
        """The number that was requested."""
        return int(self._flag("num_threads"))

    @property
    def graph(self) -> str:
        """The model's path on the phone."""
        return self._flag("graph")

    def _flag(self, name: str) -> str:
        return next(flag.partition("=")[2] for flag in self.flags.split() if flag.startswith(f"--{name}="))

    @property
    def phone(self) -> str:
        return self.properties.get("ro.product.model") or "unknown phone"

    @property
    def soc(self) -> str:
        return self.properties.get("ro.soc.model") or self.properties.get("ro.board.platform") or "unknown SoC"


def read_measurements(text: str, models: Sequence[Path]) -> dict[Path, list[Measurement]]:
    """Read the whole output of ``measure.sh``.

    Args:
        text: the output.
        models: the files that were measured, in the order of their numbers.
    Returns:
        For each model one measurement per round.
    Raises:
        OtherFileError: a measured file differs from the one in ``models``.
        LogError: the output is cut short, or benchmark_model failed.
    """
    results: dict[Path, list[Measurement]] = {model: [] for model in models}
    for number, part in enumerate(split_measurements(text), 1):
        try:
            measurement = parse_measurement(part)
            index = int(Path(measurement.graph).stem)
        except LogError as error:
            raise LogError(f"run {number}: {error}") from error
        except StopIteration:
            raise LogError(f"run {number}: its @flags name no graph") from None
        except ValueError:
            raise LogError(f"run {number}: {measurement.graph[:60]!r} is no numbered .tflite") from None
        if not 0 <= index < len(models):
            raise OtherFileError(f"model {index}")
        model = models[index]
        if measurement.hashes.get(measurement.graph, "") not in ("", file_hash(model)):
            raise OtherFileError(str(model))
        results[model].append(measurement)
    counts = {len(rounds) for rounds in results.values()}
    if len(counts) > 1 or 0 in counts:
        raise LogError("the output is cut short: it does not have the same number of runs per file")
    return results


def parse_measurement(text: str) -> Measurement:
    """Read one call's part of the output.

    Raises:
        LogError: it is cut short or damaged, or benchmark_model failed.
    """
    try:
        return _parse(text)
    except LogError:
        raise
    except KeyError as error:
        raise LogError(f"the phone's output has no {error.args[0]!r}: a line is missing or damaged") from error
    except (ValueError, IndexError, OverflowError) as error:
        raise LogError(f"the phone's output is damaged: {error}") from error


def _parse(text: str) -> Measurement:
    lines = text.replace("\r\n", "\n").splitlines()
    marked = [line[1:].partition(" ")[::2] for line in lines if line.startswith("@")]
    parts = {name: _fields(rest) for name, rest in marked if name in ("cores", "before", "after")}
    log = parse_benchmark_log("\n".join(line for line in lines if not line.startswith("@")))
    if ("end", "") not in marked:
        raise LogError("the phone's output is cut short")
    if ("exit", "0") not in marked:
        raise LogError(f"benchmark_model ended with status {dict(marked)['exit'][:60]}")
    properties = [rest.partition("=")[::2] for name, rest in marked if name == "prop"]
    hashes = [rest.split(maxsplit=1)[::-1] for name, rest in marked if name == "hash" and rest]
    cores = parts["cores"]
    return Measurement(
        dict(properties),
        cores["mask"],
        cores["numbers"],
        int(cores["max_khz"]),
        dict(marked)["flags"],
        dict(hashes),
        _conditions(parts["before"]),
        _conditions(parts["after"]),
        log,
    )


def split_measurements(text: str) -> list[str]:
    """Split the output into one part per call."""
    return re.split(r"(?m)^(?=@prop ro\.product\.model=)", text)[1:]


def _fields(rest: str) -> dict[str, str]:
    """Read ``a=1 b=2 3 c=`` as {"a": "1", "b": "2 3", "c": ""}."""
    return {name: value.strip() for name, value in re.findall(r"(?<!\w)(\w+)=((?:(?! \w+=).)*)", rest)}


def _conditions(fields: dict[str, str]) -> Conditions:
    return Conditions(
        governor=fields["governor"],
        limit_khz=int(fields["limit_khz"]),
        thermal_status=int(fields["status"]) if fields["status"] else None,
        battery_c=int(fields["battery"]) / 10 if fields["battery"] else None,
        cpu_c=_degrees(int(fields["cpu"])) if fields["cpu"] else None,
        throttled=fields["throttled"] == "1",
    )


def _degrees(reading: int) -> float:
    """Convert a kernel's degrees, tenths or thousandths to degrees; no running phone is hotter than 150."""
    return reading / next(unit for unit in (1, 10, 1000) if reading <= 150 * unit or unit == 1000)
