"""The summary printed before a run starts: model, device, length, batch and results folder."""

from __future__ import annotations

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from densevision.errors import UserError, listed


def machine_lines(runner: Runner) -> list[str]:
    """Describe the model and the device."""
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


def training_lines(runner: Runner, *, evaluates: bool) -> list[str]:
    """Describe the training that is about to start.

    Args:
        evaluates: whether there are val data.
    Raises:
        UserError: no parameter is trainable, or the model needs more images per batch.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    config, loader = runner.cfg, runner.train_dataloader
    if not count_parameters(model)[1]:
        raise UserError("no parameter of the model is trainable: all are frozen; keep requires_grad on for some")
    _check_batch(model, loader.batch_size)
    return [
        *machine_lines(runner),
        *_length_lines(runner, evaluates=evaluates),
        *runner.rate_lines,
        f"results: {runner.work_dir if runner.keeps_results else 'none are kept'}",
        *(f"warning: {line}" for line in (*runner.notes, *_batch_notes(runner, model), *_rate_notes(config))),
    ]


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return the number of a network's parameters, and of those that are trained; not those for training only."""
    parts = getattr(model, "training_only", ())
    named = [(name.partition(".")[0], parameter) for name, parameter in model.named_parameters()]
    sizes = [(parameter.numel(), parameter.requires_grad) for part, parameter in named if part not in parts]
    return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)


def _length_lines(runner: Runner, *, evaluates: bool) -> list[str]:
    limit = runner.cfg.train_cfg.get("max_time")
    if limit is None or runner._resume:
        return [length_line(runner, evaluates=evaluates)]
    return [f"time limit {limit}: the schedule of {runner.cfg.train_cfg.max_iters:,} iterations will be scaled to it"]


def length_line(runner: Runner, *, evaluates: bool = True) -> str:
    """Describe the length of a training and how often it is evaluated."""
    return f"{_length(runner)}; {_evaluations(runner.cfg) if evaluates else 'no evaluation'}"


def _length(runner: Runner) -> str:
    iterations, images = runner.cfg.train_cfg.max_iters, len(runner.train_dataloader.dataset)
    batch = runner.train_dataloader.batch_size * runner.world_size
    passes = iterations * batch / images
    work = f"{_counted(iterations, 'iteration', 's')} of {_counted(batch, 'image', 's')}"
    return f"{work} = {passes:,.3g} epochs of {_counted(images, 'image', 's')}"


def _evaluations(config: Config) -> str:
    interval, iterations = config.train_cfg.get("val_interval", 1000), config.train_cfg.max_iters
    return "evaluation at the end" if interval >= iterations else f"evaluation every {interval:,} iterations"


def _check_batch(model: nn.Module, batch: int) -> None:
    for module in model.modules():
        least = getattr(module, "smallest_batch", 1)
        if batch < least:
            raise UserError(
                f"train_dataloader.batch_size is {batch}; {type(module).__name__} needs at least {least} images per "
                f"batch in each process; increase train_dataloader.batch_size"
            )


def _batch_notes(runner: Runner, model: nn.Module) -> list[str]:
    batch, notes = runner.train_dataloader.batch_size, []
    if batch == 1 and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        notes.append(
            "train_dataloader.batch_size is 1: batch norms see a single image, and use their running statistics on "
            "maps of one pixel"
        )
    expected = runner.cfg.get("total_batch")
    per_step = batch * runner.world_size * runner.cfg.optim_wrapper.get("accumulative_counts", 1)
    if expected and expected != per_step:
        notes.append(
            f"{_step(runner)}, but the config's learning rate is for {expected:,} (total_batch): "
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
    expected, batch = runner.cfg.total_batch, runner.train_dataloader.batch_size
    rate = runner.cfg.optim_wrapper.get("optimizer", {}).get("lr")
    remedies = [f"run {_counted(expected // batch, 'process', 'es')}"] if expected % batch == 0 else []
    if rate:
        remedies.append(f"scale optim_wrapper.optimizer.lr from {rate:g} to {rate * per_step / expected:.3g}")
    return " or ".join([*remedies, f"set total_batch={per_step} if this is intended"])


def _counted(number: int, noun: str, plural: str) -> str:
    return f"{number:,} {noun}{plural if number != 1 else ''}"


def _rate_notes(config: Config) -> list[str]:
    if config.optim_wrapper.get("optimizer", {}).get("lr") == 0:
        return ["optim_wrapper.optimizer.lr is 0: no weight will change"]
    return []
