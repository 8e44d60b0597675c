"""The components of V3-Large one by one, as classifiers at 224x224: section 5.1 and Figure 9 of the paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from densevision.backbones.classifier import Classifier
from densevision.backbones.spec import BackboneSpec, original_last_stage, place_hswish, wide_stem, without_se
from densevision.backbones.tables import LARGE
from densevision.benchmark.timing import Timing, time_models
from densevision.complexity import count_layers, total_madds, total_params
from densevision.paper.latency import export_classifier, make_folder

_SIZE = (224, 224)
_RUNS = 50
_RELU = place_hswish(LARGE, None)


@dataclass(frozen=True)
class Component:
    """A network of the series.

    Attributes:
        key: part of the name of its exported file.
        name: what is new in it.
        spec: its table.
    """

    key: str
    name: str
    spec: BackboneSpec


@dataclass(frozen=True)
class Measured:
    """A network, its counts with 1001 classes in millions, and its time on this machine if it was measured."""

    component: Component
    params: float
    madds: float
    timing: Timing | None = None

    @property
    def median_ms(self) -> float | None:
        return None if self.timing is None else self.timing.median_ms


# Section 5.1: "16 filters with h-swish" against the stem of V2 and MnasNet.
STEMS = (
    Component("stem32_relu", "32 filters, ReLU", wide_stem(LARGE)),
    Component("stem32_swish", "32 filters, swish", wide_stem(LARGE, "swish")),
    Component("v3_large", "16 filters, h-swish", LARGE),
)
STEM_STATEMENT = (
    "The paper: 16 filters with h-swish are as accurate as 32 with ReLU or swish, and save 2 ms on a Pixel 1 and "
    "10 M MAdds (section 5.1)."
)
# Figure 9: each network has the components of those before it.
STEPS = (
    Component("plain", "V3-Large's bottlenecks, ReLU", wide_stem(original_last_stage(without_se(_RELU)))),
    Component("se", "+ squeeze-and-excite", wide_stem(original_last_stage(_RELU))),
    Component("hswish", "+ h-swish from 80 channels", wide_stem(original_last_stage(LARGE))),
    Component("stem32_relu", "+ efficient last stage", wide_stem(LARGE)),
    Component("v3_large", "+ stem of 16, h-swish", LARGE),
)


def count_component(component: Component) -> Measured:
    """Count parameters and multiply-adds."""
    with torch.device("meta"):
        model = _build(component)
    counts = count_layers(model, _SIZE)
    return Measured(component, total_params(counts, norm=True) / 1e6, total_madds(counts) / 1e6)


def _build(component: Component) -> Classifier:
    return Classifier(component.spec, num_classes=1001)


def time_components(components: Sequence[Component], folder: Path, report: Callable[[str], None]) -> dict[str, Timing]:
    """Export the networks that the folder does not have, and time all with one thread, in interleaved rounds.

    Args:
        report: gets a line per step.
    Returns:
        The timings by key.
    Raises:
        UserError: litert-torch is missing, or the folder can't be written.
    """
    make_folder(folder)
    paths = [folder / f"component_{one.key}.tflite" for one in components]
    for one, path in zip(components, paths, strict=True):
        if not path.exists():
            report(f"exporting {path.stem}")
            export_classifier(partial(_build, one), _SIZE, path)
    report(f"timing {len(paths)} files, {_RUNS} rounds")
    timings = time_models(paths, runs=_RUNS)
    return {one.key: timing for one, timing in zip(components, timings, strict=True)}


def measure_components(
    folder: Path | None, report: Callable[[str], None]
) -> tuple[tuple[Measured, ...], tuple[Measured, ...]]:
    """Count, and in a folder also time, the networks of ``STEMS`` and of ``STEPS``."""
    unique = tuple({one.key: one for one in (*STEMS, *STEPS)}.values())
    times = time_components(unique, folder, report) if folder else {}

    def measure(component: Component) -> Measured:
        counted = count_component(component)
        return Measured(component, counted.params, counted.madds, times.get(component.key))

    return tuple(map(measure, STEMS)), tuple(map(measure, STEPS))
