"""What computes a model's outputs for one image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Backend(Protocol):
    """A network with its preprocessing."""

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) that an image must have; None accepts any size."""
        ...

    @property
    def lowest_score(self) -> float:
        """A detector gives no scores below this."""
        ...

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, ...]:
        """Compute the outputs.

        Args:
            image: [1, H, W, 3] uint8 RGB, or float32 in 0..255 where the predictor resizes so.
        Returns:
            A detector gives boxes [1, A, 4] float32 xyxy in input pixels, clipped or not, and scores [1, A, K] in 0..1;
            a segmentation model gives logits [1, h, w, K] float32, or labels [1, h, w] uint8; a classifier gives
            scores [1, K] float32 in 0..1.
        """
        ...


class TorchBackend:
    """Run a PyTorch model.

    Args:
        outputs: maps normalized images [1, 3, H, W] to what ``Backend`` returns.
        normalize: maps pixels [1, 3, H, W] in 0..255 to normalized images; the model's own preprocessing.
        input_size: as in ``Backend``.
        device: where the model is.
    """

    lowest_score = 0.0

    def __init__(
        self,
        outputs: Callable[[Tensor], tuple[Tensor, ...]],
        normalize: Callable[[Tensor], Tensor],
        input_size: tuple[int, int] | None,
        device: str = "cpu",
    ):
        self.input_size = input_size
        self._outputs = outputs
        self._normalize = normalize
        self._device = device

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, ...]:
        """Compute the outputs, see ``Backend``."""
        pixels = torch.from_numpy(image if image.flags.writeable else image.copy()).to(self._device).permute(0, 3, 1, 2)
        outputs = self._outputs(self._normalize(pixels))
        return tuple(output.float().cpu().numpy() for output in outputs)
