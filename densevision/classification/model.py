"""The classifier: backbone, pooling and head wired to mmengine's three modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.structures import LabelData
from torch import Tensor, nn

from densevision.backbones import (
    BackboneSpec,
    Classifier,
    build_backbone,
    compute_taps,
    keep_frozen,
    modules_to_initialize,
    network_parts,
    set_momentum,
)
from densevision.backbones.freeze import freeze
from densevision.backbones.tables import find_backbone
from densevision.data.normalize import Normalize
from densevision.data.samples import ClsSample
from densevision.registry import MODELS
from densevision.structures import check_range

_LINEAR_STD = 0.01


@MODELS.register_module()
class ImageClassifier(BaseModel):
    """Name what an image as a whole shows.

    Args:
        backbone: arguments of ``build_backbone`` without ``output_stride`` and ``reduced_tail``. A table also gives
            the layer after the pooling, see ``Classifier``; any other backbone is followed by the class layer alone.
        num_classes: K; in a config None stands for the number of classes of the training data.
        input_size: (height, width) in pixels; every image is resized to it.
        center_crop: share of the shorter side that is kept where the model predicts, 0.875 for ImageNet; None takes the
            whole image, whose aspect ratio changes.
        dropout: share of activations dropped before the class layer.
        label_smoothing: share of the target that is spread evenly over all classes.
        bn_momentum: weight of a new batch in the running statistics (1 - TensorFlow's decay 0.99).
        data_preprocessor: default ``Normalize``.
    Attributes:
        task: name in ``densevision.task.TASKS``.
        reads: argument -> what takes the items of that dict, so that a config can be checked.
        background_columns: number of output channels of a class layer in addition to those of the K classes.
    Source: paper section 6.1.
    """

    task = "classification"
    background_columns = 0
    reads = dict(backbone=build_backbone)

    def __init__(
        self,
        backbone: dict,
        num_classes: int,
        input_size: tuple[int, int] = (224, 224),
        center_crop: float | None = None,
        dropout: float = 0.2,
        label_smoothing: float = 0.0,
        bn_momentum: float = 0.01,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor or dict(type=Normalize))
        check_range("model.dropout", dropout, low=0, high=0.99)
        check_range("model.label_smoothing", label_smoothing, low=0, high=0.99)
        if center_crop is not None:
            check_range("model.center_crop", center_crop, low=0, high=1, with_low=False)
        self.num_classes, self.label_smoothing = num_classes, label_smoothing
        self.input_size, self.center_crop = (input_size[0], input_size[1]), center_crop
        self.backbone, self.head = build_network(backbone, num_classes, dropout)
        set_momentum(self, bn_momentum)
        for module in modules_to_initialize(self):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=_LINEAR_STD)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        self.to(memory_format=torch.channels_last)

    def forward(
        self, inputs: Tensor, data_samples: Sequence[ClsSample] | None = None, mode: str = "tensor"
    ) -> Tensor | dict[str, Tensor] | list[ClsSample]:
        """Dispatch to one of mmengine's modes.

        Args:
            inputs: [N, 3, H, W] float, normalized.
            data_samples: N samples; not needed by mode "tensor".
            mode: "tensor" gives logits [N, K]; "loss" a dict; "predict" the samples with ``pred``.
        """
        if mode == "tensor":
            return self.logits(inputs)
        if mode == "loss":
            return self.loss(inputs, data_samples or ())
        if mode == "predict":
            return self.predict(inputs, data_samples or ())
        raise ValueError(f"mode is {mode!r}; it is 'tensor', 'loss' or 'predict'")

    def logits(self, inputs: Tensor) -> Tensor:
        """[N, 3, H, W] normalized -> logits [N, K]."""
        logits: Tensor = self.head(compute_taps(self.backbone, inputs)["c5"].mean((2, 3)))
        return logits

    def loss(self, inputs: Tensor, data_samples: Sequence[ClsSample]) -> dict[str, Tensor]:
        """Return ``loss_cls``, the cross-entropy with smoothed labels."""
        return self.val_loss(self.logits(inputs), data_samples)

    def val_loss(self, outputs: Tensor, samples: Sequence[ClsSample]) -> dict[str, Tensor]:
        """Return ``loss_cls`` for the logits [N, K]."""
        target = torch.cat([sample.gt.label for sample in samples])  # [N]
        return dict(loss_cls=F.cross_entropy(outputs.float(), target, label_smoothing=self.label_smoothing))

    def predict(self, inputs: Tensor, data_samples: Sequence[ClsSample]) -> list[ClsSample]:
        """Fill ``pred.score`` [K] of each sample."""
        for scores, sample in zip(self.scores(inputs), data_samples, strict=True):
            sample.pred = LabelData(score=scores)
        return list(data_samples)

    def scores(self, inputs: Tensor) -> Tensor:
        """[N, 3, H, W] normalized -> scores [N, K] in 0..1, which sum to 1."""
        return self.logits(inputs).float().softmax(-1)

    def train(self, mode: bool = True) -> ImageClassifier:
        """Switch to training or evaluation mode; the frozen modules of the backbone stay in evaluation mode."""
        super().train(mode)
        keep_frozen(self.backbone)
        return self

    def parts(self) -> dict[str, Sequence[nn.Module]]:
        """Name the modules that an int8 export can leave in float; the pooling belongs to the head."""
        return {"head": [self], **network_parts(self.backbone), "predictors": self.head.class_layers}


class ClassificationHead(nn.Sequential):
    """What follows the pooling: [N, C] -> logits [N, K].

    Attributes:
        class_layers: the layers with one output channel per class.
    """

    @property
    def class_layers(self) -> list[nn.Module]:
        return [self[-1]]


def build_network(backbone: dict[str, Any], num_classes: int, dropout: float) -> tuple[Any, ClassificationHead]:
    """Build a backbone and the head that fits it; the tensors have the names of a ``Classifier``."""
    settings = dict(backbone)
    if not isinstance(find_backbone(settings["name"]), BackboneSpec):
        network = build_backbone(**settings)
        layers = [nn.Dropout(dropout), nn.Linear(network.taps["c5"].channels, num_classes)]
        return network, ClassificationHead(*layers)
    stages = settings.pop("frozen_stages", 0)
    norm_statistics = settings.pop("freeze_norm_statistics", False)
    whole = Classifier(settings.pop("name"), num_classes=num_classes, dropout=dropout, **settings)
    freeze(whole.backbone, stages, norm_statistics=norm_statistics)
    return whole.backbone, ClassificationHead(*whole.head)
