"""Which image next, and with which seed: a training order that can be entered at any point."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import NamedTuple

import numpy as np
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from densevision.registry import DATA_SAMPLERS


class SampleKey(NamedTuple):
    """One training sample to make: image ``index``, augmented by ``seed``."""

    index: int
    seed: int


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Endless shuffled stream of draws, shared out among the processes.

    Draw number d (counted over all processes) belongs to pass d // len(dataset); every pass is a permutation
    that depends on (seed, pass), and the draw's own seed depends on (seed, d). Process r of w takes
    d = r, r + w, ... So neither the number of loader workers nor a restart changes the samples.

    Args:
        dataset: only its length is used.
        seed: decides order and augmentation; None counts as 0.
    Attributes:
        start: draws, counted over all processes, that are skipped; set it before iterating.
    Raises:
        ValueError: the data set is empty.
    """

    def __init__(self, dataset: Sized, seed: int | None = None):
        if len(dataset) == 0:
            raise ValueError("the training data set holds no image")
        self.size = len(dataset)
        self.seed = seed or 0
        self.rank, self.world_size = get_dist_info()
        self.start = 0

    def __iter__(self) -> Iterator[SampleKey]:
        number = self.start + self.rank
        current, order = -1, np.empty(0, np.int64)
        while True:
            this_pass, position = divmod(number, self.size)
            if this_pass != current:
                generator = np.random.default_rng([self.seed, this_pass])
                current, order = this_pass, generator.permutation(self.size)
            seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
            yield SampleKey(int(order[position]), seed)
            number += self.world_size

    def __len__(self) -> int:
        """Draws of this process in one pass, rounded up."""
        return -(-self.size // self.world_size)
