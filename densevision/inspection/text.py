"""Print an inspection in the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from densevision.data.check import count_lines
from densevision.inspection.finding import Finding, Inspection, SplitReport

_WIDTH = 100
_FILES = 3  # named in the terminal; the json has all
_HEADS = {"error": "Stops training or evaluation", "warning": "Worth a look", "note": "Notes"}


def report_lines(inspection: Inspection) -> Iterator[str]:
    """Yield the lines of a report: the splits, then the findings by severity, then what comes out of it."""
    yield inspection.source
    yield from (f"  {note}" for note in inspection.notes)
    for split in inspection.splits:
        yield from _split_lines(split)
    for severity, head in _HEADS.items():
        found = [each for each in inspection.findings if each.severity == severity and each.kind != "counts"]
        if found:
            yield ""
            yield f"{head}:"
            for finding in found:
                yield from _finding_lines(finding)
    yield ""
    yield _verdict(inspection)


def _split_lines(split: SplitReport) -> Iterator[str]:
    if split.counts is None:
        yield f"{split.name}: {split.images:,} images" if split.images else f"{split.name}: can't be used"
    else:
        yield from count_lines("train" if split.name == "all" else split.name, split.counts)
    yield from (f"  {fact}" for fact in split.facts)


def _finding_lines(finding: Finding) -> Iterator[str]:
    effect = f"; {finding.effect}" if finding.effect else ""
    text = f"{finding.split}: {finding.text}{effect}"
    wrapped = textwrap.wrap(text, _WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    yield f"  - {wrapped[0]}"
    yield from (f"    {line}" for line in wrapped[1:])
    for row, file in enumerate(finding.files[:_FILES]):
        twin = f" = {_short(finding.twins[row])}" if finding.twins else ""
        yield f"      {_short(file)}{twin}"
    if len(finding.files) > _FILES:
        yield f"      and {len(finding.files) - _FILES:,} more"


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-3:])


def _verdict(inspection: Inspection) -> str:
    number = {severity: sum(each.severity == severity for each in inspection.findings) for severity in _HEADS}
    ends = "training would stop" if inspection.stops_training else "training can run"
    images = sum(split.images for split in inspection.splits)
    found = f"{number['error']} errors, {number['warning']} warnings"
    return f"{ends}: {found}; {images:,} images read in {inspection.seconds:.1f} s"
