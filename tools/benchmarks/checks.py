"""Time the checks of a training: of image files, of the loss and gradient of each step, of each checkpoint.

    DENSEVISION_DATA=/folder/with/bccd python tools/benchmarks/checks.py [CONFIG] [--images 64] [--rounds 15]

In this process, with one thread, in turns, as medians of its processor time: the checks of each training image and its
whole sample (reading, checks, decoding, augmentation); a training step of the config's batch with mmengine's optimizer
wrapper and with the one that skips a batch that is not finite; and the check of a checkpoint with its moving average
and optimizer state, once per interval of the evaluation.
"""

import argparse
import copy
import statistics
import time

import torch
from mmengine.optim import OptimWrapper

from densevision.checkpoints.reading import first_not_finite
from densevision.config.load import load_config
from densevision.data.batches import collate
from densevision.data.sampler import SampleKey
from densevision.image_formats import check_file
from densevision.images import read_file
from densevision.registry import DATASETS, MODELS
from densevision.training.optim import GuardedOptimWrapper
from densevision.training.process import tune_process


def milliseconds(work, items):
    began = time.process_time()
    for item in items:
        work(item)
    return 1e3 * (time.process_time() - began) / len(items)


def stepper(model, batch, kind):
    """Return a function that trains ``model`` on ``batch`` once with a wrapper of ``kind``, and the wrapper."""
    wrapper = kind(torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9), clip_grad=dict(max_norm=10.0))

    def step(_):
        with wrapper.optim_context(model):
            data = model.data_preprocessor(batch, training=True)
            loss = sum(model(**data, mode="loss").values())
        wrapper.update_params(loss)

    return step, wrapper


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", default="ssdlite_v3_small_reduced_bccd")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    tune_process()  # as a training does
    torch.set_num_threads(1)
    config = load_config(arguments.config)
    size, interval = config.train_dataloader.batch_size, config.train_cfg.val_interval
    dataset = DATASETS.build(config.train_dataloader.dataset)
    config.model.num_classes = len(dataset.metainfo["classes"])
    model = MODELS.build(config.model).train()
    rows = range(min(arguments.images, len(dataset)))
    contents = [read_file(path).tobytes() for path in dataset.image_paths()[: len(rows)]]
    batch = collate([dataset[SampleKey(row, row)] for row in range(size)])
    plain, _ = stepper(copy.deepcopy(model), batch, OptimWrapper)
    guarded, wrapper = stepper(model, batch, GuardedOptimWrapper)
    plain(0), guarded(0)
    state = dict(state_dict=model.state_dict(), ema_state_dict=model.state_dict(), **wrapper.state_dict())
    state["optimizer"] = wrapper.optimizer.state_dict()
    times = {"files": [], "samples": [], "plain": [], "guarded": [], "checkpoint": []}
    for number in range(arguments.rounds):
        times["files"].append(milliseconds(check_file, contents) * size)
        times["samples"].append(milliseconds(lambda row: dataset[SampleKey(row, number)], rows) * size)  # noqa: B023
        times["plain"].append(milliseconds(plain, range(2)))
        times["guarded"].append(milliseconds(guarded, range(2)))
        times["checkpoint"].append(milliseconds(lambda _: first_not_finite(model, state), range(2)))
    print_shares(times, size, interval)


def print_shares(times, size, interval):
    """Print each check's share of the time of an iteration."""
    found = {name: statistics.median(values) for name, values in times.items()}
    pairs = zip(times["plain"], times["guarded"], strict=True)
    guard = statistics.median(guarded - plain for plain, guarded in pairs)
    iteration = found["samples"] + found["guarded"]
    print(f"an iteration of {size} images: {found['samples']:.1f} ms to load, {found['guarded']:.1f} ms to train on")
    shares = {"image files": found["files"], "loss and gradient": guard, "checkpoint": found["checkpoint"] / interval}
    for name, value in shares.items():
        print(f"{name:18} {value:8.3f} ms per iteration, {value / iteration:.2%}")
    print(f"{'all':18} {sum(shares.values()):8.3f} ms per iteration, {sum(shares.values()) / iteration:.2%}")


if __name__ == "__main__":
    main()
