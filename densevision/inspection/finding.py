"""The findings of an inspection, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from densevision.data.check import SplitCounts

Severity = Literal["error", "warning", "note"]
Action = Literal["stop", "skip", "ignore", "use"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One fact about a split that deserves a look.

    Attributes:
        kind: short fixed name, such as "truncated".
        severity: "error" stops training, or the evaluation of the split; "warning" costs accuracy, or makes a metric
            misleading; "note" is a fact.
        split: "train", "val", "test" or "all".
        text: the fact with its count, one line.
        action: what training does: "stop", "skip" the images, "ignore" the boxes or pixels, or "use" them.
        effect: what this means and what helps, one line.
        count: number of images, boxes or pixels.
        files: paths of all files concerned.
        twins: for each of ``files`` the file that it equals, in findings about duplicates.
    """

    kind: str
    severity: Severity
    split: str
    text: str
    action: Action
    effect: str
    count: int = 1
    files: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()


@dataclass(frozen=True)
class SplitReport:
    """The content of one split.

    Attributes:
        name: "train", "val", "test" or "all".
        images: number of images.
        counts: what training and evaluation print before they start; None if the data set can't be built or counted.
        statistics: name -> numbers, such as "objects per image".
        facts: the statistics in words, one line each.
    """

    name: str
    images: int
    counts: SplitCounts | None = None
    statistics: dict[str, Any] = field(default_factory=dict)
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """All that was found in a data set.

    Attributes:
        source: the config or folder.
        notes: about the source as a whole, one line each.
        splits: in the order train, val, test.
        findings: errors first, then in the order of the splits.
        seconds: how long reading took.
    """

    source: str
    notes: tuple[str, ...]
    splits: tuple[SplitReport, ...]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def stops_training(self) -> bool:
        """Whether training, with its evaluations, would stop."""
        return any(finding.severity == "error" and finding.split != "test" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a json file."""
        return {**dataclasses.asdict(self), "stops_training": self.stops_training}


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sort findings by severity; those of equal severity keep their order."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
