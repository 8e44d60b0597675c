"""A weighted sum of losses, of which some begin later in the training."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from densevision.errors import UserError
from densevision.registry import MODELS
from densevision.structures import check_range


class SumLoss(nn.Module):
    """Add losses, each times its weight, from its share of the schedule on.

    In evaluation mode only the losses that begin at 0 count, so that the val loss is one quantity from the first
    evaluation to the last.

    Args:
        losses: configs of losses or losses, each a module that maps logits [N, K, H, W] and target [N, H, W] to a
            scalar.
        weights: one factor per loss; None is 1 for each.
        begins: one share of the schedule in 0..1 per loss, at which it begins; None is 0 for each. At least one is 0.
    Raises:
        UserError: no loss, a number of weights or begins other than that of the losses, one out of range, or nothing
            with a weight over 0 that begins at 0.
    """

    def __init__(
        self,
        losses: Sequence[dict | nn.Module],
        weights: Sequence[float] | None = None,
        begins: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(losses, list | tuple) or not losses:
            raise UserError(
                f"SumLoss: losses is {losses!r}; give a list of losses, such as dict(type=CrossEntropyLoss)"
            )
        for loss in losses:
            if not isinstance(loss, dict | nn.Module):
                raise UserError(f"SumLoss: losses has {loss!r:.80}; give a list such as [dict(type=CrossEntropyLoss)]")
        self.losses = nn.ModuleList(MODELS.build(loss) if isinstance(loss, dict) else loss for loss in losses)
        self.weights = _numbers("weights", weights, [1.0] * len(losses))
        self.begins = _numbers("begins", begins, [0.0] * len(losses), high=1)
        if not any(weight and not begin for weight, begin in zip(self.weights, self.begins, strict=True)):
            raise UserError(
                f"SumLoss: begins is {begins!r}, weights is {weights!r}; one loss must begin at 0 "
                "with a weight over 0, or nothing is learned before"
            )
        self.progress = 0.0

    @property
    def progress(self) -> float:
        """Share of the training's iterations that are done; the training loop sets it before each iteration."""
        return self._progress

    @progress.setter
    def progress(self, share: float) -> None:
        self._progress = share
        self._active = tuple(begin <= share for begin in self.begins)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Reduce logits [N, K, H, W] and target [N, H, W] (uint8, 255 is ignored) to a scalar."""
        active = self._active if self.training else tuple(begin == 0 for begin in self.begins)
        parts = zip(self.losses, self.weights, active, strict=True)
        return sum(weight * loss(logits, target) for loss, weight, on in parts if on)


def _numbers(name: str, given: object, default: list[float], high: float = float("inf")) -> list[float]:
    if given is None:
        return default
    if not isinstance(given, list | tuple) or len(given) != len(default):
        raise UserError(f"SumLoss: {name} is {given!r}; give a list of {len(default)} numbers, one per loss")
    for position, value in enumerate(given):
        check_range(f"SumLoss: {name}[{position}]", value, low=0, high=high)
    return [float(value) for value in given]
