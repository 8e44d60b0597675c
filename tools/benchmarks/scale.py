"""Compute what the configs of the paper's Tables 6 to 8 cost to train on 1, 8 and 64 GPUs, from measured figures.

    python tools/benchmarks/scale.py [--gpu-rate detection=T segmentation=T] [--cores 8] [--disk 500] [--inside 300]
        [--between 12.5] [--check]

A step's time is the largest of three: the network's arithmetic (three times the forward pass, at the size of the
training crops, at a rate in T multiply-adds per second that is measured per task), the loader's (core-seconds per image
over the cores per GPU, or bytes per image over the disk's bandwidth), to which the exchange of gradients is added (a
ring, 4 bytes per parameter, no overlap: an upper bound). The batch of the config is divided over the GPUs; a GPU has at
least one image.

Figures marked * were not measured by this project: the GPU's rate, and the bandwidths, which are assumptions to replace
by options. --check predicts the trainings and steps that were measured on a CPU from one measured step per task.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

from densevision.complexity import count_layers, total_madds, total_params
from densevision.config.load import load_config
from densevision.registry import MODELS

CONFIGS = Path(__file__).parents[2] / "configs"
GPUS = (1, 8, 64)
TABLES, OTHERS = (6, 7, 8), ("ccc2", "espnet")  # the latter are other authors' networks in Table 8
PER_NODE = 8
# Core-seconds per image, from tools/benchmarks/loader.py (COCO128); of a frame of Cityscapes an assumption.
LOADING = {"detection": (0.0050, True), "segmentation": (0.080, False)}
CPU_LOADING = {"detection": 0.0050, "segmentation": 0.0046}  # the same of the small data sets of POINTS
# Bytes per image: the mean of COCO128's files; of Cityscapes an image and its labels, an assumption.
BYTES = {"detection": (173_000, True), "segmentation": (2_400_000, False)}
ASSUMED_GPU = {"detection": 1.0, "segmentation": 2.0}  # T multiply-adds per second
CROP = {"detection": (320, 320), "segmentation": (769, 769)}


@dataclass(frozen=True)
class Measured:
    """Seconds on two cores of the EPYC VM, from docs/results.md.

    Attributes:
        name: of the point.
        task: of its network.
        config: of its network.
        size: of the input; (0, 0) is the config's.
        images: that were trained on in that time.
        seconds: by the clock.
        base: whether the rate of its task comes from it; it then reads no images.
    """

    name: str
    task: str
    config: str
    size: tuple[int, int]
    images: int
    seconds: float
    base: bool = False


LRASPP = "lraspp_v3_large_reduced_os16_cityscapes"
POINTS = (
    Measured("step, SSDLite V3-Large", "detection", "ssdlite_v3_large_reduced_coco", (320, 320), 16, 0.74, base=True),
    Measured("step, LR-ASPP V3-Large", "segmentation", LRASPP, (360, 480), 8, 0.69, base=True),
    Measured("training, BCCD", "detection", "ssdlite_v3_small_reduced_bccd", (0, 0), 1500 * 16, 845),
    Measured("training, COCO128", "detection", "ssdlite_v3_small_coco128", (0, 0), 800 * 16, 580),
    Measured("training, CamVid", "segmentation", "lraspp_v3_small_camvid", (288, 384), 2500 * 8, 3077),
)


def network(name, size=None):
    """Return the multiply-adds and the parameters of a config's network for one image at a size."""
    config = load_config(name)
    settings = config.model.to_dict()
    if settings.get("num_classes") is None:
        settings["num_classes"] = 80 if "ssdlite" in name else 19
    model = MODELS.build(settings)
    if size is None or 0 in size:
        size = tuple(getattr(model, "input_size", None) or size)
    counts = count_layers(model, size)
    return total_madds(counts), total_params(counts, norm=True), config


def rates():
    """Return the multiply-adds per second of training on two cores, by task."""
    steps = [point for point in POINTS if point.base]
    return {one.task: 3 * network(one.config, one.size)[0] * one.images / one.seconds for one in steps}


def check():
    by_task = rates()
    print("two cores, predicted from one step per task; the trainings shared them with evaluations and other work:")
    for point in POINTS:
        madds, _, _ = network(point.config, point.size)
        loading = 0 if point.base else CPU_LOADING[point.task] / 2
        predicted = point.images * (3 * madds / by_task[point.task] + loading)
        ratio = predicted / point.seconds
        how = "gives the rate" if point.base else f"{100 * ratio:.0f} % of the measured time"
        print(f"  {point.name:24} {point.seconds:8.1f} s measured, {predicted:8.1f} s predicted: {how}")
    for task, rate in by_task.items():
        print(f"  {task}: {rate / 1e9:.1f} G multiply-adds per second on two cores")


@dataclass(frozen=True)
class Cost:
    """The cost of one training on a number of GPUs; times in seconds per step of one GPU."""

    gpus: int
    batch: int  # per GPU
    arithmetic: float
    loading: float
    disk: float
    exchange: float

    @property
    def step(self):
        return max(self.arithmetic + self.exchange, self.loading, self.disk)

    @property
    def limit(self):
        parts = {"network": self.arithmetic, "loader": self.loading, "disk": self.disk}
        first = max(parts, key=parts.get)
        return "exchange" if first == "network" and self.exchange > self.arithmetic else first


def cost(task, madds, params, total_batch, gpus, arguments):
    batch = max(1, math.ceil(total_batch / gpus))
    bandwidth = arguments.inside if gpus <= PER_NODE else arguments.between
    return Cost(
        gpus,
        batch,
        3 * madds * batch / (1e12 * arguments.rates[task]),
        batch * LOADING[task][0] / arguments.cores,
        batch * BYTES[task][0] * min(gpus, PER_NODE) / (1e6 * arguments.disk),
        2 * (gpus - 1) / gpus * 4 * params / (1e9 * bandwidth) if gpus > 1 else 0.0,
    )


def table(arguments):
    names = sorted(path.stem for path in CONFIGS.glob("*/*.py") if "\npaper = dict(table=" in path.read_text())
    rows = []
    for name in names:
        task = "detection" if (CONFIGS / "detection" / f"{name}.py").exists() else "segmentation"
        madds, params, config = network(name, CROP[task])
        if config.paper["table"] in TABLES and not name.startswith(OTHERS):
            rows.append((config.paper["table"], config.paper["row"], name, task, madds, params, config))
    print(f"{len(rows)} configs; hours / GPU-hours, images per second per GPU, and what limits a step")
    print(f"{'table, row, config':62}" + "".join(f"{f'{gpus} GPU':>34}" for gpus in GPUS))
    for number, row, name, task, madds, params, config in sorted(rows, key=lambda one: one[:2]):
        total = config.get("total_batch", config.train_dataloader.batch_size)
        cells = []
        for gpus in GPUS:
            one = cost(task, madds, params, total, gpus, arguments)
            hours = one.step * config.train_cfg.max_iters / 3600
            cells.append(f"{hours:8.1f} / {hours * gpus:8.1f}  {one.batch / one.step:6.0f} {one.limit:>8}")
        print(f"{number}, {row:2}, {name:54}" + "".join(f"{cell:>34}" for cell in cells))


def needs(arguments):
    """Print what a GPU must be fed with at the rate of its arithmetic, for large and small networks."""
    print("\nwanted per GPU where its arithmetic is the limit:")
    for task, name in (
        ("detection", "ssdlite_v3_small_reduced_coco"),
        ("detection", "ssdlite_v3_large_coco"),
        ("segmentation", "lraspp_v3_small_reduced_os16_cityscapes"),
        ("segmentation", "raspp_v2_no_last_os16_cityscapes"),
    ):
        madds, _, _ = network(name, CROP[task])
        images = 1e12 * arguments.rates[task] / (3 * madds)
        print(
            f"  {name:42} {images:6.0f} images/s, {images * LOADING[task][0]:6.1f} cores, "
            f"{images * BYTES[task][0] / 1e6:6.0f} MB/s from the disk"
        )


def assumptions(arguments):
    star = {True: "", False: " *"}
    print("figures used (* = an assumption, not measured by this project):")
    for task in LOADING:
        seconds, measured = LOADING[task]
        size, known = BYTES[task]
        print(
            f"  {task}: {arguments.rates[task]:g} T multiply-adds/s per GPU *, loader {1000 * seconds:.1f} ms of a "
            f"core per image{star[measured]}, {size / 1e6:.2f} MB per image{star[known]}"
        )
    print(
        f"  {arguments.cores} cores per GPU *, disk {arguments.disk:g} MB/s per node *, gradients {arguments.inside:g} "
        f"GB/s in a node *, {arguments.between:g} GB/s between nodes *"
    )


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu-rate", nargs="+", default=[], metavar="TASK=T", help="T multiply-adds per second")
    parser.add_argument("--cores", type=float, default=8, help="per GPU, for the loader")
    parser.add_argument("--disk", type=float, default=500, help="MB/s of a node's disk")
    parser.add_argument("--inside", type=float, default=300, help="GB/s between the GPUs of a node")
    parser.add_argument("--between", type=float, default=12.5, help="GB/s between nodes")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    given = {task: float(rate) for task, _, rate in (text.partition("=") for text in arguments.gpu_rate)}
    if unknown := set(given) - set(ASSUMED_GPU):
        parser.error(f"--gpu-rate {min(unknown)}: the tasks are {', '.join(ASSUMED_GPU)}")
    arguments.rates = ASSUMED_GPU | given
    return arguments


def main():
    arguments = parse()
    if arguments.check:
        check()
        return
    assumptions(arguments)
    table(arguments)
    needs(arguments)


if __name__ == "__main__":
    main()
