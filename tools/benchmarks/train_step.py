"""Compare the time of a training step with torchvision's models, in turns.

    python tools/benchmarks/train_step.py [--rounds 5] [--threads N] [--one-process] [--untuned] [--profile]

LR-ASPP V3-Large at 360x480, batch 8, 11 classes; SSDLite V3-Large at 320x320, batch 16, 80 classes, 8 boxes per
image. A step is forward, loss, backward and SGD. torchvision's models run as shipped: contiguous, softmax loss.
Each model runs in a separate process, ours with the process settings of ``densevision train`` (denormals, memory).
--one-process: both run in one process with these settings. --untuned: neither has these settings. --profile: also print
the time per kernel.
"""

import argparse
import multiprocessing
import resource
import statistics
import time
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData, PixelData
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from densevision.data.samples import DetSample, SegSample
from densevision.detection.model import SSDLite
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
from densevision.training.process import tune_process


def random_image(height, width):
    """Return [3, H, W] uint8 in the memory layout of OpenCV's decoder: row by row, pixel by pixel."""
    return torch.randint(0, 256, (height, width, 3), dtype=torch.uint8).permute(2, 0, 1)


def detection_pair():
    images = [random_image(320, 320) for _ in range(16)]
    corner = torch.rand(16, 8, 2) * 200
    boxes = torch.cat([corner, corner + 20 + torch.rand(16, 8, 2) * 100], dim=-1)
    labels = torch.randint(0, 80, (16, 8))
    ours = SSDLite(dict(name="mobilenet_v3_large", reduced_tail="detection"), num_classes=80)
    samples = []
    for box, label in zip(boxes, labels, strict=True):
        sample = DetSample(metainfo=dict(ori_size=(320, 320), input_size=(320, 320)))
        sample.gt = InstanceData(boxes=box, labels=label)
        samples.append(sample)
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=81).train()
    targets = [dict(boxes=box, labels=label + 1) for box, label in zip(boxes, labels, strict=True)]
    floats = [(image / 255).contiguous() for image in images]
    return (
        stepper(
            ours,
            lambda: sum(
                ours(**ours.data_preprocessor(dict(inputs=images, data_samples=samples)), mode="loss").values()
            ),
        ),
        stepper(theirs, lambda: sum(theirs(floats, targets).values())),
    )


def segmentation_pair():
    images = [random_image(360, 480) for _ in range(8)]
    labels = torch.randint(0, 11, (8, 1, 360, 480), dtype=torch.uint8)
    samples = [SegSample(metainfo=dict(ori_size=(360, 480), input_size=(360, 480))) for _ in images]
    for sample, label in zip(samples, labels, strict=True):
        sample.gt = PixelData(labels=label)
    backbone = dict(name="mobilenet_v3_large", output_stride=16, reduced_tail="segmentation")
    ours = Segmentor(backbone, dict(type=LRASPPHead), num_classes=11)
    theirs = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=11).train()
    floats, target = (torch.stack(images) / 255).contiguous(), labels[:, 0].long()
    return (
        stepper(
            ours,
            lambda: sum(
                ours(**ours.data_preprocessor(dict(inputs=images, data_samples=samples)), mode="loss").values()
            ),
        ),
        stepper(theirs, lambda: F.cross_entropy(theirs(floats)["out"], target)),
    )


def stepper(model, loss):
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def step():
        start = time.perf_counter()
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        return time.perf_counter() - start

    return step


def kernel_times(step, steps=3):
    """Return the milliseconds per step of each of ``KERNELS``."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(steps):
            step()
    times = {
        event.key.removeprefix("aten::"): event.self_cpu_time_total / 1000 / steps for event in profile.key_averages()
    }
    return {name: times.get(name, 0.0) for name in KERNELS}


KERNELS = (
    "mkldnn_convolution",
    "convolution_backward",
    "native_batch_norm",
    "native_batch_norm_backward",
    "threshold_backward",
    "hardswish",
    "hardswish_backward",
)
PAIRS = {"LR-ASPP V3-Large": segmentation_pair, "SSDLite V3-Large": detection_pair}


def serve(name, side, threads, tuned, pipe):
    """Answer the requests "step" (its time), "memory" (peak) and "profile" until None; side 1 is torchvision's."""
    prepare(threads, tuned and side != 1)
    step = PAIRS[name]()[side]
    while request := pipe.recv():
        pipe.send(answer(step, request))


def prepare(threads, tuned):
    if tuned:
        tune_process()
    torch.set_num_threads(threads)
    torch.manual_seed(0)


def answer(step, request):
    if request == "memory":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # GiB, as Linux counts
    return kernel_times(step) if request == "profile" else step()


@contextmanager
def processes(name, threads, tuned):
    """Yield a function per side that sends a request to its process; use one at a time."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    for side in range(2):
        here, there = context.Pipe()
        context.Process(target=serve, args=(name, side, threads, tuned, there), daemon=True).start()
        pipes.append(here)
    yield [lambda request, pipe=pipe: (pipe.send(request), pipe.recv())[1] for pipe in pipes]
    for pipe in pipes:
        pipe.send(None)


@contextmanager
def one_process(name, threads, tuned):
    """Yield a function per side that answers a request in this process."""
    prepare(threads, tuned)
    yield [lambda request, step=step: answer(step, request) for step in PAIRS[name]()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--one-process", action="store_true")
    parser.add_argument("--untuned", action="store_true")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    place = one_process if arguments.one_process else processes
    for name in PAIRS:
        with place(name, arguments.threads, not arguments.untuned) as asks:
            times = [[ask("step") for ask in asks] for _ in range(arguments.rounds + 3)][3:]
            memory = [ask("memory") for ask in asks]
            times_by_kernel = [ask("profile") for ask in asks] if arguments.profile else []
        seconds = [statistics.median(column) for column in zip(*times, strict=True)]
        print(
            f"{name}: ours {seconds[0]:.2f} s, torchvision {seconds[1]:.2f} s, {arguments.threads} threads; "
            f"torchvision / ours {spread([row[1] / row[0] for row in times])}",
            flush=True,
        )
        if not arguments.one_process:
            print("  peak memory in GiB: " + table(memory, "{:.1f}"))
        for kernel in KERNELS if times_by_kernel else ():
            print(f"  {kernel} in ms: " + table([one[kernel] for one in times_by_kernel], "{:.0f}"))


def spread(ratios):
    return f"median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def table(values, form):
    sides = ("ours", "torchvision")
    return ", ".join(f"{side} {form.format(value)}" for side, value in zip(sides, values, strict=True))


if __name__ == "__main__":
    main()
