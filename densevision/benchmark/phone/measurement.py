"""What ``measure.sh`` prints on a phone, read into a ``Measurement``. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from densevision.benchmark.phone.log import LogError, PhoneLog, parse_benchmark_log


@dataclass(frozen=True)
class Conditions:
    """A phone's state next to a run; None is what it does not tell.

    Attributes:
        governor: of a fast core's frequency.
        limit_khz: lowest of the fast cores' present limits.
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
    """One call of benchmark_model on a phone, with all that its figures must be quoted with."""

    properties: dict[str, str]  # Android's, by their names
    mask: str  # of the cores, hexadecimal
    cores: str  # their numbers
    max_khz: int
    flags: str
    hashes: dict[str, str]  # SHA-256 by path on the phone; empty where the phone can't count it
    before: Conditions
    after: Conditions
    log: PhoneLog

    @property
    def throttled(self) -> bool:
        return self.before.throttled or self.after.throttled

    @property
    def threads(self) -> int:
        """As asked for."""
        return int(re.search(r"--num_threads=(\d+)", self.flags)[1])

    @property
    def phone(self) -> str:
        return self.properties.get("ro.product.model") or "unknown phone"

    @property
    def soc(self) -> str:
        return self.properties.get("ro.soc.model") or self.properties.get("ro.board.platform") or "unknown SoC"


def parse_measurement(text: str) -> Measurement:
    """Read the output of one ``measure.sh``.

    Raises:
        LogError: it is cut short, or benchmark_model failed.
    """
    lines = text.replace("\r\n", "\n").splitlines()
    ours = [line[1:].partition(" ")[::2] for line in lines if line.startswith("@")]
    parts = {name: _fields(rest) for name, rest in ours if name in ("cores", "before", "after")}
    log = parse_benchmark_log("\n".join(line for line in lines if not line.startswith("@")))
    if ("end", "") not in ours:
        raise LogError("the phone's answer is cut short")
    if ("exit", "0") not in ours:
        raise LogError(f"benchmark_model ended with status {dict(ours)['exit']}")
    properties = [rest.partition("=")[::2] for name, rest in ours if name == "prop"]
    hashes = [rest.split(maxsplit=1)[::-1] for name, rest in ours if name == "hash" and rest]
    cores = parts["cores"]
    return Measurement(
        dict(properties),
        cores["mask"],
        cores["numbers"],
        int(cores["max_khz"]),
        dict(ours)["flags"],
        dict(hashes),
        _conditions(parts["before"]),
        _conditions(parts["after"]),
        log,
    )


def split_measurements(text: str) -> list[str]:
    """Cut a file of several outputs in front of each."""
    return re.split(r"(?m)^(?=@prop ro\.product\.model=)", text)[1:]


def _fields(rest: str) -> dict[str, str]:
    """Read ``a=1 b=2 3 c=`` as {"a": "1", "b": "2 3", "c": ""}."""
    return {name: value.strip() for name, value in re.findall(r"(\w+)=((?:(?! \w+=).)*)", rest)}


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
    """Kernels count in degrees, tenths or thousandths; no running phone is hotter than 150 degrees."""
    return reading / next(unit for unit in (1, 10, 1000) if reading <= 150 * unit or unit == 1000)
