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


def fit(seconds: float, speed: Speed, iteration: int, evaluations: int) -> Length:
    """Return the length at which a training ends in a time; it has at least one more iteration.

    Args:
        seconds: that are left.
        iteration: iterations done.
        evaluations: in the whole training, evenly spread; 0 for a training without val data.
    """
    length = Length(iteration + 1, iteration + 1)
    for number in range(1, max(1, evaluations) + 1):  # that are still to come
        last = iteration + max(1, int((seconds - number * speed.evaluation) / speed.step))
        length = Length(last, math.ceil(last / max(1, evaluations)))
        if evaluations_left(iteration, length) <= number:
            break
    return length
