"""The options of a search."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Literal

from densevision.errors import UserError


@dataclass(frozen=True)
class Target:
    """A latency in ms, or a share of the seed's."""

    value: float
    relative: bool

    def of(self, seed_ms: float) -> float:
        """Return it in ms."""
        return self.value * seed_ms if self.relative else self.value

    def __str__(self) -> str:
        return f"{self.value:g}{'x' if self.relative else 'ms'}"


def parse_target(text: str) -> Target:
    """Read "0.7x" or "8.5ms".

    Raises:
        UserError: it is neither, not over 0, or a share over 1.
    """
    for unit in ("ms", "x"):
        number = text.removesuffix(unit)
        with contextlib.suppress(ValueError):
            if number != text and 0 < float(number) < math.inf and (unit == "ms" or float(number) <= 1):
                return Target(float(number), unit == "x")
    raise UserError(
        f"--target-latency {text}: give a share of the seed's latency such as 0.7x, or a time such as 8.5ms"
    )


@dataclass(frozen=True)
class Plan:
    """The options of a search.

    Attributes:
        target: of the file.
        step: share of the seed's latency that each step saves at least.
        short_iters: iterations of a short training; 0 chooses by recalibrated batch norms alone.
        finalists: proposals per step that are trained, of those that the screen leaves and the uniform one.
        reward: "slope", the paper's rule of section 4.2; or "product", the reward of section 4.1, with exp(-loss) as
            the accuracy.
        w: exponent of "product".
        evaluations: None, or of an evolution (section 4.1) the number of networks; it ignores step and finalists.
    """

    target: Target
    step: float = 0.015
    short_iters: int = 20
    finalists: int = 4
    reward: Literal["slope", "product"] = "slope"
    w: float = -0.07
    evaluations: int | None = None
