"""Class predictors: which tensors they are, and how columns pass from one list of classes to another."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

_DETECTOR = re.compile(r"head\.classify\.\d+\.1\.(weight|bias)")
_SEGMENTER = re.compile(r"head\.(high_|low_)?logits\.(weight|bias)")


def is_class_layer(name: str) -> bool:
    """Whether a tensor has one output channel a class; the detector's have one for each anchor and class."""
    return bool(_DETECTOR.fullmatch(name) or _SEGMENTER.fullmatch(name))


@dataclass(frozen=True)
class ClassColumns:
    """Two lists of class names, each in label order; ``theirs`` is empty where the weights name none."""

    theirs: tuple[str, ...]
    ours: tuple[str, ...]

    @property
    def differ(self) -> bool:
        """Whether the weights are known to be of other classes."""
        return bool(self.theirs) and self.theirs != self.ours

    @property
    def shared(self) -> list[str]:
        """Names that both have, in our order."""
        return [name for name in self.ours if name in self.theirs]

    def fill(self, name: str, tensor: Tensor, given: Tensor) -> Tensor:
        """Copy the columns of the shared classes, the detector's background among them.

        Args:
            name: of the tensor.
            tensor: ours, [anchors * columns, ...]; K + 1 columns in a detector, K in a segmenter.
            given: theirs.
        Returns:
            Ours with the copied columns; ours as it is where the rest of the shapes differs.
        """
        background = 1 if _DETECTOR.fullmatch(name) else 0
        anchors = len(tensor) // (len(self.ours) + background)
        if len(given) != anchors * (len(self.theirs) + background) or given.shape[1:] != tensor.shape[1:]:
            return tensor
        new = tensor.clone().unflatten(0, (anchors, -1))  # [anchors, columns, ...]
        old = given.unflatten(0, (anchors, -1))
        pairs = [(self.ours.index(n) + background, self.theirs.index(n) + background) for n in self.shared]
        for here, there in pairs + [(0, 0)] * background:
            new[:, here] = old[:, there]
        return new.flatten(0, 1)
