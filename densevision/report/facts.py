"""Facts about a model and this machine: size, multiply-adds, time per image, versions."""

from __future__ import annotations

import contextlib
import copy
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.model import is_model_wrapper
from torch import nn

import densevision
from densevision.benchmark.local import cpu_name
from densevision.benchmark.timing import time_models
from densevision.complexity import count_layers, total_madds, total_params
from densevision.inference.metadata import read_model_info

_SECONDS, _MOST, _LEAST = 0.2, 20, 3  # of timing
_PACKAGES = ("torch", "mmengine", "numpy", "pycocotools", "albumentations", "opencv-python-headless")


def describe_model(model: nn.Module | Path, size: tuple[int, int] | None) -> dict[str, Any]:
    """Return name, size, multiply-adds and time of a network or a .tflite; what can't be determined is left out.

    Args:
        size: (height, width) of the input; None leaves out what depends on it.
    """
    if isinstance(model, Path):
        return _describe_file(model)
    network: Any = model.module if is_model_wrapper(model) else model
    parts = getattr(network, "training_only", ())
    parameters = [value for name, value in network.named_parameters() if name.partition(".")[0] not in parts]
    facts: dict[str, Any] = dict(
        name=type(network).__name__,
        parameters=sum(weights.numel() for weights in parameters),
        weights_bytes=sum(weights.numel() * weights.element_size() for weights in parameters),
    )
    if size is None:
        return facts
    facts["input_size"] = list(size)
    try:
        network = copy.deepcopy(network).cpu().float().eval()
        facts |= _time_network(network, size)
        counts = count_layers(network, size)
        facts |= dict(parameters=total_params(counts, norm=True), madds=total_madds(counts))
    except Exception:  # a model of the user's own need not run on a single tensor
        facts["note"] = "multiply-adds and time: this model does not run on a tensor of images alone"
    return facts


def _time_network(network: nn.Module, size: tuple[int, int]) -> dict[str, Any]:
    image = torch.zeros(1, 3, *size)
    times: list[float] = []
    with torch.inference_mode():
        network(image)
        started = time.perf_counter()
        while len(times) < _LEAST or len(times) < _MOST and time.perf_counter() - started < _SECONDS:
            begin = time.perf_counter()
            network(image)
            times.append(1e3 * (time.perf_counter() - begin))
    return dict(latency_ms=float(np.median(times)), latency_runs=len(times), latency_by=_by("torch"))


def _by(runtime: str, threads: int | None = None) -> str:
    threads = threads or torch.get_num_threads()
    return f"{runtime} on the CPU, {threads} thread{'s' if threads > 1 else ''}, the network alone"


def _describe_file(path: Path) -> dict[str, Any]:
    about = read_model_info(path)
    (timing,) = time_models([path], runs=_MOST // 2)
    return dict(
        name=path.name,
        file_bytes=path.stat().st_size,
        quantize=about.quantize,
        input_size=list(about.size),
        latency_ms=timing.median_ms,
        latency_runs=_MOST // 2,
        latency_by=_by("TFLite", 1),
    )


def describe_environment() -> dict[str, str]:
    """Return what a figure of this machine must be quoted with."""
    versions = []
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    return dict(
        densevision=densevision.__version__,
        Python=platform.python_version(),
        packages=", ".join(versions),
        system=platform.platform(terse=True),
        processor=cpu_name(),
        GPU=torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        threads=str(torch.get_num_threads()),
    )
