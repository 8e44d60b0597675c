"""Findings about image files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from densevision.inspection.finding import Action, Finding, Severity
from densevision.inspection.scan import ImageFacts

_SMALL = 32  # pixels of the shorter side


class _Kind(NamedTuple):
    kind: str
    matches: Callable[[ImageFacts], bool]
    severity: Severity
    what: str  # follows "3 of 20 images"
    action: Action
    effect: str


_READ_AS = "used, read as 8-bit RGB"
_KINDS = (
    _Kind("16-bit", lambda image: image.bits > 8, "note", "have 16 bits per channel", "use", _READ_AS),
    _Kind("cmyk", lambda image: image.mode == "CMYK", "note", "are CMYK", "use", f"{_READ_AS}; colors may differ"),
    _Kind(
        "animated", lambda image: image.frames > 1, "warning", "have several frames", "use", "only the first is used"
    ),
    _Kind(
        "damaged",
        lambda image: bool(image.damage),
        "warning",
        "are damaged, but can be decoded",
        "use",
        "used as they are; copy or save them again",
    ),
    _Kind(
        "tiny",
        lambda image: not image.fault and 0 < min(image.header.size) < _SMALL,
        "warning",
        f"have a side of less than {_SMALL} pixels",
        "use",
        "enlarged until nothing can be seen; thumbnails?",
    ),
)


def file_findings(split: str, images: Sequence[ImageFacts], *, trains: bool) -> list[Finding]:
    """Describe the files of a split that can't be read, or that have an unusual format.

    Args:
        trains: whether the split is trained on: training skips what can't be read, an evaluation stops.
    """
    unreadable = [image for image in images if image.fault]
    groups = [
        ("truncated", [image for image in unreadable if image.cut_short], "are cut short"),
        ("unreadable", [image for image in unreadable if not image.cut_short], "can't be read"),
    ]
    findings = []
    for kind, found, what in groups:
        if found:
            skips = trains and len(unreadable) < len(images)
            findings.append(
                Finding(
                    kind=kind,
                    severity="warning" if skips else "error",
                    split=split,
                    text=f"{len(found):,} of {len(images):,} images {what}: {found[0].fault}",
                    action="skip" if skips else "stop",
                    effect="skipped in training; copy them again, or delete them and their annotations",
                    count=len(found),
                    files=tuple(image.path for image in found),
                )
            )
    for each in _KINDS:
        paths = tuple(image.path for image in images if not image.fault and each.matches(image))
        if paths:
            text = f"{len(paths):,} of {len(images):,} images {each.what}"
            findings.append(Finding(each.kind, each.severity, split, text, each.action, each.effect, len(paths), paths))
    return findings


def size_fact(images: Sequence[ImageFacts]) -> str:
    """Describe the sizes of the images in one line."""
    sizes = Counter(image.header.turned_size for image in images if not image.fault)
    if not sizes:
        return "no image can be read"
    commonest = ", ".join(f"{w}x{h} ({count:,})" for (h, w), count in sizes.most_common(3))
    return f"image sizes: {commonest}" + (f" and {len(sizes) - 3:,} more" if len(sizes) > 3 else "")
