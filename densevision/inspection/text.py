"""The findings in words, for a terminal of 80 columns."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence

from densevision.data.check import count_lines
from densevision.inspection.finding import SEVERITIES, Finding, Inspection, SplitReport

_FILES = 3  # names in one finding
_TITLES = {"error": "Errors", "warning": "Warnings", "note": "Notes"}


def report_lines(inspection: Inspection, width: int = 80) -> list[str]:
    """Write an inspection: what the splits contain, then the findings, the most severe first.

    Args:
        width: of a line; only a single word may be longer.
    """
    lines = [*inspection.notes]
    for split in inspection.splits:
        lines += _split_lines(split)
    lines = [part for line in lines for part in _wrap(line, "    " if line[:1] == " " else "  ", width)]
    for severity in SEVERITIES:
        found = [finding for finding in inspection.findings if finding.severity == severity]
        if found:
            lines += ["", f"{_TITLES[severity]}:"]
            lines += [line for finding in found for line in _finding_lines(finding, width)]
    return [*lines, "", *_wrap(verdict(inspection), "", width)]


def verdict(inspection: Inspection) -> str:
    """Say in one line whether training can run."""
    counts = [sum(found.severity == severity for found in inspection.findings) for severity in SEVERITIES]
    listed = ", ".join(
        f"{count} {severity}{'s' if count != 1 else ''}" for count, severity in zip(counts, SEVERITIES, strict=True)
    )
    images = sum(split.images for split in inspection.splits)
    read = f"{images:,} images read in {inspection.seconds:.1f} s: {listed}"
    return f"{read}. {'Training would stop.' if inspection.stops_training else 'Training can run.'}"


def _split_lines(split: SplitReport) -> Iterator[str]:
    if split.counts is None:
        if split.images:
            yield f"{split.name}: {split.images:,} images"
        return
    yield from count_lines(split.name, split.counts)
    statistics = split.statistics
    if spread := statistics.get("objects_per_image"):
        yield (f"  objects per image: {spread['min']:.0f} to {spread['max']:.0f}, median {spread['median']:.0f}")
    if spread := statistics.get("longer_side_at_input"):
        height, width = statistics["input_size"]
        yield (
            f"  longer side of the boxes at {width}x{height}: {spread['min']:.0f} to {spread['max']:.0f} pixels, "
            f"median {spread['median']:.0f}, a tenth under {spread['tenth']:.0f}"
        )
    if spread := statistics.get("classes_per_image"):
        yield f"  classes per image: {spread['min']} to {spread['max']}, median {spread['median']:.0f}"
    yield from (f"  {fact}" for fact in split.facts)


def _finding_lines(finding: Finding, width: int) -> Iterator[str]:
    yield from _wrap(f"  {finding.split}: {finding.text}", "    ", width)
    yield from _wrap(f"    -> {finding.effect}", "       ", width)
    if finding.twins:
        yield from (f"    {line}" for line in _paired(finding))
    elif finding.files:
        yield from _wrap(f"    {named(finding.files)}", "    ", width)


def named(files: Sequence[str]) -> str:
    """Name the first files, without the folder that all have in common."""
    shown = files[:_FILES]
    cut = len(_common_folder(shown))
    return ", ".join(file[cut:] for file in shown) + _more(files)


def _paired(finding: Finding) -> Iterator[str]:
    pairs = list(zip(finding.files, finding.twins, strict=True))[:_FILES]
    cut = len(_common_folder([path for pair in pairs for path in pair]))
    sign = "~" if finding.kind.startswith("near") else "="
    yield from (f"{file[cut:]} {sign} {twin[cut:]}" for file, twin in pairs)
    if more := _more(finding.files):
        yield more.strip()


def _more(files: Sequence[str]) -> str:
    return f" and {len(files) - _FILES:,} more" if len(files) > _FILES else ""


def _common_folder(paths: Sequence[str]) -> str:
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    return f"{folder}{os.sep}" if folder and folder != os.sep else ""


def _wrap(line: str, indent: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]
