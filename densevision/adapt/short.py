"""Short trainings of narrowed networks, and their scores, all on the same images."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import nn

from densevision.adapt.seed import Seed
from densevision.data.sampler import SampleKey, SeededSampler
from densevision.errors import UserError
from densevision.evaluation import build_dataset
from densevision.segmentation.balance import BalanceClasses, set_class_weights
from densevision.training.splits import align

_HELD_OUT = 64  # images that score, at most; a fifth of a small data set
_FEWEST = 10  # training images
_RATE = 0.1  # of the config's learning rate, at the start of a short training
_STATISTICS = 8  # batches that set the running statistics of the batch norms

Batch = dict[str, list]


class ShortTraining:
    """Trains and scores narrowed networks on the seed's training data.

    A fixed part of the images is held out and scores; the others train, with the config's augmentation, batch size and
    optimizer. All networks of a step see the same batches. Of the config's hooks only ``BalanceClasses`` counts.

    Args:
        seed: whose config names data and optimizer.
        iterations: of a short training.
    Raises:
        UserError: there are no training data, or fewer than 10 images.
    """

    def __init__(self, seed: Seed, iterations: int) -> None:
        self.seed, self.iterations = seed, iterations
        self.dataset = build_dataset(seed.config, "train_dataloader")
        align(self.dataset, seed.info["classes"], "train")
        count = len(self.dataset)
        if count < _FEWEST:
            raise UserError(f"{seed.config.filename}: adapt needs {_FEWEST} training images, and there are {count}")
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.batch_size = int(seed.config.train_dataloader.get("batch_size", 1))
        order = np.random.default_rng(0).permutation(count)
        held_out = min(_HELD_OUT, count // 5)
        self._training = order[held_out:]
        self._held_out = self._evaluation_batches(order[:held_out])
        self._step, self._batches = -1, list[Batch]()
        hooks = seed.config.get("custom_hooks") or []
        self._balances = any(hook.get("type") is BalanceClasses for hook in hooks)
        if self._balances:
            set_class_weights(seed.model.to(self.device), self.dataset)

    def start(self, step: int) -> None:
        """Read the batches of a step."""
        if step == self._step:
            return
        count = max(self.iterations, _STATISTICS)
        sampler = SeededSampler(self._training, seed=0)
        sampler.start = step * count * self.batch_size
        keys = iter(sampler)
        self._step, self._batches = step, [self._read(keys) for _ in range(count)]

    def recalibrate(self, model: Any) -> None:
        """Set the running statistics of all batch norms anew, from batches of the step."""
        model.to(self.device)
        model.train()  # frozen ones stay in evaluation mode, and keep their statistics
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d) and module.training]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all batches
        with torch.no_grad():
            for batch in self._copies(_STATISTICS):
                model(model.data_preprocessor(batch, True)["inputs"])
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.eval()

    def train(self, model: Any) -> None:
        """Train a network briefly; the learning rate falls to 0 from a tenth of the config's."""
        model.to(self.device).train()
        self._share_loss(model)
        wrapper = build_optim_wrapper(model, copy.deepcopy(self.seed.config.optim_wrapper.to_dict()))
        rates = [group["lr"] for group in wrapper.param_groups]
        for number, batch in enumerate(self._copies(self.iterations)):
            torch.manual_seed(number)
            _set_rates(wrapper, [_RATE * rate * (1 - number / self.iterations) for rate in rates])
            model.train_step(batch, optim_wrapper=wrapper)
        model.eval()

    def score(self, model: Any) -> float:
        """Return minus the mean loss of the images that were held out."""
        model.to(self.device).eval()
        self._share_loss(model)
        total = images = 0.0
        with torch.no_grad():
            for batch in copy.deepcopy(self._held_out):
                data = model.data_preprocessor(batch, False)
                losses = model(data["inputs"], data["data_samples"], mode="loss")
                count = len(batch["data_samples"])
                total += count * sum(float(loss) for loss in losses.values())
                images += count
        return -total / images

    def _share_loss(self, model: Any) -> None:
        if self._balances:
            model.loss_function = self.seed.model.loss_function

    def _read(self, keys: Iterator[SampleKey]) -> Batch:
        drawn = [next(keys) for _ in range(self.batch_size)]
        samples = [self.dataset[SampleKey(int(self._training[key.image_index]), key.seed)] for key in drawn]
        return pseudo_collate(samples)

    def _copies(self, count: int) -> Iterator[Batch]:
        return (copy.deepcopy(batch) for batch in self._batches[:count])

    def _evaluation_batches(self, indices: Sequence[int]) -> list[Batch]:
        samples = [self.dataset[int(index)] for index in indices]
        one_size = len({sample["inputs"].shape for sample in samples}) == 1
        size = 8 if one_size else 1
        return [pseudo_collate(samples[start : start + size]) for start in range(0, len(samples), size)]


def _set_rates(wrapper: OptimWrapper, rates: Sequence[float]) -> None:
    for group, rate in zip(wrapper.param_groups, rates, strict=True):
        group["lr"] = rate
