"""Plain result types that need neither mmengine nor a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class Detections:
    """The objects found in one image, by falling score.

    Attributes:
        boxes: [D, 4] float32, xyxy in pixels.
        scores: [D] float32 in 0..1.
        labels: [D] int64 in 0..K-1.
    All three are tensors, or all three are NumPy arrays.
    """

    boxes: Tensor | np.ndarray
    scores: Tensor | np.ndarray
    labels: Tensor | np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def numpy(self) -> Detections:
        """Return the same detections as NumPy arrays; the receiver holds tensors."""
        return Detections(*(field.cpu().numpy() for field in (self.boxes, self.scores, self.labels)))
