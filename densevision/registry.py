"""mmengine child registries under the scope ``densevision``.

The package's configs import classes; the registered names are for text-style configs of other projects
(``type='densevision.SSDLite'``). Every root registry has a child: without one, mmengine warns at each build.
"""

import mmengine.registry as root

_TASKS = ("classification", "detection", "segmentation")
_LOCATIONS = {
    "data sampler": ["densevision.data.sampler"],
    "hook": [
        "densevision.segmentation.balance",
        *(f"densevision.training.{name}" for name in ("average", "checkpoint_hook", "curves", "progress")),
    ],
    "loop": ["densevision.training.loop"],
    "optimizer wrapper constructor": ["densevision.training.optim"],
    "model": [*(f"densevision.{task}.model" for task in _TASKS), "densevision.segmentation.comparison"],
    "dataset": [
        "densevision.classification.dataset",
        "densevision.detection.coco",
        "densevision.segmentation.cityscapes",
        "densevision.segmentation.masks",
        "densevision.segmentation.polygons",
    ],
    "optim_wrapper": ["densevision.training.optim"],
    "optimizer": ["densevision.training.muon", "densevision.training.rmsprop"],
    "metric": [f"densevision.{task}.metric" for task in _TASKS],
    "transform": [
        "densevision.data.augment",
        *(f"densevision.{task}.transforms" for task in _TASKS),
        "densevision.detection.mixing",
    ],
}


def _child(parent: root.Registry) -> root.Registry:
    locations = _LOCATIONS.get(parent.name, ["densevision.registry"])
    return root.Registry(parent.name, parent=parent, scope="densevision", locations=locations)


DATASETS = _child(root.DATASETS)
DATA_SAMPLERS = _child(root.DATA_SAMPLERS)
EVALUATOR = _child(root.EVALUATOR)
FUNCTIONS = _child(root.FUNCTIONS)
HOOKS = _child(root.HOOKS)
LOG_PROCESSORS = _child(root.LOG_PROCESSORS)
LOOPS = _child(root.LOOPS)
METRICS = _child(root.METRICS)
MODELS = _child(root.MODELS)
OPTIM_WRAPPERS = _child(root.OPTIM_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child(root.OPTIM_WRAPPER_CONSTRUCTORS)
OPTIMIZERS = _child(root.OPTIMIZERS)
PARAM_SCHEDULERS = _child(root.PARAM_SCHEDULERS)
TRANSFORMS = _child(root.TRANSFORMS)
_REST = [
    _child(registry)
    for name, registry in list(vars(root).items())
    if isinstance(registry, root.Registry) and name not in globals()
]
