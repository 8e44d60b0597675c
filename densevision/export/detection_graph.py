"""The graph of a detector: pixels in, boxes and scores out, made from the trained model's own parts."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert

from densevision.detection.loss import FocalLoss, QualityFocalLoss
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.export.graph import InputType, Pixels, frozen

_YXHW = (1, 0, 3, 2)  # from (x, y, w, h), and back


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
        UserError: the model's head lacks an attribute of ``DetectionHead``.
    """

    corners: Tensor

    def __init__(self, model: SSDLite, input_type: InputType = "uint8", *, decode: bool = False):
        super().__init__()
        self.pixels = Pixels(model.data_preprocessor, input_type)
        self.model = frozen(model)
        self.decode = decode
        try:
            _shift_first(self.model)
            self.scores = self.model.loss_cls.scores
            if type(self.model.loss_cls) in (FocalLoss, QualityFocalLoss):
                _drop_background(self.model)
                self.scores = torch.sigmoid
        except (AttributeError, TypeError, IndexError, RuntimeError) as error:
            raise UserError(f"{type(model.head).__name__} can't be exported, see DetectionHead: {error}") from error
        height, width = model.input_size
        corners = model.anchors[:, _YXHW] / model.anchors.new_tensor([height, width] * 2)
        self.register_buffer("corners", corners)  # (ymin, xmin, ymax, xmax); the coder treats both axes alike
        in_x, in_y, in_width, in_height = model.coder.weights
        self.coder = replace(model.coder, weights=(in_y, in_x, in_height, in_width))

    @property
    def anchors(self) -> Tensor:
        return box_convert(self.corners, "xyxy", "cxcywh")

    @property
    def scales(self) -> tuple[float, float, float, float]:
        return self.coder.weights

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Compute boxes and scores.

        Args:
            image: [1, H, W, 3], see ``Pixels``.
        Returns:
            [1, A, 4] encodings (y, x, height, width), or decoded (ymin, xmin, ymax, xmax) in fractions of the
            image, not clipped; and [1, A, K] scores in 0..1.
        """
        logits, encodings = self.model.forward_head(self.pixels(image))
        boxes = self.coder.decode(encodings, self.corners) if self.decode else encodings
        return boxes, self.scores(logits)


def swap_xy(boxes: Tensor) -> Tensor:
    """[..., 4] encodings (y, x, height, width) or boxes (ymin, xmin, ymax, xmax) -> x first, and back."""
    return boxes[..., _YXHW]


def _shift_first(model: SSDLite) -> None:
    """Let the box predictors give (y, x, h, w), by the order of their rows: exact and free."""
    for layer in model.head.box_layers:
        _keep_rows(layer, torch.arange(layer.out_channels).view(-1, 4)[:, _YXHW].flatten())


def _drop_background(model: SSDLite) -> None:
    """A sigmoid's foreground scores do not depend on the background column, so it need not be computed."""
    columns = model.head.columns
    for layer in model.head.class_layers:
        _keep_rows(layer, torch.arange(layer.out_channels).view(-1, columns)[:, 1:].flatten())
    model.head.columns = columns - 1


def _keep_rows(conv: nn.Conv2d, rows: Tensor) -> None:
    conv.weight = nn.Parameter(conv.weight.detach()[rows].clone(), requires_grad=False)
    if conv.bias is not None:
        conv.bias = nn.Parameter(conv.bias.detach()[rows].clone(), requires_grad=False)
    conv.out_channels = len(rows)
