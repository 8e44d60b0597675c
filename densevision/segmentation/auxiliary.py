"""A second head, which exists in training only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from densevision.backbones.backbone import Tap
from densevision.backbones.layers import ConvNormAct
from densevision.errors import UserError
from densevision.registry import MODELS
from densevision.segmentation.loss import CrossEntropyLoss
from densevision.structures import check_range, check_whole


class AuxiliaryHead(nn.Module):
    """Class logits from an inner feature, whose loss reaches the early layers directly.

    It is no part of the network that predicts: ``Segmentor`` runs it in its loss only, and a checkpoint loads with or
    without it.

    Args:
        taps: the backbone's taps.
        num_classes: K.
        tap: name of the feature.
        filters: output channels of a 3x3 convolution in front of the classifier.
        weight: factor of its loss.
        loss: ``type`` and options of its loss; default plain cross-entropy.
    Raises:
        UserError: ``weight`` or ``filters`` is not over 0, or the backbone has no such tap.
    """

    def __init__(
        self,
        taps: Mapping[str, Tap],
        num_classes: int,
        *,
        tap: str = "c4",
        filters: int = 64,
        weight: float = 0.4,
        loss: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_range("AuxiliaryHead: weight", weight, low=0, with_low=False)
        check_whole("AuxiliaryHead: filters", filters, low=1)
        if tap not in taps:
            raise UserError(f"AuxiliaryHead: tap is {tap!r}; the backbone has {', '.join(taps)}")
        self.tap, self.stride, self.weight = tap, taps[tap].stride, float(weight)
        self.project = ConvNormAct(taps[tap].channels, filters, 3, act="relu")
        self.project[1].eps = 1e-3  # type: ignore[assignment]  # a batch norm, which mypy can't see in Sequential
        self.logits = nn.Conv2d(filters, num_classes, 1)
        self.loss_function = MODELS.build(loss or dict(type=CrossEntropyLoss))

    @property
    def class_layers(self) -> list[nn.Module]:
        """See ``SegmentationHead``."""
        return [self.logits]

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Map the tapped features to logits [N, K, h, w] at the stride of the tap."""
        logits: Tensor = self.logits(self.project(features[self.tap]))
        return logits


def fit_auxiliary(model: nn.Module, state_dict: dict[str, Tensor], prefix: str, *unused: object) -> None:
    """Make a state dict fit a model, as to its auxiliary head, before it is loaded: a hook of ``load_state_dict``.

    Tensors of a head that the model lacks are dropped; those that the state dict lacks keep their values.
    """
    begin = f"{prefix}auxiliary."
    own = {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items() if name.startswith("auxiliary.")}
    for name in [name for name in state_dict if name.startswith(begin) and name not in own]:
        del state_dict[name]
    for name, tensor in own.items():
        if name not in state_dict or state_dict[name].shape != tensor.shape:
            state_dict[name] = tensor
