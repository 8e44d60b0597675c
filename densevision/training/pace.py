"""How fast a training is, and how long it may be to end in a time."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from densevision.training.lengths import Length

_EVALUATION_SHARE = 0.25  # of the time, at most


@dataclass(frozen=True)
class Speed:
    """Seconds per iteration and per evaluation."""

    step: float
    evaluation: float = 0.0

    def affordable(self, seconds: float) -> int:
        """Return how many evaluations take a quarter of the time, 1 or more."""
        return max(1, int(_EVALUATION_SHARE * seconds / max(self.evaluation, 1e-9)))

    def __str__(self) -> str:
        evaluation = f", an evaluation about {self.evaluation:.3g} s" if self.evaluation else ""
        return f"an iteration takes {self.step:.3g} s{evaluation}"


class Pace:
    """How long iterations and evaluations take.

    Attributes:
        evaluation: seconds of the latest evaluation, with its checkpoints and files; an estimate before the first.
    """

    def __init__(self) -> None:
        self.evaluation: float | None = None
        self._steps: deque[float] = deque(maxlen=100)

    @property
    def step(self) -> float:
        """Mean seconds of the latest iterations, with the time that their batches took to arrive."""
        return sum(self._steps) / max(len(self._steps), 1)

    @contextmanager
    def iteration(self) -> Iterator[None]:
        """Time an iteration."""
        began = time.perf_counter()
        yield
        self._steps.append(time.perf_counter() - began)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Time an evaluation."""
        began = time.perf_counter()
        yield
        self.evaluation = time.perf_counter() - began


def evaluations_left(iteration: int, length: Length) -> int:
    """Return the number of evaluations after the first ``iteration`` iterations, that of the last one included."""
    return math.ceil(length.max_iters / length.val_interval) - iteration // length.val_interval


def fit_start(seconds: float, speed: Speed, evaluations: int) -> Length:
    """Return the longest training that ends in a time, with at most ``evaluations`` evaluations.

    All evaluations together take at most a quarter of the time, unless one alone takes longer.

    Args:
        seconds: for iterations and evaluations.
        evaluations: 0 for a training without val data.
    """
    evaluations = min(evaluations, speed.affordable(seconds))
    iterations = max(0, int((seconds - evaluations * speed.evaluation) / speed.step))
    return Length(iterations, max(1, math.ceil(iterations / max(1, evaluations))))


def fit_rest(seconds: float, speed: Speed, iteration: int, val_interval: int, most: int) -> Length:
    """Return the length at which a training that has done ``iteration`` iterations ends in a time.

    It has at least one more iteration. Where it would need more than ``most`` evaluations, only that of the last
    iteration remains.

    Args:
        seconds: that are left.
    """

    def by_time(evaluations: int) -> int:
        return iteration + max(1, int((seconds - evaluations * speed.evaluation) / speed.step))

    done, last = iteration // val_interval, 0
    for number in range(1, most + 1):
        bound = (done + number) * val_interval
        last = max(last, min(by_time(number), bound))
        if by_time(number) <= bound:
            return Length(last, val_interval)
    return Length(by_time(1), by_time(1))
