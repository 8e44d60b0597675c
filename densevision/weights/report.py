"""What became of every tensor, for people to read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields

from densevision.weights.source import COUNTER


@dataclass
class LoadReport:
    """Names of tensors, by what became of them; batch norm's counters, which mean nothing to an output, are left out.

    Attributes:
        origin: where the weights came from.
        loaded: ours, filled whole.
        kept_classes: names of the classes whose columns were filled.
        reinitialised: ours, class predictors of other classes; columns of ``kept_classes`` excepted.
        cut: ours, filled with the first channels of theirs.
        initial: ours, at their initial value.
        unused: theirs.
    """

    origin: str
    loaded: list[str] = field(default_factory=list)
    kept_classes: list[str] = field(default_factory=list)
    reinitialised: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    initial: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for each in fields(self)[1:]:
            setattr(self, each.name, [name for name in getattr(self, each.name) if not name.endswith(COUNTER)])

    def __str__(self) -> str:
        shared = [*self.loaded, *self.reinitialised, *self.cut]
        ours = shared + self.initial
        lines = [f"weights of {self.origin}: {len(self.loaded)} of {len(ours)} tensors loaded"]
        if self.reinitialised:
            kept = f" (columns of {', '.join(self.kept_classes)} kept)" if self.kept_classes else ""
            lines.append(f"  re-initialised, other classes{kept}: {', '.join(self.reinitialised)}")
        for title, names, among in (
            ("first half of the channels", self.cut, ours),
            ("left at initial value", self.initial, ours),
            ("unused", self.unused, self.unused + shared),
        ):
            if names:
                lines.append(f"  {title}: {', '.join(shorten(names, among))}")
        return "\n".join(lines)


def shorten(names: Collection[str], among: Collection[str]) -> list[str]:
    """Write "head.* (2)" where all that begins with "head." is meant.

    ``shorten(["a.x", "a.y", "b.x"], ["a.x", "a.y", "b.x", "b.y"])`` is ["a.* (2)", "b.x"].
    """
    others = set(among) - set(names)
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_widest_prefix(name, others), []).append(name)
    return [f"{prefix}* ({len(group)})" if len(group) > 1 else group[0] for prefix, group in groups.items()]


def _widest_prefix(name: str, others: Collection[str]) -> str:
    parts = name.split(".")
    for length in range(1, len(parts)):
        prefix = ".".join(parts[:length]) + "."
        if not any(other.startswith(prefix) for other in others):
            return prefix
    return name
