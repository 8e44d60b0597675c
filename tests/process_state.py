"""Use the whole package as a library in a process of its own, and print what it changed in the process.

Run as ``python -m tests.process_state FOLDER [OVERRIDE ...] [export]``.
"""

import atexit
import importlib
import locale
import logging
import os
import pkgutil
import random
import resource
import signal
import sys
import threading
import warnings
from pathlib import Path

# Other packages' side effects at import are theirs: they happen before the first look, and this package's after it.
import albumentations
import cv2
import litert_torch
import matplotlib.pyplot
import mmengine.runner
import numpy
import pycocotools.coco
import torch

LIBRARIES = (albumentations, litert_torch, mmengine.runner, pycocotools.coco)


def process_state() -> dict[str, object]:
    backends = torch.backends
    return dict(
        atexit=atexit._ncallbacks(),
        denormals=(torch.tensor([1e-40]) * torch.tensor([1.0])).item() > 0,
        environment=dict(os.environ),
        folder=os.getcwd(),
        path=list(sys.path),
        hooks=[sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook, sys.breakpointhook],
        streams=[sys.stdout, sys.stderr, sys.stdin],
        signals={number: signal.getsignal(number) for number in signal.valid_signals() - {signal.SIGCHLD}},  # torch's
        locale=locale.setlocale(locale.LC_ALL),
        limits=[resource.getrlimit(kind) for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS)],
        cores=os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        filters=list(warnings.filters),
        logging=[logging.root.level, list(logging.root.handlers), logging.root.manager.disable],
        recursion=sys.getrecursionlimit(),
        opencv=[cv2.getNumThreads(), cv2.utils.logging.getLogLevel()],
        matplotlib=dict(matplotlib.rcParams),
        threads=[torch.get_num_threads(), torch.get_num_interop_threads()],
        start_method=torch.multiprocessing.get_start_method(allow_none=True),
        sharing=torch.multiprocessing.get_sharing_strategy(),
        cudnn=[backends.cudnn.benchmark, backends.cudnn.deterministic, backends.cudnn.enabled],
        tf32=[backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision()],
        mkldnn=backends.mkldnn.enabled,
        deterministic=[
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ],
        gradient=[torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()],
        default=[torch.get_default_dtype(), torch.get_default_device()],
        print_options=numpy.get_printoptions(),
        errors=numpy.geterr(),
        random=[random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()],
    )


def import_everything() -> None:
    import densevision

    for module in pkgutil.walk_packages(densevision.__path__, "densevision."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def load_and_evaluate(folder: Path) -> None:
    import densevision
    from tests.export.toy import random_images
    from tests.export.toy_data import write_detector, write_segmentor

    for write in (write_detector, write_segmentor):
        place = folder / write.__name__
        place.mkdir()
        config, checkpoint = write(place)
        before = process_state()
        densevision.load(checkpoint, config=config)(random_images(1)[0])
        densevision.evaluate(checkpoint, config=config, work_dir=place / "results")
        report(write.__name__, before)


def build_graphs(folder: Path) -> None:
    from densevision.config.load import load_config
    from densevision.export.exporter import ExportOptions, make_exporter
    from densevision.inference.load import load_model
    from tests.export.toy import random_images

    for name in ("write_detector", "write_segmentor"):
        model, _ = load_model(load_config(folder / name / "config.py"), folder / name / "model.pth")
        make_exporter(model, ExportOptions(size=(64, 96))).check_graph(random_images(1)[0])


def export(folder: Path) -> None:
    import densevision

    before = process_state()
    del before["atexit"]  # of the packages that the converter imports
    place = folder / "write_segmentor"
    densevision.export(place / "model.pth", folder / "model.tflite", place / "config.py")
    report("an export", before)


def train(folder: Path, overrides: list[str]) -> None:
    from tests.training.toy_runs import make_runner

    before = process_state()
    runner = make_runner(folder, "train_cfg.max_iters=1", "train_dataloader.num_workers=1", *overrides)
    report("building a runner", before)
    runner.train()
    report("training", before)
    runner.val()
    runner.test()
    report("an evaluation", before)


def report(step: str, before: dict[str, object]) -> None:
    now = process_state()
    for name, value in before.items():
        if now[name] != value:
            print("CHANGED by", step, name, *differing(value, now[name]))


def differing(before: object, after: object) -> list[object]:
    """Return the items that differ, not the contents of the whole environment."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [(key, after.get(key)) for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return [before, after] if len(str(before)) < 500 else []


def main(folder: Path, words: list[str]) -> None:
    random.seed(7)
    numpy.random.seed(7)
    torch.manual_seed(7)
    address = address_space_kb()
    before = process_state()
    import_everything()
    report("imports", before)
    load_and_evaluate(folder)
    before = process_state()
    build_graphs(folder)
    report("export graphs", before)
    if "export" in words:
        export(folder)
    train(folder / "run", [word for word in words if word != "export"])
    print("ADDRESS SPACE IN KB", address_space_kb() - address)


def address_space_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmSize"))
    return int(line.split()[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
