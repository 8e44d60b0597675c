"""Where in a config a ``type`` may stand, and what it may name there.

One row per kind of part. A task adds models, data sets and metrics to the registries and needs no row of its own.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict, _ParamScheduler
from mmengine.registry import LOG_PROCESSORS, VISBACKENDS, VISUALIZERS, Registry
from mmengine.runner import BaseLoop, LogProcessor
from mmengine.visualization import BaseVisBackend, Visualizer
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import Dataset, Sampler

from densevision import registry


@dataclass(frozen=True)
class Place:
    """A kind of part.

    Attributes:
        pattern: of the dotted keys where it stands.
        registry: of the names that its ``type`` may have.
        noun: for messages.
        methods: that the class of a part has.
        base: class of all parts of this kind, None where ``methods`` are enough.
    """

    pattern: str
    registry: Registry
    noun: str
    methods: tuple[str, ...] = ()
    base: type | None = None

    def accepts(self, kind: Any) -> bool:
        """Whether a class may stand here; a function that builds a part is not looked into."""
        if not isinstance(kind, type):
            return True
        if self.base is not None and not issubclass(kind, self.base):
            return False
        return all(hasattr(kind, method) for method in self.methods)


_EVALUATORS = r"(val|test)_evaluator"
PLACES = (
    Place(r"model", registry.MODELS, "torch Module with train_step and val_step", (), nn.Module),
    Place(r"\w+_dataloader\.dataset", registry.DATASETS, "data set", ("__getitem__", "__len__")),
    Place(r"\w+_dataloader\.(batch_)?sampler", registry.DATA_SAMPLERS, "sampler", ("__iter__",)),
    Place(r"\w+_dataloader\.(collate_fn|worker_init_fn)", registry.FUNCTIONS, "function"),
    Place(_EVALUATORS, registry.METRICS, "metric", ("process", "evaluate")),
    Place(rf"{_EVALUATORS}(\.metrics)?(\.\d+)?", registry.METRICS, "metric", ("process", "compute_metrics")),
    Place(r"(train|val|test)_cfg", registry.LOOPS, "loop", ("run",)),
    Place(r"optim_wrapper", registry.OPTIM_WRAPPERS, "optimizer wrapper", ("update_params",)),
    Place(r"optim_wrapper\.optimizer", registry.OPTIMIZERS, "torch Optimizer", (), Optimizer),
    Place(r"param_scheduler(\.\d+)?", registry.PARAM_SCHEDULERS, "schedule of mmengine", (), _ParamScheduler),
    Place(r"default_hooks\.\w+|custom_hooks\.\d+", registry.HOOKS, "mmengine Hook", (), Hook),
    Place(r"visualizer", VISUALIZERS, "mmengine Visualizer", (), Visualizer),
    Place(r"visualizer\.vis_backends\.\d+", VISBACKENDS, "backend of a Visualizer", (), BaseVisBackend),
    Place(r"log_processor", LOG_PROCESSORS, "mmengine LogProcessor", (), LogProcessor),
    Place(
        r".+\.transforms\.\d+",
        registry.TRANSFORMS,
        "transform of albumentations",
        ("set_random_state", "available_keys"),
    ),
)
# Classes that a text may name by their module although they are in no registry.
_KINDS = (
    *(nn.Module, Dataset, Sampler, BaseMetric, Evaluator, BaseLoop, OptimWrapper, OptimWrapperDict, Optimizer),
    *(_ParamScheduler, Hook, Visualizer, BaseVisBackend, LogProcessor),
)


@functools.lru_cache(4096)
def place_of(key: str) -> Place | None:
    """Return what stands at a dotted key; None for a key that only the part above it knows."""
    return next((place for place in PLACES if re.fullmatch(place.pattern, key)), None)


def is_part(kind: object) -> bool:
    """Whether this is a class of a kind that a config has parts of."""
    return isinstance(kind, type) and issubclass(kind, _KINDS)
