"""The training order: image indices with seeds, which can start at any position."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import NamedTuple

import numpy as np
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from densevision.registry import DATA_SAMPLERS


class SampleKey(NamedTuple):
    """One training sample: the index of its image, and the seed of its augmentation."""

    image_index: int
    seed: int


class LateKey(SampleKey):
    """A sample of the later part of the training, see ``SeededDataset.load_late``."""


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Endless shuffled stream of samples, distributed over the processes.

    Sample number n, counted over all processes, belongs to pass n // len(dataset); every pass is a permutation
    that depends on (seed, pass), and the sample's own seed depends on (seed, n). Process r of w takes
    n = r, r + w, ... So neither the number of loader workers nor a restart changes the samples.

    Args:
        dataset: only its length is used.
        seed: determines order and augmentation; None is 0.
    Attributes:
        start: number of samples to skip, counted over all processes; set it before iterating.
        late_from: number of the first sample, counted over all processes, that has a ``LateKey``; None is never.
    Raises:
        ValueError: the data set is empty.
    """

    def __init__(self, dataset: Sized, seed: int | None = None):
        if len(dataset) == 0:
            raise ValueError("the training data set contains no image")
        self.size = len(dataset)
        self.seed = seed or 0
        self.rank, self.world_size = get_dist_info()
        self.start = 0
        self.late_from: int | None = None
        self._next = 0

    def __iter__(self) -> Iterator[SampleKey]:
        number = self._next = self.start + self.rank
        current, order = -1, np.empty(0, np.int64)
        while True:
            this_pass, position = divmod(number, self.size)
            if this_pass != current:
                generator = np.random.default_rng([self.seed, this_pass])
                current, order = this_pass, generator.permutation(self.size)
            seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
            kind = SampleKey if self.late_from is None or number < self.late_from else LateKey
            self._next = number + self.world_size
            yield kind(int(order[position]), seed)
            number += self.world_size

    def move_late(self, number: int) -> None:
        """Change ``late_from`` while a loader iterates; samples that it has read ahead keep their kind."""
        if self.late_from is None or self._next <= self.late_from:
            self.late_from = max(number, self._next)

    def __len__(self) -> int:
        """Return the number of samples of this process in one pass, rounded up."""
        return math.ceil(self.size / self.world_size)
