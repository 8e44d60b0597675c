"""Which of two figures of a metric is the better one."""

from __future__ import annotations

from collections.abc import Iterable


def ranking_sign(name: str | None, metrics: Iterable[object]) -> int:
    """Return 1 where greater is better, and -1 where the metric that gives a figure states ``lower_is_better``.

    Args:
        name: of the figure, "mine/errors".
        metrics: of the evaluation.
    """
    owners = [one for one in metrics if (name or "").startswith(f"{getattr(one, 'prefix', None)}/")]
    return -1 if any(getattr(one, "lower_is_better", False) for one in owners) else 1
