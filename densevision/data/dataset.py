"""The base class of data sets: seeded samples for training, plain indices for evaluation, damaged images."""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch.utils.data import Dataset

from densevision.data.check import SplitCounts
from densevision.data.decoded import DecodedCache
from densevision.data.sampler import LateKey, SampleKey
from densevision.errors import MachineFault, UserError
from densevision.images import read_image

_ATTEMPTS = 100  # damaged images in a row before training gives up
_MOST_DAMAGED, _ALWAYS = 0.2, 3  # share of the images that may be damaged, and a number that may be in any case
_SHOWN = 10  # damaged images that are named one by one; then the 16th, 32nd, 64th, ...
OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # errors that say nothing about the file


class SeededDataset(Dataset):
    """A data set that is indexed by a ``SampleKey`` in training and by an int in evaluation.

    ``dataset[SampleKey(index, seed)]`` is augmented, a pure function of the two numbers; an image that can't be read
    is logged once and replaced by another one, up to a fifth of the images. ``dataset[index]`` is not augmented and
    raises an error instead.
    Subclasses implement ``load``, ``count`` and ``align_classes``; the last two are called before training and
    evaluation.

    Args:
        size: number of images.
        cache: arguments of the ``DecodedCache`` that ``decoded`` uses; None decodes each time.
    Attributes:
        late_after: share of the training after which samples come from ``load_late``; 1 is never.
        late_growth: pixels of an image of ``load_late`` by those of ``load``.
    """

    late_after: float = 1.0
    late_growth: float = 1.0

    def __init__(self, size: int, cache: Mapping[str, Any] | None = None):
        self._cache = None if cache is None else DecodedCache(**cache)
        self._damaged = torch.zeros(size, dtype=torch.bool)
        with contextlib.suppress(RuntimeError, OSError):  # without shared memory there are no workers to share it with
            self._damaged.share_memory_()

    @property
    def damaged(self) -> torch.Tensor:
        """[N] bool, which images could not be read so far, in this process and its loader workers."""
        return self._damaged

    def __len__(self) -> int:
        return len(self._damaged)

    def load(self, index: int, seed: int | None) -> dict:
        """Return ``inputs`` and ``data_samples`` of one image, augmented by ``seed`` unless it is None.

        Raises:
            OSError: the image can't be read.
        """
        raise NotImplementedError

    def load_late(self, index: int, seed: int) -> dict:
        """Load an image as ``load`` does, in the later part of the training, where a data set may augment otherwise."""
        return self.load(index, seed)

    def read(self, index: int) -> np.ndarray:
        """Read one image as ``load`` does, [H, W, 3] uint8 RGB at its own size.

        Raises:
            OSError: the image can't be read.
        """
        return read_image(self.load(index, None)["data_samples"].img_path)

    def decoded(self, path: str | Path, recipe: str | None, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Decode a file, or take its pixels from the cache; without a recipe, decode each time.

        See ``DecodedCache.read``.
        """
        return decode() if self._cache is None or recipe is None else self._cache.read(path, recipe, decode)

    def count(self, split: str = "val") -> SplitCounts:
        """Count the contents of the data set, see ``SplitCounts``, and check its files.

        Args:
            split: "train", "val" or "test". The headers of all images are read; for "train" those of an even
                sample, as the others are checked when they are loaded.
        Raises:
            UserError: files and annotations contradict each other.
        """
        raise NotImplementedError

    def align_classes(self, classes: Sequence[str]) -> None:
        """Map the labels to the model's classes, by name; ``metainfo`` then lists these, in the model's order.

        The model may lack classes without objects in the data set, and the data set classes of the model.

        Raises:
            UserError: the data set has objects of a class that the model does not have.
        """
        raise NotImplementedError

    def __getitem__(self, key: int | SampleKey) -> dict:
        if not isinstance(key, SampleKey):
            try:
                return self.load(int(key), None)
            except OSError as error:
                raise UserError(f"{error}; fix or delete the image and its annotation") from error
        index, load = key.image_index, self.load_late if isinstance(key, LateKey) else self.load
        random: np.random.Generator | None = None
        fault: OSError | None = None
        for _ in range(_ATTEMPTS):
            try:
                return load(index, key.seed)
            except OSError as error:
                self._report(index, error)
                random = random or np.random.default_rng(key.seed)
                index, fault = int(random.integers(len(self))), error
        raise UserError(f"{_ATTEMPTS} images in a row can't be read, the last one: {fault}; check the files")

    def _report(self, index: int, error: OSError) -> None:
        """Record a damaged image.

        Raises:
            MachineFault: the error is not the image's.
            UserError: too many images are damaged.
        """
        if error.errno in OF_THE_MACHINE:
            raise MachineFault(
                f"{error}; allow more open files (ulimit -n 4096), or give the training more memory"
            ) from error
        if self._damaged[index]:
            return
        self._damaged[index] = True
        count = int(self._damaged.sum())
        if count > max(_ALWAYS, _MOST_DAMAGED * len(self)):
            raise UserError(
                f"{count:,} of {len(self):,} training images can't be read, more than a fifth; the last one is "
                f"{error}; densevision check CONFIG lists them"
            )
        if count <= _SHOWN or count & count - 1 == 0:
            print_log(f"skipped damaged image ({count:,} so far): {error}", "current", logging.WARNING)
