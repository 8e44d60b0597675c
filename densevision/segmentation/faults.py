"""When the ids in label files can't be what the classes mean, and what probably is meant."""

from __future__ import annotations

from densevision.data.check import share
from densevision.segmentation.loss import IGNORE_LABEL
from densevision.segmentation.pixels import LISTED, Pixels

_TOGETHER = 0.5  # share of the pixels that is taken for a mistake where many ids, or void ids, hold it
_LAST_TRAIN_ID = 18


def training_fault(pixels: Pixels) -> str | None:
    """Say why nothing useful can be learned from these labels, if so."""
    return (
        _too_few_named(pixels)
        or _nothing_labelled(pixels)
        or _train_ids(pixels)
        or _missing_class(pixels)
        or _lone_class(pixels)
        or _too_much_unnamed(pixels)
    )


def evaluation_fault(pixels: Pixels, may_be_unlabelled: bool) -> str | None:
    """Say why a metric on these labels would mislead, if so.

    Args:
        may_be_unlabelled: labels that are all ignored are as good as none (Cityscapes' test split): no figures.
    """
    if may_be_unlabelled and not pixels.present:
        return None
    other_encoding = _shifted(pixels) or (pixels.unnamed and len(pixels.present) < 2)
    return (
        _too_few_named(pixels)
        or _nothing_labelled(pixels)
        or _train_ids(pixels)
        or (_missing_class(pixels, least=1) if other_encoding else None)
        or _too_much_unnamed(pixels)
    )


def unexpected_ids(path: str, ids: list[int]) -> str:
    """Say that a label file holds ids that the Cityscapes table does not have."""
    return (
        f"{path} holds the ids {ids[:LISTED]}, which are not Cityscapes label ids; give *_labelIds.png "
        "files (not *_labelTrainIds.png), or your own ids as classes=dict(name=id)"
    )


def _too_few_named(pixels: Pixels) -> str | None:
    names = list(pixels.rules.id_of)
    if len(names) > 1:
        return None
    return f"only one class, {names[0]!r}, is named; name at least two in classes, the background is one, too"


def _nothing_labelled(pixels: Pixels) -> str | None:
    if pixels.present:
        return None
    return (
        f"no pixel belongs to a class: {_held(pixels, list(pixels.by_id))}, the classes are "
        f"{_wanted(pixels, pixels.missing)}{_guess(pixels)}"
    )


def _missing_class(pixels: Pixels, *, least: int = 2) -> str | None:
    """A class that must occur does not; that can be allowed where at least ``least`` classes do."""
    needed = pixels.needed
    if not needed:
        return None
    held = f"; {_held(pixels, list(pixels.unnamed))}, which no class names" if pixels.unnamed else ""
    allowed = f", or allow it with may_lack={needed if len(needed) <= LISTED else 'all'!r}"
    return (
        f"no pixel of {_wanted(pixels, needed)} in {len(pixels.by_file):,} label files{held}{_guess(pixels)}; "
        f"correct the ids in classes{allowed if len(pixels.present) >= least else ''}"
    )


def _lone_class(pixels: Pixels) -> str | None:
    if len(pixels.present) > 1:
        return None
    return (
        f"only {pixels.present[0]!r} of {len(pixels.rules.id_of)} classes occurs in {len(pixels.by_file):,} label "
        f"files, at least two must{_guess(pixels)}"
    )


def _too_much_unnamed(pixels: Pixels) -> str | None:
    """Too much is ignored by one id, or by many together."""
    total, limit = pixels.total, pixels.rules.max_unnamed
    id_, count = next(iter(pixels.unnamed.items()), (IGNORE_LABEL, 0))
    if count > limit * total:
        return (
            f"id {id_} holds {share(count, total)} of the pixels and no class names it, so they are ignored"
            f"{_guess(pixels)}; name it in classes, or allow it with max_unnamed={_round_up(count, total)}"
        )
    together = sum(pixels.unnamed.values())
    if together > max(_TOGETHER, limit) * total:
        return (
            f"{len(pixels.unnamed)} ids that no class names hold {share(together, total)} of the pixels together, "
            f"such as {_listed(list(pixels.unnamed))}; name them in classes, or allow it with "
            f"max_unnamed={_round_up(together, total)}"
        )
    return None


def _train_ids(pixels: Pixels) -> str | None:
    """The files hold the table's train ids 0..18 in place of its label ids."""
    limit = max(_TOGETHER, pixels.rules.max_unnamed)
    if pixels.rules.own_ids or max(pixels.by_id) > _LAST_TRAIN_ID or pixels.void <= limit * pixels.total:
        return None
    return (
        f"{share(pixels.void, pixels.total)} of the pixels have void ids of the Cityscapes table and no id is above "
        f"{_LAST_TRAIN_ID}, as in *_labelTrainIds files; give *_labelIds files, your own ids as classes=dict(name=id), "
        f"or allow it with max_unnamed={_round_up(pixels.void, pixels.total)}"
    )


def _guess(pixels: Pixels) -> str:
    """Guess which ids were meant: all shifted by one, or what is left over for what is missing."""
    missing, unnamed = pixels.missing, list(pixels.unnamed)
    if len(pixels.present) > 1 and IGNORE_LABEL in unnamed:
        unnamed.remove(IGNORE_LABEL)  # here it probably is what it mostly is: borders
    if not missing:
        return ""
    if not pixels.rules.own_ids:
        return " (ids of your own are given as classes=dict(name=id))"
    if shifted := _shifted(pixels):
        return _did_you_mean(shifted)
    if len(missing) == 1 and unnamed:
        return _did_you_mean({missing[0]: unnamed[0]})
    if len(missing) == len(unnamed):
        return _did_you_mean(dict(zip(missing, sorted(unnamed), strict=True)))
    return ""


def _shifted(pixels: Pixels) -> dict[str, int] | None:
    """Return the classes with ids one lower or higher, where exactly these occur."""
    for shift in (-1, 1):
        moved = {name: id_ + shift for name, id_ in pixels.rules.id_of.items()}
        if pixels.rules.own_ids and set(moved.values()) == set(pixels.by_id) - {IGNORE_LABEL}:
            return moved
    return None


def _did_you_mean(id_of: dict[str, int]) -> str:
    listed = [f"{name}={id_}" for name, id_ in id_of.items()]
    return f" (did you mean {', '.join(listed[:LISTED])}{', ...' if len(listed) > LISTED else ''}?)"


def _held(pixels: Pixels, ids: list[int]) -> str:
    files = int((pixels.by_file[:, ids] > 0).any(1).sum())
    return f"{files:,} of {len(pixels.by_file):,} files hold {_listed(ids)}"


def _listed(ids: list[int]) -> str:
    more = f" and {len(ids) - LISTED} more ids" if len(ids) > LISTED else ""
    return ", ".join(map(str, sorted(ids[:LISTED]))) + more


def _wanted(pixels: Pixels, names: list[str]) -> str:
    listed = [f"{name}={pixels.rules.id_of[name]}" for name in names]
    return ", ".join(listed[:LISTED]) + (f" and {len(listed) - LISTED} more" if len(listed) > LISTED else "")


def _round_up(part: int, total: int) -> float:
    """Round a share up to the next tenth."""
    return min(1.0, (part * 10 // total + 1) / 10)
