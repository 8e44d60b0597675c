"""What is known of a published network: how its weights become ours."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from densevision.errors import UserError

IMAGENET = dict(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))  # what PyTorch's zoos normalise by
COUNTER = "num_batches_tracked"  # of batch norms; some files lack it, and no output depends on it
LIBRARIES = ("torchvision", "timm")  # each a module beside this one with a dict SOURCES: name -> Source

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Source:
    """One published network.

    Attributes:
        network: builds ours, which the weights fill to the last tensor.
        rename: their tensor's name -> ours; None where it is not wanted (counters, optimizer state); a name that
            it does not know comes back as it is.
        read: file or folder -> their tensors by their names, in PyTorch's layout ([out, in, h, w]).
        download: lets the library itself fetch the weights; gets what follows the name ("" for its default).
            None where there is no such library.
        mean, std: of the input, in 0..255.
        dataset_meta: ``classes`` and, for segmenters, ``palette``; empty for an ImageNet classifier.
    """

    network: Callable[[], nn.Module]
    rename: Callable[[str], str | None]
    read: Callable[[Path], Tensors]
    download: Callable[[str], Tensors] | None
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)
    dataset_meta: Callable[[], dict] = field(default=dict)


def sources() -> dict[str, Source]:
    """Map "library:network" to everything that can be converted."""
    return {
        f"{library}:{name}": source
        for library in LIBRARIES
        for name, source in importlib.import_module(f"densevision.weights.{library}").SOURCES.items()
    }


def find_source(name: str) -> Source:
    """Return a source by its name, "library:network".

    Raises:
        UserError: unknown name; the message gives near ones, or all.
    """
    known = sources()
    if name not in known:
        near = difflib.get_close_matches(name, known) or sorted(known)
        raise UserError(f"no published network {name!r} is known; there are {', '.join(near)}")
    return known[name]


def rename_prefix(name: str, table: Mapping[str, str]) -> str:
    """Replace the longest prefix of dotted parts that the table has; other names come back as they are.

    ``rename_prefix("features.0.1.weight", {"features.0": "stem"})`` is "stem.1.weight".
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        if prefix in table:
            return ".".join([table[prefix], *parts[length:]])
    return name
