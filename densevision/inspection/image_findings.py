"""Findings about image files: damage, animations, bit depth, color, EXIF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from densevision.data.sizes import describe_size, other_exif, size_as_read
from densevision.inspection.finding import Action, Finding, Severity
from densevision.inspection.scan import ImageFacts

_TINY = 32  # shorter side in pixels


def image_findings(split: str, images: Sequence[ImageFacts], *, exif: str) -> list[Finding]:
    """Describe the image files of a split.

    Args:
        split: "train", "val", "test" or "all".
        images: all of the split.
        exif: "apply" or "ignore" the rotation of the EXIF tag.
    """
    findings = _unreadable(split, images)
    for kind, severity, text, effect, files in _kinds(images, exif):
        if files:
            findings.append(
                Finding(kind, severity, split, f"{len(files):,} {text}", "use", effect, len(files), tuple(files))
            )
    return findings


def _unreadable(split: str, images: Sequence[ImageFacts]) -> list[Finding]:
    lost = [image for image in images if image.fault]
    by_kind = {
        "unreadable": [image for image in lost if not image.cut_short],
        "truncated": [image for image in lost if image.cut_short],
    }
    action, severity, effect = _effect_of_loss(split, everything=len(lost) == len(images))
    findings = []
    for kind, group in by_kind.items():
        if group:
            first = "the first: " if len(group) > 1 else ""
            text = f"{len(group):,} {'image files are cut short' if kind == 'truncated' else 'images cannot be read'}"
            files = tuple(image.path for image in group)
            fault = f"{text} ({first}{group[0].fault})"
            findings.append(Finding(kind, severity, split, fault, action, effect, len(group), files))
    return findings


def _effect_of_loss(split: str, *, everything: bool) -> tuple[Action, Severity, str]:
    if split in ("train", "all") and not everything:
        return "skip", "warning", "skipped, and other images are used in their place: repair or remove them"
    stops = "training stops" if split != "test" else "densevision test stops"
    return "stop", "error", f"{stops}: repair or remove them with their annotations"


def _kinds(images: Sequence[ImageFacts], exif: str) -> list[tuple[str, Severity, str, str, list[str]]]:
    """Return kind, severity, text without count, effect, and files of each possible finding."""
    turned = [image.path for image in images if image.header.orientation != 1]
    how = "turned upright as it says" if exif == "apply" else "used as stored, not turned"
    read = [image for image in images if not image.fault]
    return [
        (
            "damaged",
            "warning",
            f"images open, but their pixels are damaged{_first_damage(read)}",
            "used as they are: repair or remove them",
            [image.path for image in read if image.damage],
        ),
        (
            "exif-turned",
            "note",
            "images have an EXIF tag that turns or mirrors them",
            f"{how}; if their annotations do not fit, set {other_exif(exif)} in the data set of the config",
            turned,
        ),
        (
            "animated",
            "note",
            "files have several frames or pages",
            "only the first one is used",
            [image.path for image in read if image.frames > 1],
        ),
        (
            "16-bit",
            "note",
            "images have more than 8 bits per channel",
            "reduced to the upper 8 bits; images of 10 or 12 bits in 16 become nearly black: scale those first",
            [image.path for image in read if image.bits > 8],
        ),
        (
            "cmyk",
            "note",
            "images are in CMYK, for print",
            "converted to RGB without their color profile: colors may be off",
            [image.path for image in read if image.mode == "CMYK"],
        ),
        (
            "transparent",
            "note",
            "images have an alpha channel",
            "transparency is dropped: what it hides becomes visible",
            [image.path for image in read if image.mode in ("RGBA", "LA", "PA", "La", "RGBa")],
        ),
        (
            "tiny",
            "note",
            f"images have a side under {_TINY} pixels",
            "used",
            [image.path for image in read if min(image.header.size) < _TINY],
        ),
    ]


def _first_damage(images: Sequence[ImageFacts]) -> str:
    damage = next((image.damage for image in images if image.damage), "")
    return f" (the first: {damage})" if damage else ""


def size_fact(images: Sequence[ImageFacts], exif: str) -> str:
    """Describe the sizes of the images as they are read in one line; empty if none can be read."""
    sizes = Counter(size_as_read(image.header, exif) for image in images if not image.fault)
    if not sizes:
        return ""
    commonest = ", ".join(f"{describe_size(size)} ({count:,})" for size, count in sizes.most_common(3))
    return f"image sizes: {commonest}" + (f" and {len(sizes) - 3:,} more" if len(sizes) > 3 else "")
