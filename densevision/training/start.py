"""What a person should know before hours are spent: model, device, length, batch, results."""

from __future__ import annotations

import torch
from mmengine.device import get_device
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from densevision.errors import UserError, listed


def machine_lines(runner: Runner) -> list[str]:
    """Describe model and device."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    total, trainable = count_parameters(model)
    split = f", {trainable:,} trainable, {total - trainable:,} frozen" if trainable < total else ""
    device = get_device()
    if device == "cuda":
        device = f"cuda ({torch.cuda.get_device_name()})"
    processes = f", {runner.world_size} processes" if runner.world_size > 1 else ""
    return [
        f"model: {type(model).__name__}, {total:,} parameters{split}",
        f"device: {device}, {torch.get_num_threads()} threads{processes}",
    ]


def training_lines(runner: Runner) -> list[str]:
    """Describe the training that is about to start.

    Raises:
        UserError: no parameter is trainable, or the model needs more images per batch.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    config, loader = runner.cfg, runner.train_dataloader
    if not count_parameters(model)[1]:
        raise UserError("no parameter of the model is trainable: all are frozen; leave requires_grad on for some")
    _check_batch(model, loader.batch_size)
    return [
        *machine_lines(runner),
        f"{_length(runner)}; {_evaluations(runner)}",
        f"results: {runner.work_dir}",
        *(f"warning: {line}" for line in (*runner.notes, *_batch_notes(runner, model))),
        *([f"warning: {_zero_rate(config)}"] if _zero_rate(config) else []),
    ]


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return how many parameters a model has, and how many of them are trained."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)


def _length(runner: Runner) -> str:
    iterations, images = runner.cfg.train_cfg.max_iters, len(runner.train_dataloader.dataset)
    batch = runner.train_dataloader.batch_size * runner.world_size
    passes = iterations * batch / images
    made = f"{_counted(iterations, 'iteration', 's')} of {_counted(batch, 'image', 's')}"
    return f"{made} = {passes:,.3g} epochs of {_counted(images, 'image', 's')}"


def _evaluations(runner: Runner) -> str:
    if runner._dataset("val") is None:
        return "no evaluation"
    interval, iterations = runner.cfg.train_cfg.get("val_interval", 1000), runner.cfg.train_cfg.max_iters
    when = "at the end" if interval >= iterations else f"every {interval:,} iterations"
    return f"evaluation {when}"


def _check_batch(model: nn.Module, batch: int) -> None:
    for module in model.modules():
        least = getattr(module, "smallest_batch", 1)
        if batch < least:
            raise UserError(
                f"train_dataloader.batch_size is {batch}; {type(module).__name__} trains on {least} images a batch "
                f"or more in each process; raise train_dataloader.batch_size"
            )


def _batch_notes(runner: Runner, model: nn.Module) -> list[str]:
    batch, notes = runner.train_dataloader.batch_size, []
    if batch == 1 and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        notes.append(
            "train_dataloader.batch_size is 1: batch norms see a single image, and keep their running statistics "
            "on maps of one pixel"
        )
    made_for = runner.cfg.get("total_batch")
    per_step = batch * runner.world_size * runner.cfg.optim_wrapper.get("accumulative_counts", 1)
    if made_for and made_for != per_step:
        notes.append(
            f"{_step(runner)}, but the config's rate was chosen for {made_for:,} (total_batch): "
            f"{_advice(runner, per_step)}"
        )
    return notes


def _step(runner: Runner) -> str:
    batch, processes = runner.train_dataloader.batch_size, runner.world_size
    accumulated = runner.cfg.optim_wrapper.get("accumulative_counts", 1)
    factors = [f"{_counted(processes, 'process', 'es')} of {batch}"]
    factors += [f"{accumulated} batches accumulated"] if accumulated > 1 else []
    images = _counted(batch * processes * accumulated, "image", "s")
    return f"{images} per step ({listed(factors)})"


def _advice(runner: Runner, per_step: int) -> str:
    made_for, batch = runner.cfg.total_batch, runner.train_dataloader.batch_size
    rate = runner.cfg.optim_wrapper.get("optimizer", {}).get("lr")
    ways = [f"run {_counted(made_for // batch, 'process', 'es')}"] if made_for % batch == 0 else []
    if rate:
        ways.append(f"scale optim_wrapper.optimizer.lr from {rate:g} to {rate * per_step / made_for:.3g}")
    return " or ".join([*ways, f"set total_batch={per_step} if that is meant"])


def _counted(number: int, noun: str, plural: str) -> str:
    return f"{number:,} {noun}{plural if number != 1 else ''}"


def _zero_rate(config) -> str | None:
    if config.optim_wrapper.get("optimizer", {}).get("lr") == 0:
        return "optim_wrapper.optimizer.lr is 0: no weight will change"
    return None
