"""What one process of a search computes: a narrowed network, its score, and its weights after a short training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from densevision.adapt.seed import Seed
from densevision.adapt.shape import Shape
from densevision.adapt.short import ShortTraining
from densevision.atomic import partial_path, publish
from densevision.checkpoints.files import read_plain

SEED = "seed"  # the base whose weights are the checkpoint's


@dataclass(frozen=True)
class Base:
    """A network that others inherit from: the name of its weights, and its shape."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class Job:
    """A network to be scored.

    Attributes:
        step: whose batches it sees.
        name: of its weights; they are stored if it is trained.
        shape: of it.
        base: that it inherits from.
        train: train it before it is scored; else only its batch norms are recalibrated.
        origins: of its blocks, if its structure is not the base's; see ``transplant``.
    """

    step: int
    name: str
    shape: Shape
    base: Base
    train: bool
    origins: tuple[int | None, ...] | None = None


class Worker:
    """Does the jobs of a search.

    Args:
        seed: where the search starts.
        iterations: of a short training; 0 recalibrates the batch norms only.
        folder: of the search, which all its processes share.
    Raises:
        UserError: see ``ShortTraining``.
    """

    def __init__(self, seed: Seed, iterations: int, folder: Path) -> None:
        self.seed, self.folder = seed, folder
        self.short = ShortTraining(seed, iterations)
        self._base: tuple[Base, Any] | None = None  # of the latest job

    def score(self, job: Job) -> float:
        """Do a job, and return the score; that of a trained network is found after its weights are stored."""
        self.short.start(job.step)
        if self._base is None or self._base[0] != job.base:
            self._base = job.base, self.model(job.base)
        if job.origins is None:
            model = self.seed.narrowed(self._base[1], job.base.shape, job.shape)
        else:
            model = self.seed.restructured(self._base[1], job.base.shape, job.shape, job.origins)
        if job.train and self.short.iterations:
            self.short.train(model)
        self.short.recalibrate(model)
        if job.train:
            path = self.weights(job.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(model.cpu().state_dict(), partial_path(path))
            publish(partial_path(path), path)
        return self.short.score(model)

    def model(self, base: Base) -> Any:
        """Return the network of a name."""
        stored: Any = self.seed.model.cpu().state_dict() if base.name == SEED else read_plain(self.weights(base.name))
        return self.seed.build(base.shape, stored)

    def weights(self, name: str) -> Path:
        """Return where the weights of a name are."""
        return self.folder / "weights" / f"{name}.pth"
