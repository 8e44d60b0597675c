"""The graph that goes into a .tflite: pixels in, the answer out, made from a trained model's own parts."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.ops import box_convert

from densevision.backbones.layers import ConvNormAct
from densevision.data.normalize import Normalize
from densevision.detection.loss import FocalLoss
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.segmentation.model import Segmentor

InputType = Literal["uint8", "float32"]
_YXHW = (1, 0, 3, 2)  # from (x, y, w, h), and back


def is_plain(normalize: Normalize) -> bool:
    """Whether a normalisation maps 0..255 to -1..1."""
    return bool((normalize.mean == 127.5).all() and (normalize.std == 127.5).all())


class Pixels(nn.Module):
    """[1, H, W, 3] RGB, uint8 or float32 in -1..1, -> [1, 3, H, W] float32 as the network wants it.

    Raises:
        UserError: float32 pixels, and a model that wants another range than -1..1; or another preprocessor.
    """

    def __init__(self, normalize: Normalize, input_type: InputType):
        super().__init__()
        if not isinstance(normalize, Normalize):
            raise UserError(f"{type(normalize).__name__} can't be exported: only Normalize goes into the file")
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
    Raises:
        UserError: the model's head is not built as ``SSDLiteHead``.
    """

    def __init__(self, model: SSDLite, input_type: InputType = "uint8", *, decode: bool = False):
        super().__init__()
        self.pixels = Pixels(model.data_preprocessor, input_type)
        self.model = frozen(model)
        self.decode = decode
        try:
            _shift_first(self.model)
            self.scores = self.model.loss_cls.scores
            if type(self.model.loss_cls) is FocalLoss:
                _drop_background(self.model)
                self.scores = torch.sigmoid
        except (AttributeError, TypeError, IndexError, RuntimeError) as error:
            raise UserError(
                f"{type(model.head).__name__} can't be exported: it is not built like SSDLiteHead ({error})"
            ) from error
        height, width = model.input_size
        corners = model.anchors[:, _YXHW] / model.anchors.new_tensor([height, width] * 2)
        self.register_buffer("corners", corners)  # (ymin, xmin, ymax, xmax); the coder treats both axes alike
        self.coder = replace(model.coder, weights=[model.coder.weights[i] for i in _YXHW])

    @property
    def anchors(self) -> Tensor:
        return box_convert(self.corners, "xyxy", "cxcywh")

    @property
    def scales(self) -> tuple[float, ...]:
        return self.coder.weights

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Compute boxes and scores.

        Args:
            image: [1, H, W, 3], see ``Pixels``.
        Returns:
            [1, A, 4] encodings (y, x, height, width), or decoded (ymin, xmin, ymax, xmax) in fractions of the
            image, not clipped; and [1, A, K] scores in 0..1.
        """
        logits, encodings = self.model.raw(self.pixels(image))
        boxes = self.coder.decode(encodings, self.corners) if self.decode else encodings
        return boxes, self.scores(logits)


def swap_xy(boxes: Tensor) -> Tensor:
    """[..., 4] encodings (y, x, height, width) or boxes (ymin, xmin, ymax, xmax) -> x first, and back."""
    return boxes[..., _YXHW]


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
    """A segmenter up to a label map or to logits, by the methods of ``Segmentor``.

    Args:
        model: is copied, not changed.
        input_type: of the pixels.
        labels: "argmax" or "logits".
        upsample: enlarges the logits so many times, bilinear; None makes them as large as the image.
    """

    def __init__(
        self,
        model: Segmentor,
        input_type: InputType = "uint8",
        *,
        labels: Literal["argmax", "logits"] = "argmax",
        upsample: int | None = 1,
    ):
        super().__init__()
        self.pixels = Pixels(model.data_preprocessor, input_type)
        self.model = frozen(model)
        self.labels, self.upsample = labels, upsample

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """[1, H, W, 3] pixels -> labels [1, h, w] uint8, or logits [1, h, w, K] float32."""
        logits = self.model.coarse_logits(self.pixels(image))
        if self.upsample is None:
            logits = self.model.enlarge(logits, tuple(image.shape[1:3]))
        else:
            logits = self.model.upsample(logits, self.upsample)
        logits = logits.permute(0, 2, 3, 1)
        return (logits.argmax(-1).to(torch.uint8) if self.labels == "argmax" else logits,)
