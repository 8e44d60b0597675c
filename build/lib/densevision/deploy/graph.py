"""The graph that goes into a .tflite: pixels in, the answer out, made from a trained model's own parts."""

from __future__ import annotations

import copy
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.ops import box_convert

from densevision.backbones.layers import ConvNormAct
from densevision.detection.loss import FocalLoss
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.preprocess import Normalize
from densevision.segmentation.model import Segmentor

InputType = Literal["uint8", "float32"]
_YXHW = (1, 0, 3, 2)  # from (x, y, w, h), and back


def is_plain(normalize: Normalize) -> bool:
    """Whether a normalisation maps 0..255 to -1..1."""
    return bool((normalize.mean == 127.5).all() and (normalize.std == 127.5).all())


class Pixels(nn.Module):
    """[1, H, W, 3] RGB, uint8 or float32 in -1..1, -> [1, 3, H, W] float32 as the network wants it.

    Raises:
        UserError: float32 pixels, and a model that wants another range than -1..1.
    """

    def __init__(self, normalize: Normalize, input_type: InputType):
        super().__init__()
        if input_type == "float32" and not is_plain(normalize):
            raise UserError("float32 pixels run from -1 to 1, which this model does not take; use --input uint8")
        self.uint8 = input_type == "uint8"
        mean, std = normalize.mean.flatten(), normalize.std.flatten()
        if len(mean.unique()) == len(std.unique()) == 1:  # a scalar costs less than a row
            mean, std = mean[:1], std[:1]
        self.register_buffer("scale", 1 / std)
        self.register_buffer("shift", mean / std)

    def forward(self, image: Tensor) -> Tensor:
        if self.uint8:
            image = image.float() * self.scale - self.shift
        return image.permute(0, 3, 1, 2)


def frozen(model: nn.Module) -> nn.Module:
    """Copy a model for inference, its batch norms folded into their convolutions: fewer nodes to convert."""
    model = copy.deepcopy(model).eval().requires_grad_(False)
    for layer in model.modules():
        if isinstance(layer, ConvNormAct):
            layer[0], layer[1] = fuse_conv_bn_eval(layer[0], layer[1]), nn.Identity()
    return model


class DetectionGraph(nn.Module):
    """A detector up to what ``TFLite_Detection_PostProcess`` takes, or up to decoded boxes.

    Args:
        model: is copied, not changed.
        input_type: of the pixels.
        decode: give boxes instead of encodings.
    Attributes:
        anchors: [A, 4] float32 (y, x, height, width) of the anchors, in fractions of the image.
        scales: the encodings' (y, x, height, width) scales.
    """

    def __init__(self, model: SSDLite, input_type: InputType = "uint8", *, decode: bool = False):
        super().__init__()
        self.pixels = Pixels(model.data_preprocessor, input_type)
        self.model = frozen(model)
        self.decode = decode
        _shift_first(self.model)
        self.scores = self.model.loss_cls.scores
        if isinstance(self.model.loss_cls, FocalLoss):
            _drop_background(self.model)
            self.scores = torch.sigmoid
        height, width = model.input_size
        anchors = box_convert(model.anchors, "xyxy", "cxcywh")[:, _YXHW]
        self.register_buffer("anchors", anchors / anchors.new_tensor([height, width, height, width]))
        self.scales = tuple(model.coder.weights[i] for i in _YXHW)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Compute boxes and scores.

        Args:
            image: [1, H, W, 3], see ``Pixels``.
        Returns:
            [1, A, 4] encodings (y, x, height, width), or decoded (ymin, xmin, ymax, xmax) in fractions of the
            image, not clipped; and [1, A, K] scores in 0..1.
        """
        logits, encodings = self.model.raw(self.pixels(image))
        boxes = decode_boxes(encodings, self.anchors, self.scales) if self.decode else encodings
        return boxes, self.scores(logits)


def decode_boxes(encodings: Tensor, anchors: Tensor, scales: tuple[float, float, float, float]) -> Tensor:
    """[..., A, 4] encodings (y, x, h, w), [A, 4] anchors likewise -> [..., A, 4] (ymin, xmin, ymax, xmax).

    Source: TFLite's detection_postprocess.cc. The op has no limit on the size ratio, so there is none here.
    """
    y_scale, x_scale, h_scale, w_scale = scales
    shift = encodings[..., :2] * (anchors[:, 2:] / anchors.new_tensor([y_scale, x_scale]))
    centre = shift + anchors[:, :2]
    half = (encodings[..., 2:] * (1 / anchors.new_tensor([h_scale, w_scale]))).exp() * (anchors[:, 2:] / 2)
    return torch.cat([centre - half, centre + half], dim=-1)


def _shift_first(model: SSDLite) -> None:
    """Let the box predictors give (y, x, h, w), by the order of their rows: exact and free."""
    for predictor in model.head.regress:
        rows = torch.arange(predictor[-1].out_channels).view(-1, 4)[:, _YXHW].flatten()
        _keep_rows(predictor[-1], rows)


def _drop_background(model: SSDLite) -> None:
    """A sigmoid's foreground scores do not look at the background column, so it need not be computed."""
    columns = model.head.columns
    for predictor in model.head.classify:
        _keep_rows(predictor[-1], torch.arange(predictor[-1].out_channels).view(-1, columns)[:, 1:].flatten())
    model.head.columns = columns - 1


def _keep_rows(conv: nn.Conv2d, rows: Tensor) -> None:
    conv.weight = nn.Parameter(conv.weight.detach()[rows].clone(), requires_grad=False)
    conv.bias = nn.Parameter(conv.bias.detach()[rows].clone(), requires_grad=False)
    conv.out_channels = len(rows)


class SegmentationGraph(nn.Module):
    """A segmenter up to a label map or to logits.

    Args:
        model: is copied, not changed.
        input_type: of the pixels.
        labels: "argmax" or "logits".
        upsample: enlarges the logits so many times, bilinear; None makes them as large as the image.
    """

    def __init__(self, model: Segmentor, input_type: InputType = "uint8", *,
                 labels: Literal["argmax", "logits"] = "argmax", upsample: int | None = 1):
        super().__init__()
        self.pixels = Pixels(model.data_preprocessor, input_type)
        self.model = frozen(model)
        self.labels, self.upsample = labels, upsample

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """[1, H, W, 3] pixels -> labels [1, h, w] uint8, or logits [1, h, w, K] float32."""
        logits = self.model.head(self.model.backbone(self.pixels(image)))
        size = image.shape[1:3] if self.upsample is None else [self.upsample * side for side in logits.shape[-2:]]
        if tuple(size) != tuple(logits.shape[-2:]):
            logits = F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)
        logits = logits.permute(0, 2, 3, 1)
        return (logits.argmax(-1).to(torch.uint8) if self.labels == "argmax" else logits,)
