"""Both tasks on tiny random images, without anything that depends on the other images of a batch."""

import os
import signal

import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.structures import InstanceData, PixelData
from torch import nn
from torch.utils.data import Dataset

from densevision.data.sampler import SampleKey
from densevision.data.samples import DetSample, SegSample

SIDE = 64


class Tiny(Dataset):
    """Noise with one square; what is in it depends on the image alone."""

    metainfo = dict(classes=("first", "second"))

    def __init__(self, size: int = 24, task: str = "detection"):
        self.size, self.task = size, task

    def __len__(self):
        return self.size

    def __getitem__(self, key):
        index = key.image_index if isinstance(key, SampleKey) else key
        generator = torch.Generator().manual_seed(index)
        top, left, side = (int(torch.randint(8, 30, (), generator=generator)) for _ in range(3))
        image = torch.randint(0, 90, (3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
        image[index % 2, top : top + side, left : left + side] += 160
        labels = torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)
        labels[0, top : top + side, left : left + side] = 1
        labels[0, : index % 16] = 255  # so that images have different numbers of labeled pixels
        kind = DetSample if self.task == "detection" else SegSample
        sample = kind(metainfo=dict(ori_size=(SIDE, SIDE), input_size=(SIDE, SIDE), index=index))
        box = torch.tensor([[left, top, left + side, top + side]], dtype=torch.float32)
        if self.task == "detection":
            count = index % 3 % 2 + (index % 3 == 0)  # 0 or 1: some images are empty
            sample.gt = InstanceData(boxes=box[:count], labels=torch.tensor([index % 2])[:count])
        else:
            sample.gt = PixelData(labels=labels)
        return dict(inputs=image, data_samples=sample)


class FixedNorms(Hook):
    """Batch norms use their running statistics: those of a batch depend on the number of processes."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


class Seen(Hook):
    """Write the images of each batch to ``seen_<rank>.txt``."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        images = [sample.index for sample in data_batch["data_samples"]]
        with open(f"{runner.work_dir}/seen_{runner.rank}.txt", "a") as file:
            file.write(f"{runner.iter} {' '.join(map(str, images))}\n")


class FailOnce(Hook):
    """Raise in iteration ``at`` of the first start, or with ``kill`` end process 1 as ``kill -9`` does."""

    def __init__(self, at: int = 0, *, kill: bool = False):
        self.at, self.kill = at, kill

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.at and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
            if not self.kill:
                raise RuntimeError("a machine failed")
            if runner.rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)


class Sizes(BaseMetric):
    """Number of samples, and the sum of their indices: a duplicate changes both."""

    default_prefix = "toy"

    def process(self, data_batch, data_samples):
        self.results += [sample["index"] for sample in data_samples]

    def compute_metrics(self, results):
        return dict(number=float(len(results)), total=float(sum(results)), distinct=float(len(set(results))))
