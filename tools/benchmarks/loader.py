"""Time the loading of training samples, stage by stage, against OpenCV's decoding and resizing alone.

    python tools/benchmarks/loader.py [--rounds 5] [--samples 128] [--workers 2] [--reduce 1.0] [--cache FOLDER]
        [--only coco128 camvid]

COCO128 with the augmentation of the COCO configs at 320x320, and CamVid's training images with the augmentation of the
CamVid configs. The floor reads the same files (of CamVid image and label file), decodes them and resizes them to the
network's input. Ours and the floor take turns: first in this process, in seconds of the processor, which other work on
the machine changes little; then, with --workers, in that many worker processes of a DataLoader each, by the clock. The
share of each stage is of our time in this process. --reduce: with that min_decoded in the detection data.
--cache: ours reads decoded images from files there, which are written before the times are taken.
"""

import argparse
import contextlib
import functools
import itertools
import statistics
import time
from collections import defaultdict

import cv2
import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset

from densevision import images
from densevision.config.load import load_config
from densevision.data.augment import Augment
from densevision.data.batches import collate
from densevision.data.decoded import DecodedCache
from densevision.data.normalize import Normalize
from densevision.data.sampler import SeededSampler
from densevision.registry import DATASETS
from densevision.training.process import tune_process

CONFIGS = {"coco128": ("ssdlite_v3_small_reduced_coco", "coco128"), "camvid": ("lraspp_v3_small_camvid", "camvid")}
STAGES = ("read", "decode", "labels", "augment", "rest", "collate")


class Floor(Dataset):
    """Decode and resize with OpenCV alone; indexed as the data set is."""

    def __init__(self, files, size):
        self.files, self.size = files, size

    def __len__(self):
        return len(self.files)

    def __getitem__(self, key):
        arrays = [cv2.imdecode(np.fromfile(path, np.uint8), mode) for path, mode in self.files[key.image_index]]
        return [cv2.resize(array, self.size[::-1]) for array in arrays]


def build(name, reduce, cache):
    """Return the training data of a config, and its floor."""
    config, root = CONFIGS[name]
    changes = [f"train_dataloader.dataset.data_root={root}"]
    changes += [f"train_dataloader.dataset.min_decoded={reduce}"] if reduce and name == "coco128" else []
    changes += [f"train_dataloader.dataset.cache={dict(folder=cache, gigabytes=8)}"] if cache else []
    settings = load_config(config, changes).train_dataloader.dataset.to_dict()
    data = DATASETS.build(settings)
    sample = next(iter(SeededSampler(data)))
    size = tuple(data[sample]["inputs"].shape[1:])
    files = [[(path, cv2.IMREAD_COLOR)] for path in data.image_paths()]
    if hasattr(data, "labels") and name == "camvid":
        files = [[*one, (path, cv2.IMREAD_UNCHANGED)] for one, path in zip(files, data.labels.tolist(), strict=True)]
    return data, Floor(files, size)


class Watch:
    """Seconds of the processor per stage, without those of the stages inside it."""

    def __init__(self):
        self.seconds, self._inside = defaultdict(float), [0.0]

    def timed(self, stage, function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            start = time.process_time()
            self._inside.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.process_time() - start
                self.seconds[stage] += spent - self._inside.pop()
                self._inside[-1] += spent

        return call


@contextlib.contextmanager
def watched(watch, data):
    """Time the parts of loading while the block runs."""
    import densevision.detection.coco
    import densevision.segmentation.dataset

    places = [
        (images, "read_file", "read"),
        (images, "decode_image", "decode"),
        *(
            (module, "read_image", "decode")
            for module in (densevision.detection.coco, densevision.segmentation.dataset)
        ),
        (Augment, "__call__", "augment"),
        (type(data), "read_labels", "labels"),
        (DecodedCache, "read", "cache"),
    ]
    chain = getattr(data, "augment", None) or data._augment
    places += [(kind, "__call__", kind.__name__) for kind in dict.fromkeys(map(type, chain.compose.transforms))]
    kept = [(owner, name, owner.__dict__.get(name)) for owner, name, _ in places if hasattr(owner, name)]
    for owner, name, stage in places:
        if hasattr(owner, name):
            setattr(owner, name, watch.timed(stage, getattr(owner, name)))
    yield
    for owner, name, before in kept:
        setattr(owner, name, before) if before is not None else delattr(owner, name)


def in_process(data, floor, keys, rounds):
    """Return milliseconds per sample of ours and of the floor in turns, and ours by stage."""
    watch, times = Watch(), []
    load, batch = watch.timed("rest", data.__getitem__), watch.timed("collate", collate)
    for sample in keys:  # with a cache: it is filled
        data[sample], floor[sample]
    for _ in range(rounds):
        start = time.process_time()
        for sample in keys:
            floor[sample]
        middle = time.process_time()
        with watched(watch, data):
            for first in range(0, len(keys), 16):
                batch([load(sample) for sample in keys[first : first + 16]])
        times.append((time.process_time() - middle, middle - start))
    scale = 1000 / len(keys)
    by_stage = {stage: scale * seconds / rounds for stage, seconds in watch.seconds.items()}
    return [tuple(scale * value for value in pair) for pair in times], by_stage


def by_workers(data, floor, keys, rounds, workers):
    """Return images per second of ours and of the floor by the clock, in turns."""
    rates = []
    for _ in range(rounds):
        pair = []
        for source, join in ((data, collate), (floor, pseudo_collate)):
            loader = DataLoader(source, 16, sampler=keys, num_workers=workers, collate_fn=join)
            batches = iter(loader)
            next(batches)  # the workers have started
            start = time.perf_counter()
            count = sum(1 for _ in batches)
            pair.append(16 * count / (time.perf_counter() - start))
        rates.append(pair)
    return rates


def report(name, arguments):
    data, floor = build(name, arguments.reduce, arguments.cache)
    keys = list(itertools.islice(iter(SeededSampler(data)), arguments.samples))
    times, by_stage = in_process(data, floor, keys, arguments.rounds)
    ours, least = (statistics.median(column) for column in zip(*times, strict=True))
    shares = [least / ours for ours, least in times]
    print(
        f"{name}, {floor.size[1]}x{floor.size[0]}: {ours:.2f} ms per sample, OpenCV alone {least:.2f} ms; "
        f"rate of ours {spread(shares)} of OpenCV's, in one process",
        flush=True,
    )
    total = sum(by_stage.values())
    for stage, spent in sorted(by_stage.items(), key=lambda pair: -pair[1]):
        print(f"  {stage:16} {spent:6.2f} ms  {100 * spent / total:4.0f} %")
    batch = dict(inputs=[data[sample]["inputs"] for sample in keys[:16]])
    normalize = Normalize()
    start = time.process_time()
    for _ in range(arguments.rounds):
        normalize(dict(batch))
    print(f"  on the device (here the CPU): normalize {62.5 * (time.process_time() - start) / arguments.rounds:.2f} ms")
    if arguments.workers:
        rates = by_workers(data, floor, keys * 2, arguments.rounds, arguments.workers)
        ours, least = (statistics.median(column) for column in zip(*rates, strict=True))
        shares = [ours / least for ours, least in rates]
        print(
            f"  {arguments.workers} workers: {ours:.0f} images/s, OpenCV alone {least:.0f}; rate of ours "
            f"{spread(shares)} of OpenCV's",
            flush=True,
        )


def spread(shares):
    return f"{100 * statistics.median(shares):.0f} % ({100 * min(shares):.0f} to {100 * max(shares):.0f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--reduce", type=float, metavar="MIN_DECODED")
    parser.add_argument("--cache", metavar="FOLDER")
    parser.add_argument("--only", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    arguments = parser.parse_args()
    tune_process()  # of memory, as in a training; workers inherit it
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    for name in arguments.only:
        report(name, arguments)


if __name__ == "__main__":
    main()
