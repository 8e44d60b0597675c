"""The published networks whose weights can be converted, and how."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from densevision.errors import UserError
from densevision.segmentation.classes import class_info

Tensors = Mapping[str, Tensor]


class Scaling(NamedTuple):
    """Mean and standard deviation of the input's channels, in 0..255."""

    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)


IMAGENET = Scaling((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # of torchvision and timm
COUNTER = "num_batches_tracked"  # of batch norms; some files lack it, and no output depends on it
LIBRARIES = ("torchvision", "timm", "tensorflow")  # modules of this package with a dict SOURCES: name -> Source


@dataclass(frozen=True)
class Source:
    """One published network.

    Attributes:
        network: builds our network, every tensor of which the weights fill.
        rename: maps the name of a published tensor to ours; None for unused ones (counters, optimizer state);
            unknown names are returned unchanged.
        read: reads a file or folder as tensors by their published names, in PyTorch's layout ([out, in, h, w]).
        download: downloads the weights with the library, given the tag after the name ("" for the default);
            None if there is no such library.
        scaling: mean and standard deviation of the input.
        dataset_meta: returns ``classes`` and, for segmentation, ``palette``; empty for an ImageNet classifier.
    """

    network: Callable[[], nn.Module]
    rename: Callable[[str], str | None]
    read: Callable[[Path], Tensors]
    download: Callable[[str], Tensors] | None
    scaling: Scaling = Scaling()
    dataset_meta: Callable[[], dict] = field(default=dict)


def sources() -> dict[str, Source]:
    """Return all sources by name, "library:network"."""
    return {
        f"{library}:{name}": source
        for library in LIBRARIES
        for name, source in importlib.import_module(f"densevision.weights.{library}").SOURCES.items()
    }


def find_source(name: str) -> Source:
    """Return a source by its name, "library:network".

    Raises:
        UserError: unknown name; the message lists similar names, or all.
    """
    known = sources()
    if name not in known:
        near = difflib.get_close_matches(name, known) or sorted(known)
        raise UserError(f"no published network {name!r} is available; there are {', '.join(near)}")
    return known[name]


def label_meta(classes: Mapping[str, int] | None = None) -> dict:
    """Return names and colors of segmentation classes, by default those of Cityscapes, as ``dataset_meta``."""
    info = class_info(classes)
    return dict(classes=list(info["classes"]), palette=info["palette"])


def rename_prefix(name: str, table: Mapping[str, str]) -> str:
    """Replace the longest prefix of dotted parts that is in the table; return other names unchanged.

    ``rename_prefix("features.0.1.weight", {"features.0": "stem"})`` is "stem.1.weight".
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        if prefix in table:
            return ".".join([table[prefix], *parts[length:]])
    return name
