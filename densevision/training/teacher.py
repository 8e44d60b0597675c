"""A teacher: a trained network whose outputs a training follows, and which no result of the training contains."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from densevision.checkpoints.config import checkpoint_config
from densevision.checkpoints.model import load_model
from densevision.config.teacher import TeacherOptions
from densevision.errors import UserError, listed
from densevision.registry import MODELS
from densevision.training.changes import TEACHER
from densevision.training.start import count_parameters

if TYPE_CHECKING:
    from densevision.training.runner import DenseRunner


class Teacher:
    """A trained network and the loss that compares a model's outputs with its own.

    It is no module, so that it is in no state dict, average, optimizer or count of the model that it is set on.

    Args:
        network: in evaluation mode.
        loss: with ``check(model, network)``, ``targets(network, images, columns)``, and a call with the model, its
            outputs, the targets and the samples, which returns summed losses by name and the sum of their weights.
        columns: of the network's classes, for each class of the model.
    """

    def __init__(self, network: Any, loss: Any, columns: Sequence[int]):
        self.network, self.loss, self.columns = network.requires_grad_(False), loss, list(columns)

    def __call__(self, model: Any, images: Tensor, outputs: Any, samples: Sequence) -> dict[str, Tensor]:
        """Return the losses by name, per weight over all processes.

        Args:
            model: that is trained.
            images: [N, 3, H, W], normalized as for ``model``.
            outputs: of the model for the images.
        """
        if next(self.network.parameters()).device != images.device:
            self.network.to(images.device)
        with torch.no_grad():
            targets = self.loss.targets(self.network, self._normalized(images, model), self.columns)
        sums, weight = self.loss(model, outputs, targets, samples)
        all_reduce(weight, op="mean")
        return {f"loss_{name}": value / weight.clamp(min=1) for name, value in sums.items()}

    def _normalized(self, images: Tensor, model: Any) -> Tensor:
        ours, theirs = model.data_preprocessor, self.network.data_preprocessor
        if torch.equal(ours.mean, theirs.mean) and torch.equal(ours.std, theirs.std):
            return images
        return images * (ours.std / theirs.std) + (ours.mean - theirs.mean) / theirs.std


class TeacherHook(Hook):
    """Set a model's teacher while it is trained, after its moving average has been copied from it."""

    def __init__(self, teacher: Teacher):
        self.teacher = teacher

    def before_train(self, runner: DenseRunner) -> None:
        """Set the teacher, and remove it when the training ends."""
        model = _model(runner)
        model.teacher = self.teacher
        runner.on_exit.callback(setattr, model, "teacher", None)


def add_teacher(runner: DenseRunner) -> list[str]:
    """Add the teacher that the config names to a training that is about to start.

    Returns:
        A line about it; none without a teacher.
    Raises:
        UserError: there is no such checkpoint, or its network is none for this model.
    """
    if runner.cfg.get("teacher") is None:
        return []
    options, model = TeacherOptions.parse(runner.cfg.teacher), _model(runner)
    path = Path(options.checkpoint)
    if path.resolve().parent == Path(runner.work_dir).resolve():
        raise UserError(f"teacher: {path} is in this training's own results folder; choose another --work-dir")
    teacher = load_teacher(options, model, runner._model_classes())
    runner.stored_config[TEACHER] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    runner.register_hook(TeacherHook(teacher))
    network = teacher.network
    return [f"teacher: {path}, {type(network).__name__}, {count_parameters(network)[0]:,} parameters"]


def load_teacher(options: TeacherOptions, model: Any, classes: Sequence[str]) -> Teacher:
    """Load the network of a checkpoint as the teacher of a model.

    Args:
        classes: of the model, in label order.
    Raises:
        UserError: see ``add_teacher``.
    """
    path = options.checkpoint
    if not hasattr(model, "distillation"):
        raise UserError(f"teacher: {type(model).__name__} takes no teacher; a detector and a segmentation model do")
    try:
        network, info = load_model(checkpoint_config(path, only_model=True), path)
    except UserError as error:
        raise UserError(f"teacher: {error}") from error
    if (task := getattr(network, "task", "another task")) != model.task:
        raise UserError(f"teacher: {path} is for {task}, the model for {model.task}")
    if not classes:
        raise UserError("teacher: the training data name no classes, by which the teacher's could be found")
    unknown = [name for name in classes if name not in info["classes"]]
    if unknown:
        raise UserError(
            f"teacher: {path} does not know {listed(unknown, 8)}; it has the classes {listed(info['classes'], 8)}"
        )
    loss = MODELS.build(dict(options.loss)) if options.loss else model.distillation()
    if not isinstance(loss, model.distillation):
        kind = type(loss).__name__
        raise UserError(f"teacher.loss is {kind}; for {model.task} it is {model.distillation.__name__}")
    loss.check(model, network, path)
    return Teacher(network, loss, [info["classes"].index(name) for name in classes])


def _model(runner: Runner) -> Any:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
