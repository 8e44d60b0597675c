"""The segmenter: backbone, head and loss wired to mmengine's three modes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch import Tensor, nn

from densevision.backbones.backbone import build_backbone
from densevision.preprocess import Normalize
from densevision.registry import MODELS
from densevision.samples import SegSample
from densevision.segmentation.head import LRASPPHead, RASPPHead
from densevision.segmentation.loss import CrossEntropyLoss, OHEMCrossEntropyLoss

for _part in (LRASPPHead, RASPPHead, CrossEntropyLoss, OHEMCrossEntropyLoss):
    MODELS.register_module(module=_part)


@MODELS.register_module()
class Segmentor(BaseModel):
    """Label every pixel.

    Args:
        backbone: arguments of ``build_backbone``.
        head: ``type`` (LRASPPHead or RASPPHead) and its options; taps and classes are filled in.
        num_classes: K; in a config None stands for the number of classes of the training data.
        loss: ``type`` and options; default plain cross-entropy.
        bn_momentum: weight of a new batch in the running statistics (1 - TensorFlow's decay).
        data_preprocessor: default ``Normalize``.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        num_classes: int,
        loss: dict | None = None,
        bn_momentum: float = 0.01,
        data_preprocessor: dict | None = None,
    ):
        super().__init__(data_preprocessor=data_preprocessor or dict(type=Normalize))
        self.backbone = build_backbone(**backbone)
        self.head = MODELS.build(dict(head, taps=self.backbone.taps, num_classes=num_classes))
        self.loss_function = MODELS.build(loss or dict(type=CrossEntropyLoss))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = bn_momentum
        _init_convolutions(self)
        self.to(memory_format=torch.channels_last)

    def forward(
        self, inputs: Tensor, data_samples: Sequence[SegSample] | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor] | list[SegSample]:
        """Dispatch to one of mmengine's modes.

        Args:
            inputs: [N, 3, H, W] float, normalised.
            data_samples: N samples; not needed by mode "tensor".
            mode: "tensor" gives logits [N, K, H, W]; "loss" a dict; "predict" the samples with ``pred``.
        """
        if mode == "tensor":
            return _resize(self._logits(inputs), inputs.shape[-2:])
        if mode == "loss":
            return self.loss(inputs, data_samples)
        if mode == "predict":
            return self.predict(inputs, data_samples)
        raise ValueError(f"mode is {mode!r}; it is 'tensor', 'loss' or 'predict'")

    def loss(self, inputs: Tensor, data_samples: Sequence[SegSample]) -> dict[str, Tensor]:
        """Return ``loss_seg``, measured at the input's size."""
        target = torch.cat([sample.gt.labels for sample in data_samples])  # [N, H, W]
        return dict(loss_seg=self.loss_function(self.forward(inputs), target))

    def predict(self, inputs: Tensor, data_samples: Sequence[SegSample]) -> list[SegSample]:
        """Fill ``pred.labels`` [1, H, W] uint8 of each sample, at the size of its original image."""
        logits = self._logits(inputs)  # [N, K, h, w]
        for one, sample in zip(logits, data_samples, strict=True):
            labels = _resize(one[None], sample.ori_size).argmax(1)  # [1, H, W]
            sample.pred = PixelData(labels=labels.to(torch.uint8))
        return list(data_samples)

    def _logits(self, inputs: Tensor) -> Tensor:
        return self.head(self.backbone(inputs))


def _resize(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


def _init_convolutions(model: nn.Module) -> None:
    for module in model.modules():
        if not isinstance(module, nn.Conv2d):
            continue
        if module.bias is None:  # a batch norm follows
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        else:  # gates and classifiers: start with outputs no larger than their inputs
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="linear")
            nn.init.zeros_(module.bias)
