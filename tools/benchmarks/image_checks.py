"""Time the checks of image files before decoding, and compare with loading a sample and with a training step.

    DENSEVISION_DATA=/folder/with/bccd python tools/benchmarks/image_checks.py [CONFIG] [--images 64] [--rounds 5]

Per round and in turns: the checks of each training image, its whole sample (reading, checks, decoding, augmentation),
and training steps of 8 samples, all in this process with one thread. Medians per image.
"""

import argparse
import statistics
import time

import torch
from mmengine.dataset.utils import pseudo_collate

from densevision.config.load import load_config
from densevision.data.sampler import SampleKey
from densevision.image_formats import check_file
from densevision.images import read_file
from densevision.registry import DATASETS, MODELS

BATCH = 8


def milliseconds(work, items):
    began = time.perf_counter()
    for item in items:
        work(item)
    return 1e3 * (time.perf_counter() - began) / len(items)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", default="ssdlite_v3_small_reduced_bccd")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(arguments.config)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    config.model.num_classes = len(dataset.metainfo["classes"])
    model = MODELS.build(config.model).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    rows = range(min(arguments.images, len(dataset)))
    contents = [read_file(path).tobytes() for path in dataset.image_paths()[: len(rows)]]
    batch = pseudo_collate([dataset[SampleKey(row, row)] for row in range(BATCH)])

    def step(_):
        data = model.data_preprocessor(batch, training=True)
        loss = sum(model(**data, mode="loss").values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step(0)
    times = {"checks": [], "sample": [], "step": []}
    for number in range(arguments.rounds):
        times["checks"].append(milliseconds(check_file, contents))
        times["sample"].append(milliseconds(lambda row: dataset[SampleKey(row, number)], rows))  # noqa: B023
        times["step"].append(milliseconds(step, range(2)) / BATCH)
    found = {name: statistics.median(values) for name, values in times.items()}
    for name, value in found.items():
        print(f"{name:7} {value:8.3f} ms per image")
    print(f"the checks are {found['checks'] / found['sample']:.2%} of loading a sample")
    print(f"the checks are {found['checks'] / (found['sample'] + found['step']):.2%} of loading and training on it")


if __name__ == "__main__":
    main()
