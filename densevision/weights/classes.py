"""Class predictors: which tensors they are, and how columns are copied between lists of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


def class_tensors(model: Any) -> set[str]:
    """Return the names of a model's tensors that have one output channel per class, a detector's per anchor too."""
    heads = (model.head, *(getattr(model, part) for part in getattr(model, "training_only", ())))
    layers = {id(layer) for head in heads for layer in getattr(head, "class_layers", ())}
    return {
        f"{prefix}.{name}"
        for prefix, module in model.named_modules()
        if id(module) in layers
        for name, _ in module.named_parameters()
    }


@dataclass(frozen=True)
class ClassColumns:
    """Two lists of class names, each in label order.

    Attributes:
        theirs: of the weights; empty where they name none.
        ours: of the model.
        background: columns of the background, in front of those of the classes: 1 in a detector, else 0.
    """

    theirs: tuple[str, ...]
    ours: tuple[str, ...]
    background: int = 0

    @property
    def differ(self) -> bool:
        """Whether the weights are known to be of other classes."""
        return bool(self.theirs) and self.theirs != self.ours

    @property
    def shared(self) -> list[str]:
        """Names that both have, in our order."""
        return [name for name in self.ours if name in self.theirs]

    def fill(self, tensor: Tensor, given: Tensor) -> Tensor:
        """Copy the columns of the shared classes, and that of a detector's background.

        Args:
            tensor: ours, [anchors * columns, ...] with ``background`` + K columns.
            given: theirs.
        Returns:
            Our tensor with the copied columns; unchanged if the other dimensions differ.
        """
        background = self.background
        anchors = len(tensor) // (len(self.ours) + background)
        if len(given) != anchors * (len(self.theirs) + background) or given.shape[1:] != tensor.shape[1:]:
            return tensor
        new = tensor.clone().unflatten(0, (anchors, -1))  # [anchors, columns, ...]
        old = given.unflatten(0, (anchors, -1))
        pairs = [(self.ours.index(n) + background, self.theirs.index(n) + background) for n in self.shared]
        for here, there in pairs + [(column, column) for column in range(background)]:
            new[:, here] = old[:, there]
        return new.flatten(0, 1)
