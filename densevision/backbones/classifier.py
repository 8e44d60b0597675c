"""A backbone with its ImageNet classifier: what Tables 3, 5 and 9 count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from densevision.backbones.backbone import Backbone
from densevision.backbones.layers import ACTIVATIONS, Padding
from densevision.backbones.spec import BackboneSpec, place_hswish, scale_spec
from densevision.backbones.tables import find_spec


class Classifier(nn.Module):
    """Pool C5, one more layer where the table has it, dropout, class logits.

    Args:
        backbone: name of a registered table, or a table.
        width: multiplier of the channels; the layer after the pooling keeps its size under 1, and where the
            table has none (V1, V2, MnasNet) the last convolution does.
        num_classes: K; the authors' V3 has 1001.
        hswish_from: as of ``build_backbone``.
        dropout: share of activations dropped before the last layer.
        padding, bn_eps: as of ``build_backbone``.
    Source: paper Tables 1 and 2, section 5.1 (the efficient last stage pools before the wide layer).
    """

    def __init__(
        self,
        backbone: str | BackboneSpec,
        *,
        width: float = 1.0,
        num_classes: int = 1001,
        hswish_from: int | Literal["table"] | None = "table",
        dropout: float = 0.2,
        padding: Padding = "symmetric",
        bn_eps: float = 1e-3,
    ):
        super().__init__()
        table = find_spec(backbone) if isinstance(backbone, str) else backbone
        spec = scale_spec(table, width=width, keep_last=table.hidden is None)
        if hswish_from != "table":
            spec = place_hswish(spec, hswish_from)
        self.backbone = Backbone(spec, padding=padding, bn_eps=bn_eps)
        channels = self.backbone.taps["c5"].channels
        hidden = [nn.Linear(channels, spec.hidden), ACTIVATIONS[spec.blocks[-1].act]()] if spec.hidden else []
        self.head = nn.Sequential(*hidden, nn.Dropout(dropout), nn.Linear(spec.hidden or channels, num_classes))

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] normalized -> logits [N, K]."""
        logits: Tensor = self.head(self.backbone(images)["c5"].mean((2, 3)))
        return logits

    def parts(self) -> dict[str, Sequence[nn.Module]]:
        """Return the backbone's parts and the head, the pooling with it."""
        return {"head": [self], **self.backbone.parts()}
