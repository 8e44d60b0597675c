"""The smallest real training: a two-layer network learns which half of an image is brighter."""

import multiprocessing
import os
import threading

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import Dataset

from densevision.data.sampler import SampleKey
from densevision.errors import UserError


class Halves(Dataset):
    """[3, side, side] uint8 images; class 1 where the lower half is brighter."""

    metainfo = dict(classes=("upper", "lower"), palette=[(255, 0, 0), (0, 0, 255)])

    def __init__(self, size: int = 32, side: int = 8, names: tuple = ()):
        if names:
            self.metainfo = dict(Halves.metainfo, classes=tuple(names))
        self.size = size
        self.side = side

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: int | SampleKey) -> dict:
        index, seed = key if isinstance(key, SampleKey) else (key, 0)
        image = np.random.default_rng([index, seed]).integers(0, 100, (3, self.side, self.side))
        label, half = index % 2, self.side // 2
        image[:, half * label : half * label + half] += 100
        sample = BaseDataElement(metainfo=dict(label=label, index=index))
        return dict(inputs=torch.from_numpy(image.astype(np.uint8)), data_samples=sample)


class Aligning(Halves):
    """Takes the model's classes by name; here the labels are theirs already."""

    def align_classes(self, classes):
        self.metainfo = dict(self.metainfo, classes=tuple(classes))


class ToyModel(BaseModel):
    """Convolution, batch norm, dropout and a linear layer."""

    def __init__(self, num_classes: int | None = None, nan_at: tuple = (), frozen: bool = False):
        super().__init__()
        convolution = nn.Conv2d(3, 4, 3, 2, 1)
        self.features = nn.Sequential(convolution, nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2))
        self.classify = nn.Linear(64, num_classes)
        convolution.requires_grad_(not frozen)
        self.nan_at = nan_at
        self.calls = 0

    def forward(self, inputs, data_samples=None, mode="tensor"):
        images = torch.stack(list(inputs)).float() / 127.5 - 1
        if mode == "loss":
            self.calls += 1
            images = images * (float("nan") if self.calls in self.nan_at else 1.0)
        logits = self.classify(self.features(images).flatten(1))
        if mode == "tensor":
            return logits
        labels = torch.tensor([sample.label for sample in data_samples])
        if mode == "loss":
            return dict(loss_cls=nn.functional.cross_entropy(logits, labels))
        for sample, row in zip(data_samples, logits, strict=True):
            sample.set_field(int(row.argmax()), "guess")
        return data_samples


class Accuracy(BaseMetric):
    """Share of right guesses."""

    default_prefix = "toy"

    def process(self, data_batch, data_samples):
        self.results += [sample["guess"] == sample["label"] for sample in data_samples]

    def compute_metrics(self, results):
        return dict(accuracy=float(np.mean(results)))


class Refusing(Accuracy):
    """Finds in compute_metrics that the data are at fault."""

    def compute_metrics(self, results):
        raise UserError("truth.json: annotation 3 has no area")


class Counting(BaseMetric):
    """Returns what it is told to, has no table and writes nothing."""

    def __init__(self, figures=None, prefix: str | None = "own"):
        super().__init__(prefix=prefix)
        self.figures = figures
        self.lock = threading.Lock()  # can't be copied deeply
        self.computed = 0

    def process(self, data_batch, data_samples):
        self.results += [1] * len(data_samples)

    def compute_metrics(self, results):
        self.computed += 1
        return self.figures


class Writing(Accuracy):
    """Has all that a metric may have."""

    def __init__(self, out_dir=None):
        super().__init__()
        self.out_dir, self.table = out_dir, ""

    def process(self, data_batch, data_samples):
        super().process(data_batch, data_samples)
        if self.out_dir is not None:
            self.out_dir.mkdir(parents=True, exist_ok=True)
            (self.out_dir / "seen.txt").write_text(str(len(self.results)))

    def compute_metrics(self, results):
        self.table = f"table of {len(results)}"
        return super().compute_metrics(results)

    def write_report(self, folder):
        (folder / "report.txt").write_text(self.table)
        return {"report": folder / "report.txt"}


class Scripted(BaseMetric):
    """Gives the score that stands in ``scores``, the first in the rehearsal; None leaves the metric out."""

    calls = 0

    def __init__(self, scores=(), prefix="toy"):
        super().__init__(prefix=prefix)
        self.scores = scores

    def process(self, data_batch, data_samples):
        self.results += [1] * len(data_samples)

    def compute_metrics(self, results):
        score = self.scores[Scripted.calls]
        Scripted.calls += 1
        return dict(other=1.0) | ({} if score is None else dict(score=score))


class ScriptedErrors(Scripted):
    """Gives scores of which the lowest is the best."""

    lower_is_better = True


class Named(Hook):
    """Takes a dict whose keys are any text."""

    def __init__(self, names: dict):
        self.names = names


class SignalSelf(Hook):
    """Send this process, its group or a loader worker signal ``number`` in iteration ``at``, or in the evaluation."""

    def __init__(self, at: int = 0, number: int = 2, when: str = "training", group: bool = False):
        self.at, self.number, self.when, self.group = at, number, when, group

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.when == "training" and runner.iter + 1 == self.at:
            self._send()
        if self.when == "worker" and runner.iter + 1 == self.at:
            os.kill(multiprocessing.active_children()[0].pid, self.number)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.when == "evaluation" and runner.iter == self.at and batch_idx == 1:
            self._send()

    def _send(self):
        (os.killpg if self.group else os.kill)(os.getpgrp() if self.group else os.getpid(), self.number)
