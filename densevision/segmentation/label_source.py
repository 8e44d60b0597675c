"""Where the label map of each image comes from."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from densevision.data.label_files import LabelHeader, read_label_header, read_label_ids


class LabelSource(Protocol):
    """The label maps of a data set, by the index of the image.

    Attributes:
        paths: [F] path of the file with each label map; empty without labels.
        recipe: what decides the ids of a file besides its content, for ``DecodedCache``; None if more than that does.
    """

    paths: np.ndarray
    recipe: str | None

    def read_header(self, index: int) -> LabelHeader:
        """Read size and pixel format of one label map.

        Raises:
            OSError: the file can't be read.
        """
        ...

    def read_ids(self, index: int) -> np.ndarray:
        """Read one label map as [H, W] uint8 ids.

        Raises:
            OSError: the file can't be read.
            UserError: it is not a map of ids.
        """
        ...


class LabelImages:
    """Label images with one id per pixel, see ``read_label_ids``."""

    def __init__(self, paths: np.ndarray):
        self.paths = paths
        self.recipe: str | None = "ids"

    def read_header(self, index: int) -> LabelHeader:
        """Read size and pixel format of one file, see ``LabelSource``."""
        return read_label_header(self.paths[index])

    def read_ids(self, index: int) -> np.ndarray:
        """Read one file, see ``LabelSource``."""
        return read_label_ids(self.paths[index])
