"""Report which tensors were loaded, and which were not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from densevision.weights.source import COUNTER


@dataclass
class LoadReport:
    """Names of the tensors, by the result of loading, without the counters of batch norms.

    Attributes:
        origin: where the weights came from.
        loaded: tensors of the model that were filled completely.
        kept_classes: names of the classes whose columns were filled.
        reinitialized: class predictors of other classes, except the columns of ``kept_classes``.
        cut: tensors of the model that were filled with the first channels of the file's.
        initial: tensors of the model at their initial value.
        unused: tensors of the file that were not used.
    """

    origin: str
    loaded: list[str] = field(default_factory=list)
    kept_classes: list[str] = field(default_factory=list)
    reinitialized: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    initial: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loaded, self.reinitialized = _without_counters(self.loaded), _without_counters(self.reinitialized)
        self.cut, self.initial = _without_counters(self.cut), _without_counters(self.initial)
        self.unused = _without_counters(self.unused)

    def __str__(self) -> str:
        shared = [*self.loaded, *self.reinitialized, *self.cut]
        ours = shared + self.initial
        lines = [f"weights of {self.origin}: {len(self.loaded)} of {len(ours)} tensors loaded"]
        if self.reinitialized:
            kept = f" (columns of {', '.join(self.kept_classes)} kept)" if self.kept_classes else ""
            lines.append(f"  reinitialized, other classes{kept}: {', '.join(self.reinitialized)}")
        for title, names, among in (
            ("first half of the channels", self.cut, ours),
            ("left at initial value", self.initial, ours),
            ("unused", self.unused, self.unused + shared),
        ):
            if names:
                lines.append(f"  {title}: {', '.join(shorten(names, among))}")
        return "\n".join(lines)


def shorten(names: Collection[str], among: Collection[str]) -> list[str]:
    """Abbreviate names to "head.* (2)" if they include all that begin with "head.".

    ``shorten(["a.x", "a.y", "b.x"], ["a.x", "a.y", "b.x", "b.y"])`` is ["a.* (2)", "b.x"].
    """
    others = set(among) - set(names)
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_widest_prefix(name, others), []).append(name)
    return [f"{prefix}* ({len(group)})" if len(group) > 1 else group[0] for prefix, group in groups.items()]


def _without_counters(names: Collection[str]) -> list[str]:
    return [name for name in names if not name.endswith(COUNTER)]


def _widest_prefix(name: str, others: Collection[str]) -> str:
    parts = name.split(".")
    for length in range(1, len(parts)):
        prefix = ".".join(parts[:length]) + "."
        if not any(other.startswith(prefix) for other in others):
            return prefix
    return name
