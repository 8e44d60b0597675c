"""SSDLite: backbone, extra maps, head, anchors, loss and post-processing wired together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from densevision.backbones import (
    Backbone,
    Taps,
    build_backbone,
    compute_taps,
    keep_frozen,
    modules_to_initialize,
    network_parts,
    set_momentum,
)
from densevision.data.normalize import Normalize
from densevision.data.samples import DetSample
from densevision.detection.anchors import anchor_shapes, cell_sizes, place_anchors
from densevision.detection.assigners import AnchorGrid, DynamicAssigner, paired_iou
from densevision.detection.box_coder import BoxCoder
from densevision.detection.distillation import AnchorDistillation
from densevision.detection.head import ExtraLayers, SSDLiteHead
from densevision.detection.loss import FocalLoss, IoULoss, QualityFocalLoss, SoftmaxLoss, box_loss
from densevision.detection.matcher import assign_targets
from densevision.detection.postprocess import PostProcess, select_detections
from densevision.errors import UserError
from densevision.registry import MODELS
from densevision.structures import Detections, check_range, check_whole

_INIT_STD = 0.03

_LOSSES = (FocalLoss, SoftmaxLoss, QualityFocalLoss, IoULoss, AnchorDistillation)
for _part in (*_LOSSES, DynamicAssigner, ExtraLayers, SSDLiteHead):
    MODELS.register_module(module=_part)


@MODELS.register_module()
class SSDLite(BaseModel):
    """Single-shot detector on C4, C5 and extra maps.

    Args:
        backbone: arguments of ``build_backbone``.
        num_classes: K, foreground classes.
        input_size: (height, width) in pixels; every image is resized to it.
        anchors: arguments of ``anchor_shapes``.
        anchor_side: pixels that the scales of the anchors are fractions of; None: the short side of ``input_size``. A
            trained detector that is evaluated or exported at another size has that of its training.
        loss: config of ``FocalLoss``, ``SoftmaxLoss`` or ``QualityFocalLoss``.
        coder: arguments of ``BoxCoder``.
        match_threshold: an anchor matches a box at this IoU or more; above 0, at most 1.
        postprocess: arguments of ``PostProcess``.
        bn_momentum: weight of a new batch in the running statistics (1 - TensorFlow's decay 0.97).
        data_preprocessor: default ``Normalize``.
        head: ``type``, default SSDLiteHead, and options; see ``DetectionHead``.
        extra: ``type``, default ExtraLayers, and options; see there. ``width`` and ``padding`` are those of a backbone
            made from a table, where they are not given.
        box_loss: config of ``IoULoss``; default smooth L1 with the ``box_weight`` of ``loss``.
        assigner: config of ``DynamicAssigner``; default ``assign_targets`` with ``match_threshold``.
    Attributes:
        task: name in ``densevision.task.TASKS``.
        reads: argument -> what takes the items of that dict, so that a config can be checked.
        background_columns: number of output channels of a class layer, per anchor, in addition to the K classes.
        distillation: the loss of a config's ``teacher`` that names none.
        teacher: returns the losses against a teacher; the training sets it while it runs.
    Source: paper section 6.3; the authors' ssdlite_mobilenet_v3_{large,small}_320x320_coco.
    """

    task = "detection"
    background_columns = 1
    reads = dict(backbone=build_backbone, anchors=anchor_shapes, coder=BoxCoder, postprocess=PostProcess)
    distillation = AnchorDistillation
    teacher: Callable[[SSDLite, Tensor, tuple[Tensor, Tensor], Sequence[DetSample]], dict[str, Tensor]] | None = None

    def __init__(
        self,
        backbone: dict,
        num_classes: int,
        input_size: tuple[int, int] = (320, 320),
        anchors: dict | None = None,
        loss: dict | None = None,
        coder: dict | None = None,
        match_threshold: float = 0.5,
        postprocess: dict | None = None,
        bn_momentum: float = 0.03,
        data_preprocessor: dict | None = None,
        head: dict | None = None,
        extra: dict | None = None,
        box_loss: dict | None = None,
        assigner: dict | None = None,
        anchor_side: int | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor or dict(type=Normalize))
        self.input_size = (input_size[0], input_size[1])
        self.num_classes = num_classes
        self.coder = BoxCoder(**(coder or {}))
        check_range("model.match_threshold", match_threshold, low=0, high=1, with_low=False)
        self.match_threshold = match_threshold
        if assigner is not None and match_threshold != 0.5:
            raise UserError("model.match_threshold has no effect with an assigner; leave one of them out")
        self.loss_cls = MODELS.build(loss or dict(type=FocalLoss))
        self.loss_box = None if box_loss is None else MODELS.build(box_loss)
        self.assigner = None if assigner is None else MODELS.build(assigner)
        for key, part, kind in (("box_loss", self.loss_box, IoULoss), ("assigner", self.assigner, DynamicAssigner)):
            if part is not None and not isinstance(part, kind):
                raise UserError(f"model.{key} is {type(part).__name__}; give {kind.__name__} or a subclass")
        if not hasattr(self.loss_cls, "prior_logit"):
            raise UserError(f"model.loss is {type(self.loss_cls).__name__}, no loss of classes; give FocalLoss")
        self.postprocess = PostProcess(**(postprocess or {}))
        shapes = anchor_shapes(**(anchors or {}))
        self.backbone = build_backbone(**backbone)
        taps = Taps(self.backbone.taps)
        c4, c5 = taps["c4"], taps["c5"]
        defaults: dict = dict(type=ExtraLayers, width=1.0, padding="symmetric")
        if isinstance(self.backbone, Backbone):
            defaults.update(width=min(1.0, backbone.get("width", 1.0)), padding=self.backbone.padding)
        self.extra = MODELS.build({**defaults, **(extra or {}), "in_channels": c5.channels})
        channels = [c4.channels, c5.channels, *self.extra.out_channels]
        if len(channels) != len(shapes):
            raise ValueError(f"model.anchors has scales for {len(shapes)} feature maps, the model has {len(channels)}")
        anchors_per_cell = [len(map_shapes) for map_shapes in shapes]
        head = dict(head or dict(type=SSDLiteHead), in_channels=channels, num_anchors=anchors_per_cell)
        self.head = MODELS.build(dict(head, num_classes=num_classes))
        strides = c4.stride, c5.stride
        sizes = feature_sizes(self.input_size, strides, len(self.extra.out_channels))
        if anchor_side is not None:
            check_whole("model.anchor_side", anchor_side, low=1)
        anchor_boxes = place_anchors(shapes, sizes, self.input_size, strides, anchor_side)
        self.register_buffer("anchors", anchor_boxes, persistent=False)
        if self.assigner is not None:
            self._cells = cell_sizes(shapes, sizes, self.input_size, strides)  # no buffer: it would be exported
        self._initialize(bn_momentum)
        self.to(memory_format=torch.channels_last)

    def _initialize(self, bn_momentum: float) -> None:
        """Normal(0, 0.03) as in the authors' configuration, class biases that predict background.

        Departs: the background column starts at +4.6, not -4.6, so that 2000 background anchors are not all
        wrong in the first steps.
        """
        set_momentum(self, bn_momentum)
        for module in modules_to_initialize(self):
            if isinstance(module, nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=_INIT_STD, a=-2 * _INIT_STD, b=2 * _INIT_STD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        prior = self.loss_cls.prior_logit
        for layer in getattr(self.head, "class_layers", []):
            if layer.bias is None or len(layer.bias) % (self.num_classes + 1):
                name = f"{type(self.head).__name__}.class_layers"
                raise ValueError(f"{name}: each needs a bias, and anchors x {self.num_classes + 1} output channels")
            with torch.no_grad():
                columns = layer.bias.view(-1, self.num_classes + 1)
                columns.fill_(-prior)
                columns[:, 0] = prior

    def forward(
        self, inputs: Tensor, data_samples: Sequence[DetSample] | None = None, mode: str = "tensor"
    ) -> tuple[Tensor, Tensor] | dict[str, Tensor] | Sequence[DetSample]:
        """Dispatch: "tensor" -> (logits, deltas); "loss" -> dict; "predict" -> samples with ``pred``."""
        if mode == "loss":
            return self.loss(inputs, data_samples or ())
        if mode == "predict":
            return self.predict(inputs, data_samples or ())
        return self.forward_head(inputs)

    def train(self, mode: bool = True) -> SSDLite:
        """Switch to training or evaluation mode; the frozen modules of the backbone stay in evaluation mode."""
        super().train(mode)
        keep_frozen(self.backbone)
        return self

    def parts(self) -> dict[str, Sequence[nn.Module]]:
        """Name the modules that an int8 export can leave in float; "io": the reshapes that join the maps' outputs."""
        predictors = [*getattr(self.head, "class_layers", []), *getattr(self.head, "box_layers", [])]
        layers = [module for module in self.head.modules() if module is not self.head]
        parts = {"extra": [self.extra], "io": [self.head], "head": layers, "predictors": predictors}
        return {**network_parts(self.backbone), **parts}

    def forward_head(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, *input_size] normalized -> logits [N, A, K+1], deltas [N, A, 4].

        Raises:
            ValueError: the images have another size than ``input_size``.
            UserError: backbone or head return something else than they state.
        """
        if tuple(images.shape[-2:]) != self.input_size:
            raise ValueError(f"images are {tuple(images.shape[-2:])}, the model's input_size is {self.input_size}")
        features = compute_taps(self.backbone, images)
        logits, deltas = self.head([features["c4"], features["c5"], *self.extra(features["c5"])])
        if not logits.shape[1] == deltas.shape[1] == len(self.anchors):
            raise UserError(
                f"{type(self.head).__name__} returns logits of {logits.shape[1]} and deltas of {deltas.shape[1]} "
                f"anchors, the model has {len(self.anchors)}; check the head, and the maps' sizes: each side is "
                "that of the image divided by the stride, rounded up"
            )
        return logits, deltas

    def loss(self, images: Tensor, samples: Sequence[DetSample]) -> dict[str, Tensor]:
        """Return ``loss_cls`` and ``loss_box`` per matched anchor, over all processes, and those of a teacher."""
        outputs = self.forward_head(images)
        losses = self._losses(*outputs, samples, together=True)
        return losses if self.teacher is None else losses | self.teacher(self, images, outputs, samples)

    def val_loss(self, outputs: tuple[Tensor, Tensor], samples: Sequence[DetSample]) -> dict[str, Tensor]:
        """Return what ``loss`` returns for what the head has returned, in this process alone."""
        return self._losses(*outputs, samples, together=False)

    def _losses(
        self, logits: Tensor, deltas: Tensor, samples: Sequence[DetSample], *, together: bool
    ) -> dict[str, Tensor]:
        logits, deltas = logits.float(), deltas.float()
        columns, target_deltas, quality = self._targets(logits, deltas, samples)
        matched = (columns > 0).sum().float() if quality is None else quality.sum()
        if together:
            all_reduce(matched, op="mean")
        matched = matched.clamp(min=1 / get_world_size() if together else 1)
        classes = (logits, columns) if quality is None else (logits, columns, quality)
        return {
            "loss_cls": self.loss_cls(*classes) / matched,
            "loss_box": self.box_loss(deltas, target_deltas, columns, quality) / matched,
        }

    def _targets(
        self, logits: Tensor, deltas: Tensor, samples: Sequence[DetSample]
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return logit columns [N, A], deltas [N, A, 4], and [N, A] quality, 0 for background, if the loss uses it."""
        boxes, labels = [sample.gt.boxes for sample in samples], [sample.gt.labels for sample in samples]
        if self.assigner is None:
            columns, targets = assign_targets(self.anchors, boxes, labels, self.coder, self.match_threshold)
        else:
            grid = AnchorGrid(self.anchors, self._cells_on(self.anchors.device), self.coder)
            columns, targets = self.assigner((logits, deltas), boxes, labels, grid)
        if not getattr(self.loss_cls, "uses_quality", False):
            return columns, targets, None
        with torch.no_grad():
            found, wanted = (self.coder.decode(each, self.anchors) for each in (deltas, targets))
            return columns, targets, torch.where(columns > 0, paired_iou(found, wanted), 0.0)

    def _cells_on(self, device: torch.device) -> Tensor:
        if self._cells.device != device:
            self._cells = self._cells.to(device)  # once: each copy waits for the device
        return self._cells

    def box_loss(self, deltas: Tensor, targets: Tensor, columns: Tensor, quality: Tensor | None) -> Tensor:
        """Sum the weighted box loss of the anchors whose column is over 0; see ``detection.loss.box_loss``."""
        if self.loss_box is None:
            return self.loss_cls.box_weight * box_loss(deltas, targets, columns, quality)
        positive = columns > 0
        found, wanted = (self.coder.decode(each, self.anchors) for each in (deltas, targets))
        found = torch.where(positive[..., None], found, wanted)  # whatever the gradient of the other anchors were
        weights = positive.to(deltas) if quality is None else torch.where(positive, quality, 0.0)
        return self.loss_box.weight * self.loss_box(found, wanted, weights)

    def predict_dense(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, *input_size] normalized -> boxes [N, A, 4] in input pixels and scores [N, A, K].

        Boxes are clipped to the image, unless ``PostProcess.clip_first`` is False.
        """
        logits, deltas = self.forward_head(images)
        return self.decode(deltas), self.loss_cls.scores(logits.float())

    def decode(self, deltas: Tensor) -> Tensor:
        """[N, A, 4] deltas -> boxes as ``predict_dense`` gives them."""
        boxes = self.coder.decode(deltas.float(), self.anchors)
        return clip_boxes_to_image(boxes, self.input_size) if self.postprocess.clip_first else boxes

    def detect(self, images: Tensor) -> list[Detections]:
        """[N, 3, *input_size] normalized -> one ``Detections`` per image, boxes in input pixels, clipped."""
        return [self.select(boxes, scores) for boxes, scores in zip(*self.predict_dense(images), strict=True)]

    def select(self, boxes: Tensor, scores: Tensor) -> Detections:
        """[A, 4] boxes and [A, K] scores of one image -> its detections, boxes clipped to the image."""
        found = select_detections(boxes, scores, self.postprocess)
        return replace(found, boxes=clip_boxes_to_image(found.boxes, self.input_size))

    def predict(self, images: Tensor, samples: Sequence[DetSample]) -> Sequence[DetSample]:
        """Fill ``pred`` of each sample, boxes in pixels of the original image."""
        for sample, found in zip(samples, self.detect(images), strict=True):
            (height, width), (input_height, input_width) = sample.ori_size, self.input_size
            scale = images.new_tensor([width / input_width, height / input_height] * 2)
            sample.pred = InstanceData(boxes=found.boxes * scale, scores=found.scores, labels=found.labels)
        return samples


def feature_sizes(input_size: tuple[int, int], strides: Sequence[int], extras: int) -> list[tuple[int, int]]:
    """(height, width) of the map of each stride, then of ``extras`` maps that halve the last, rounded up."""
    sizes = [(ceil(input_size[0] / stride), ceil(input_size[1] / stride)) for stride in strides]
    for _ in range(extras):
        sizes.append((ceil(sizes[-1][0] / 2), ceil(sizes[-1][1] / 2)))
    return sizes
