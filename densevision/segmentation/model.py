"""The segmentation model: backbone, head and loss wired to mmengine's three modes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch import Tensor, nn

from densevision.backbones import (
    Taps,
    build_backbone,
    compute_taps,
    keep_frozen,
    modules_to_initialize,
    network_parts,
    set_momentum,
)
from densevision.data.normalize import Normalize
from densevision.data.samples import SegSample
from densevision.errors import UserError
from densevision.registry import MODELS
from densevision.segmentation.auxiliary import AuxiliaryHead, fit_auxiliary
from densevision.segmentation.distillation import PixelDistillation
from densevision.segmentation.head import LRASPPHead, RASPPHead, cut
from densevision.segmentation.loss import BoundaryCrossEntropyLoss, CrossEntropyLoss, OHEMCrossEntropyLoss
from densevision.segmentation.lovasz import LovaszSoftmaxLoss
from densevision.segmentation.rmi import RMILoss
from densevision.segmentation.sum_loss import SumLoss

_HEADS = (LRASPPHead, RASPPHead, AuxiliaryHead)
_LOSSES = (CrossEntropyLoss, OHEMCrossEntropyLoss, BoundaryCrossEntropyLoss, LovaszSoftmaxLoss, SumLoss)
for _part in (*_HEADS, *_LOSSES, RMILoss, PixelDistillation):
    MODELS.register_module(module=_part)


@MODELS.register_module()
class Segmentor(BaseModel):
    """Label every pixel.

    Args:
        backbone: arguments of ``build_backbone``.
        head: ``type`` (LRASPPHead, RASPPHead or another ``SegmentationHead``) and its options; taps and classes are
            filled in.
        num_classes: K; in a config None stands for the number of classes of the training data.
        loss: ``type`` and options; default plain cross-entropy.
        bn_momentum: weight of a new batch in the running statistics (1 - TensorFlow's decay).
        data_preprocessor: default ``Normalize``.
        auxiliary: ``type`` (AuxiliaryHead) and options of a second head, in training only; None is none.
    Attributes:
        task: name in ``densevision.task.TASKS``.
        reads: argument -> what takes the items of that dict, so that a config can be checked.
        training_only: names of the parts that are not in the network that predicts.
        background_columns: number of output channels of a class layer in addition to those of the K classes.
        distillation: the loss of a config's ``teacher`` that names none.
        teacher: returns the losses against a teacher; the training sets it while it runs.
    """

    task = "segmentation"
    background_columns = 0
    reads = dict(backbone=build_backbone)
    training_only = ("auxiliary",)
    distillation = PixelDistillation
    teacher: Callable[[Segmentor, Tensor, Tensor, Sequence[SegSample]], dict[str, Tensor]] | None = None

    def __init__(
        self,
        backbone: dict,
        head: dict,
        num_classes: int,
        loss: dict | None = None,
        bn_momentum: float = 0.01,
        data_preprocessor: dict | None = None,
        auxiliary: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor or dict(type=Normalize))
        self.num_classes = num_classes
        self.backbone = build_backbone(**backbone)
        self.head = MODELS.build(dict(head, taps=Taps(self.backbone.taps), num_classes=num_classes))
        self.loss_function = MODELS.build(loss or dict(type=CrossEntropyLoss))
        _init_convolutions(modules_to_initialize(self))
        if any(isinstance(part, PixelDistillation) for part in self.loss_function.modules()):
            raise UserError("model.loss: PixelDistillation compares with another network; give it as teacher.loss")
        self.auxiliary: AuxiliaryHead | None = None
        if auxiliary is not None:  # built last: the network's first weights are those without it
            self.auxiliary = MODELS.build(dict(auxiliary, taps=Taps(self.backbone.taps), num_classes=num_classes))
            if not isinstance(self.auxiliary, AuxiliaryHead):
                raise UserError(f"model.auxiliary is {type(self.auxiliary).__name__}; give dict(type=AuxiliaryHead)")
            _init_convolutions(self.auxiliary.modules())
        set_momentum(self, bn_momentum)
        self.register_load_state_dict_pre_hook(fit_auxiliary)
        self.to(memory_format=torch.channels_last)

    def forward(
        self, inputs: Tensor, data_samples: Sequence[SegSample] | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor] | list[SegSample]:
        """Dispatch to one of mmengine's modes.

        Args:
            inputs: [N, 3, H, W] float, normalized.
            data_samples: N samples; not needed by mode "tensor".
            mode: "tensor" gives logits [N, K, H, W]; "loss" a dict; "predict" the samples with ``pred``.
        """
        if mode == "tensor":
            return self.logits(inputs)
        if mode == "loss":
            return self.loss(inputs, data_samples or ())
        if mode == "predict":
            return self.predict(inputs, data_samples or ())
        raise ValueError(f"mode is {mode!r}; it is 'tensor', 'loss' or 'predict'")

    def loss(self, inputs: Tensor, data_samples: Sequence[SegSample]) -> dict[str, Tensor]:
        """Return ``loss_seg``, and the losses of an auxiliary head and a teacher, measured at the input's size."""
        target = torch.cat([sample.gt.labels for sample in data_samples])  # [N, H, W]
        features, size = self.features(inputs), inputs.shape[-2:]
        # Resizing and softmax over channels-last logits, with their few channels, take longer than the other order.
        outputs = self.upsample_to(self.head(features).float().contiguous(), size)
        losses = dict(loss_seg=self.loss_function(outputs, target))
        if self.auxiliary is not None:
            logits = self.upsample_to(self.auxiliary(features).float().contiguous(), size, self.auxiliary)
            losses["loss_aux"] = self.auxiliary.weight * self.auxiliary.loss_function(logits, target)
        return losses if self.teacher is None else losses | self.teacher(self, inputs, outputs, data_samples)

    def val_loss(self, outputs: Tensor, samples: Sequence[SegSample]) -> dict[str, Tensor]:
        """Return ``loss_seg`` for the head's logits [N, K, h, w], measured at every second row and column."""
        target = torch.cat([sample.gt.labels for sample in samples])  # [N, H, W]
        size = target.shape[-2:]
        if not self._divides(size):
            return dict(loss_seg=self.loss_function(self.upsample_to(outputs, size), target))
        target = target[:, 1::2, 1::2] if min(target.shape[-2:]) > 1 else target
        return dict(loss_seg=self.loss_function(_resize(outputs, target.shape[-2:]), target))

    def train(self, mode: bool = True) -> Segmentor:
        """Switch to training or evaluation mode; the frozen modules of the backbone stay in evaluation mode."""
        super().train(mode)
        keep_frozen(self.backbone)
        return self

    def logits(self, inputs: Tensor) -> Tensor:
        """[N, 3, H, W] normalized -> logits [N, K, H, W]."""
        return self.upsample_to(self.coarse_logits(inputs), inputs.shape[-2:])

    def predict(self, inputs: Tensor, data_samples: Sequence[SegSample]) -> list[SegSample]:
        """Fill ``pred.labels`` [1, H, W] uint8 of each sample, at the size of its original image."""
        logits, size = self.coarse_logits(inputs), inputs.shape[-2:]  # [N, K, h, w]
        if not self._divides(size):
            logits = self.upsample_to(logits, size)  # [N, K, H, W]
        for one, sample in zip(logits, data_samples, strict=True):
            labels = _resize(one[None], sample.ori_size).argmax(1)  # [1, H, W]
            sample.pred = PixelData(labels=labels.to(torch.uint8))
        return list(data_samples)

    @property
    def align_corners(self) -> bool:
        """Whether the centers of the logits' corner cells are those of the padded input's corner pixels."""
        return bool(getattr(self.head, "align_corners", False))

    def _divides(self, size: Sequence[int]) -> bool:
        """Whether the cells of the logits divide an image of ``size`` evenly, so that they may be resized at once."""
        return not self.align_corners and self.covered_size(size) == tuple(size)

    def covered_size(self, size: Sequence[int], head: nn.Module | None = None) -> tuple[int, int]:
        """Return the (height, width) that the logits of an input of ``size`` cover, from the top left.

        Example: at stride 8, an image of 361 rows has logits of 46 rows, which cover 368. Stretched to 361, each would
        lie elsewhere than in a training crop, whose sides are multiples of 8.

        Args:
            head: the one that computes them; None is the head of the predictions.
        """
        height, width = size
        if self.align_corners:
            return self.padded_size(size)
        stride = getattr(self.head if head is None else head, "stride", None) or 1
        return height + -height % stride, width + -width % stride

    def padded_size(self, size: Sequence[int]) -> tuple[int, int]:
        """Return the (height, width) that an input of ``size`` is padded to, at the bottom and on the right."""
        height, width = size
        if not self.align_corners:
            return height, width
        stride = self.backbone.taps["c5"].stride
        return height + (1 - height) % stride, width + (1 - width) % stride

    def coarse_logits(self, inputs: Tensor) -> Tensor:
        """[N, 3, H, W] normalized -> logits [N, K, h, w] of the padded input, at the head's own resolution."""
        logits: Tensor = self.head(self.features(inputs))
        return logits

    def features(self, inputs: Tensor) -> Mapping[str, Tensor]:
        """[N, 3, H, W] normalized -> the backbone's taps of the padded input, by name."""
        (height, width), (padded_height, padded_width) = inputs.shape[-2:], self.padded_size(inputs.shape[-2:])
        if (padded_height, padded_width) != (height, width):
            inputs = F.pad(inputs, (0, padded_width - width, 0, padded_height - height))
        return compute_taps(self.backbone, inputs)

    def upsample(self, logits: Tensor, factor: int) -> Tensor:
        """Upsample ``coarse_logits`` by a factor; the corner cells stay where they are."""
        if self.align_corners:
            return _resize(logits, [factor * (side - 1) + 1 for side in logits.shape[-2:]], align_corners=True)
        return _resize(logits, [factor * side for side in logits.shape[-2:]])

    def upsample_to(self, logits: Tensor, size: Sequence[int], head: nn.Module | None = None) -> Tensor:
        """Upsample a head's logits of an input of ``size`` to that size: [N, K, h, w] -> [N, K, H, W].

        See ``covered_size``.
        """
        return cut(_resize(logits, self.covered_size(size, head), align_corners=self.align_corners), size)

    def parts(self) -> dict[str, Sequence[nn.Module]]:
        """Name the modules that an int8 export can leave in float."""
        predictors = getattr(self.head, "class_layers", [])
        return {**network_parts(self.backbone), "head": [self.head], "predictors": predictors}


def _resize(logits: Tensor, size: Sequence[int], *, align_corners: bool = False) -> Tensor:
    if logits.shape[-2:] == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=align_corners)


def _init_convolutions(modules: Iterable[nn.Module]) -> None:
    for module in modules:
        if not isinstance(module, nn.Conv2d):
            continue
        if module.bias is None:  # a batch norm follows
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        else:  # gates and classifiers: start with outputs no larger than their inputs
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="linear")
            nn.init.zeros_(module.bias)
