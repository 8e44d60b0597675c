"""Detect label files whose ids do not fit the classes, and suggest ids that do."""

from __future__ import annotations

from densevision.data.check import share
from densevision.errors import listed
from densevision.segmentation.loss import IGNORE_LABEL
from densevision.segmentation.pixels import LISTED, Pixels

_MAX_TOGETHER = 0.5  # share of the pixels of many ids, or of void ids; more is considered a mistake
_LAST_TRAIN_ID = 18


def training_fault(pixels: Pixels) -> str | None:
    """Return why nothing useful can be learned from these labels, if so."""
    return (
        _too_few_classes(pixels)
        or _nothing_labeled(pixels)
        or _train_ids(pixels)
        or _missing_class(pixels)
        or _lone_class(pixels)
        or _too_much_unnamed(pixels)
    )


def evaluation_fault(pixels: Pixels, may_be_unlabeled: bool) -> str | None:
    """Return why a metric on these labels would be misleading, if so.

    Args:
        pixels: the pixels of the label files.
        may_be_unlabeled: accept labels that are all ignored, as in the test split of Cityscapes.
    """
    if may_be_unlabeled and not pixels.present:
        return None
    other_encoding = _shifted(pixels) or (pixels.unnamed and len(pixels.present) < 2)
    return (
        _too_few_classes(pixels)
        or _nothing_labeled(pixels)
        or _train_ids(pixels)
        or (_missing_class(pixels, least=1) if other_encoding else None)
        or _too_much_unnamed(pixels)
    )


def unexpected_ids(path: str, ids: list[int]) -> str:
    """Describe a label file with ids that are not in the Cityscapes table."""
    return (
        f"{path} contains the ids {ids[:LISTED]}, which are not Cityscapes label ids; give *_labelIds.png "
        "files (not *_labelTrainIds.png), or your own ids as classes=dict(name=id)"
    )


def _too_few_classes(pixels: Pixels) -> str | None:
    names = list(pixels.rules.id_of)
    if len(names) > 1:
        return None
    return f"{names[0]!r} is the only class; classes must have at least two, and the background counts as one"


def _nothing_labeled(pixels: Pixels) -> str | None:
    if pixels.present:
        return None
    return (
        f"no pixel belongs to a class: {_files_with(pixels, list(pixels.by_id))}, the classes are "
        f"{_with_ids(pixels, pixels.missing)}{_suggestion(pixels)}"
    )


def _missing_class(pixels: Pixels, *, least: int = 2) -> str | None:
    """Check that required classes occur; suggest ``may_lack`` if at least ``least`` other classes do."""
    needed = pixels.needed
    if not needed:
        return None
    other = f"; {_files_with(pixels, list(pixels.unnamed))}, which belong to no class" if pixels.unnamed else ""
    wrong = "colors" if pixels.rules.colors else "ids in classes"
    allowed = f", or allow it with may_lack={needed if len(needed) <= LISTED else 'all'!r}"
    return (
        f"no pixel of {_with_ids(pixels, needed)} in {len(pixels.by_file):,} label files{other}{_suggestion(pixels)}; "
        f"correct the {wrong}{allowed if len(pixels.present) >= least else ''}"
    )


def _lone_class(pixels: Pixels) -> str | None:
    if len(pixels.present) > 1:
        return None
    return (
        f"only {pixels.present[0]!r} of {len(pixels.rules.id_of)} classes occurs in {len(pixels.by_file):,} label "
        f"files, at least two must{_suggestion(pixels)}"
    )


def _too_much_unnamed(pixels: Pixels) -> str | None:
    """Check that neither one ignored id nor many together have too many of the pixels."""
    total, limit = pixels.total, pixels.rules.max_unnamed
    if pixels.rules.colors:
        unknown = sum(pixels.unnamed.values())
        return _unknown_colors(pixels, unknown) if unknown > limit * total else None
    id_, count = next(iter(pixels.unnamed.items()), (IGNORE_LABEL, 0))
    if count > limit * total:
        return (
            f"id {id_} has {share(count, total)} of the pixels and belongs to no class, so they are ignored"
            f"{_suggestion(pixels)}; add it to classes, or allow it with max_unnamed={_round_up(count, total)}"
        )
    together = sum(pixels.unnamed.values())
    if together > max(_MAX_TOGETHER, limit) * total:
        return (
            f"{len(pixels.unnamed)} ids without a class have {share(together, total)} of the pixels together, "
            f"such as {pixels.rules.spell_ids(list(pixels.unnamed))}; add them to classes, or allow it with "
            f"max_unnamed={_round_up(together, total)}"
        )
    return None


def _unknown_colors(pixels: Pixels, count: int) -> str:
    return (
        f"{share(count, pixels.total)} of the pixels have a color without a name, so they are ignored, such as "
        f"{pixels.example}; add it to colors, or allow it with max_unnamed={_round_up(count, pixels.total)}"
    )


def _train_ids(pixels: Pixels) -> str | None:
    """Detect files with the train ids 0..18 of the Cityscapes table instead of its label ids."""
    limit = max(_MAX_TOGETHER, pixels.rules.max_unnamed)
    if pixels.rules.own_ids or max(pixels.by_id) > _LAST_TRAIN_ID or pixels.void <= limit * pixels.total:
        return None
    return (
        f"{share(pixels.void, pixels.total)} of the pixels have void ids of the Cityscapes table and no id is above "
        f"{_LAST_TRAIN_ID}, as in *_labelTrainIds files; give *_labelIds files, your own ids as classes=dict(name=id), "
        f"or allow it with max_unnamed={_round_up(pixels.void, pixels.total)}"
    )


def _suggestion(pixels: Pixels) -> str:
    """Suggest the ids that were meant: all shifted by one, or the unused ids for the missing classes."""
    missing, unnamed = pixels.missing, list(pixels.unnamed)
    if pixels.rules.colors:
        return f" (unknown colors: {pixels.example})" if missing and unnamed else ""
    if len(pixels.present) > 1 and IGNORE_LABEL in unnamed:
        unnamed.remove(IGNORE_LABEL)  # probably borders, its usual meaning
    if not missing:
        return ""
    if not pixels.rules.own_ids:
        return " (give your own ids as classes=dict(name=id))"
    if shifted := _shifted(pixels):
        return _did_you_mean(shifted)
    if len(missing) == 1 and unnamed:
        return _did_you_mean({missing[0]: unnamed[0]})
    if len(missing) == len(unnamed):
        return _did_you_mean(dict(zip(missing, sorted(unnamed), strict=True)))
    return ""


def _shifted(pixels: Pixels) -> dict[str, int] | None:
    """Return the classes with ids one lower or higher, if exactly these occur."""
    for shift in (-1, 1):
        moved = {name: id_ + shift for name, id_ in pixels.rules.id_of.items()}
        if (
            pixels.rules.own_ids
            and not pixels.rules.colors
            and set(moved.values()) == set(pixels.by_id) - {IGNORE_LABEL}
        ):
            return moved
    return None


def _did_you_mean(id_of: dict[str, int]) -> str:
    listed = [f"{name}={id_}" for name, id_ in id_of.items()]
    return f" (did you mean {', '.join(listed[:LISTED])}{', ...' if len(listed) > LISTED else ''}?)"


def _files_with(pixels: Pixels, ids: list[int]) -> str:
    files = int((pixels.by_file[:, ids] > 0).any(1).sum())
    return f"{files:,} of {len(pixels.by_file):,} files contain {pixels.rules.spell_ids(ids)}"


def _with_ids(pixels: Pixels, names: list[str]) -> str:
    return listed([pixels.rules.spell(name) for name in names], LISTED)


def _round_up(part: int, total: int) -> float:
    """Round a share up to the next tenth."""
    return min(1.0, (part * 10 // total + 1) / 10)
