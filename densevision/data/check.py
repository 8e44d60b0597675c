"""Count the contents of a split before it is used, print them, and stop where something needed is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

from densevision.errors import UserError

_LISTED = 8  # classes in one line


@dataclass(frozen=True)
class SplitCounts:
    """The contents of one split of a data set.

    Attributes:
        images: number of images in use.
        unit: what ``per_class`` counts, "boxes" or "pixels".
        per_class: class name -> count, in the order of the labels.
        dropped: reason -> number of annotations, pixels or files that are not used at all.
        untrained: reason -> number of annotations that training ignores and the evaluation keeps.
        notes: further facts, one line each.
        training_fault: why nothing can be learned from the split, with the likely cause and the remedy.
        evaluation_fault: why no metric can be computed on the split.
    """

    images: int
    unit: str
    per_class: dict[str, int]
    dropped: dict[str, int] = field(default_factory=dict)
    untrained: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    training_fault: str | None = None
    evaluation_fault: str | None = None


def count_lines(split: str, counts: SplitCounts) -> list[str]:
    """Describe a split in a few lines: images, objects per class, and the unused annotations with the reasons.

    Args:
        split: "train", "val" or "test".
    """
    present = {name: count for name, count in counts.per_class.items() if count}
    total = sum(present.values())
    ranked = sorted(present, key=present.__getitem__, reverse=True)
    in_pixels = counts.unit == "pixels"
    per_class = [f"{name} {share(present[name], total) if in_pixels else f'{present[name]:,}'}" for name in ranked]
    more = [f"{len(ranked) - _LISTED} more"] if len(ranked) > _LISTED else []
    listed = ", ".join([*per_class[:_LISTED], *more])
    lines = [f"{split}: {counts.images:,} images, {total:,} {counts.unit}{': ' if listed else ''}{listed}"]
    absent = [name for name in counts.per_class if name not in present]
    if absent and present:
        shown = ", ".join(absent[:_LISTED]) + (", ..." if len(absent) > _LISTED else "")
        lines.append(f"  without {counts.unit}: {shown}")
    training = split == "train"
    unused = {**counts.dropped, **(counts.untrained if training else {})}
    for label, reasons in ("not used", unused), ("kept as COCO's tools do", {} if training else counts.untrained):
        if reasons:
            lines.append(f"  {label}: " + ", ".join(f"{count:,} {why}" for why, count in reasons.items()))
    return lines + [f"  {note}" for note in counts.notes]


def check_counts(split: str, counts: SplitCounts) -> None:
    """Raise an error if a split can't be used for training or evaluation.

    Raises:
        UserError: with the likely cause.
    """
    fault = counts.training_fault if split == "train" else counts.evaluation_fault
    if fault:
        raise UserError(f"{split}: {fault}")


def share(part: int, whole: int) -> str:
    """Format a share in percent, with one decimal below 1 %: "12 %", "0.3 %", "< 0.1 %"."""
    percent = 100 * part / max(whole, 1)
    if percent >= 1 or part == 0:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %"
