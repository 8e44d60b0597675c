"""Apply the config's changes since a checkpoint to the training that resumes from it, or refuse them.

A checkpoint's ``meta.made_from`` has the settings that determine a training. mmengine takes learning rate, decay
and schedules from the checkpoint; here they come from the config, as if they had been set from the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from densevision.errors import UserError, listed

_PARTS = ("model", "train_dataloader", "optim_wrapper", "param_scheduler", "train_cfg", "randomness", "custom_hooks")
_RULES = ("default_hooks.ema", "default_hooks.checkpoint")
_RECORDED = (*_PARTS, "teacher", "val_dataloader.dataset", "val_evaluator", *_RULES)
# These, and the cache of a data set, do not change what is learned: the loaders' speed, and derived sizes.
_IGNORED = ("num_workers", "prefetch_factor", "persistent_workers", "pin_memory", "input_size")
_NEW_STATE = {"amsgrad", "centered"}  # they need state that the checkpoint's optimizer does not have
_FAMILY = {"betas", "momentum", "alpha", "rho", "lr_decay"}  # they identify an optimizer in old checkpoints
_SHOWN = 20  # lines
TEACHER = "teacher"  # in a checkpoint's meta: a digest of the file of the teacher's weights
_STRUCTURE = ("optim_wrapper.optimizer.type", "optim_wrapper.constructor")
_START_FROM = "undo that, or start a new training from its weights with init_from"


def made_from(runner: Runner) -> dict[str, Any]:
    """Record a training's settings (dotted config key -> plain value) and a few facts about the run."""
    settings: dict[str, object] = {}
    for part in _RECORDED:
        first, *rest = part.split(".")
        value = runner.cfg.get(first)
        for key in rest:
            value = value.get(key) if isinstance(value, Mapping) else None
        settings |= dict(_flat(value, part))
    settings = {key: value for key, value in settings.items() if not _ignored(key)}
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return {
        "settings": settings,
        "processes": runner.world_size,
        "train_images": len(runner.train_dataloader.dataset),
        "trained": [name for name, parameter in model.named_parameters() if parameter.requires_grad],
    }


class Resumed:
    """A checkpoint compared with the config of the training that resumes from it.

    Args:
        checkpoint: the content of the file.
        origin: path of the file, for messages.
    Attributes:
        changes: dotted config key -> (old, new) value; None if a value is not set.
        known: False for a checkpoint without a record of its settings.
    """

    def __init__(self, runner: Runner, checkpoint: dict, origin: str | Path):
        self.runner, self.origin = runner, origin
        self.meta = dict(checkpoint.get("meta", {}))
        optimizer = checkpoint.get("optimizer") or {}
        self.groups = optimizer.get("param_groups") or []
        self.parts = {key for key in ("param_schedulers", "ema_state_dict", "message_hub") if checkpoint.get(key)}
        self.parts |= {"optimizer state"} if optimizer.get("state") else set()
        record, self.now = self.meta.get("made_from"), made_from(runner)
        self.known = record is not None
        self.then = record or {}
        self.changes = _changes(self.then["settings"], self.now["settings"]) if self.known else {}

    def check(self) -> None:
        """Check that every change can be applied to a resumed training.

        Raises:
            UserError: names the change that can't.
        """
        done, last = self.meta.get("iter", 0), self.runner.cfg.train_cfg.max_iters
        if last < done:
            raise UserError(
                f"train_cfg.max_iters is {last}, but {self.origin} is already at iteration {done}; increase max_iters, "
                "or omit --resume to start from scratch"
            )
        if not self.groups:
            raise UserError(
                f"{self.origin} has only weights; resume from an iter_<n>.pth, or start from it with init_from"
            )
        self._check_whole()
        trained = _names_differ(self.then.get("trained"), self.now["trained"])
        if trained:
            raise UserError(f"{self.origin} does not fit this config: {trained}; {_START_FROM}")
        self._check_optimizer()
        self._check_optimizer_state()

    def _check_whole(self) -> None:
        """Check that the file has what its training had; a moving average that is new in the config may be missing."""
        settings = self.then.get("settings") or {}
        wanted = {"message_hub"}
        wanted |= {"param_schedulers"} if any(key.startswith("param_scheduler.") for key in settings) else set()
        wanted |= {"ema_state_dict"} if settings.get("default_hooks.ema.type") is not None else set()
        needs_state = self.groups[0].get("momentum") or "betas" in self.groups[0] or "alpha" in self.groups[0]
        wanted |= {"optimizer state"} if needs_state and self.meta.get("iter") else set()
        if missing := sorted(wanted - self.parts):
            raise UserError(
                f"{self.origin} is incomplete: it has no {', '.join(missing)}; resume from another iter_<n>.pth, or "
                "start from its weights with init_from"
            )

    def _check_optimizer(self) -> None:
        groups = self.runner.optim_wrapper.optimizer.param_groups
        old_sizes, new_sizes = ([len(group["params"]) for group in each] for each in (self.groups, groups))
        other_family = any((key in self.groups[0]) != (key in groups[0]) for key in _FAMILY)
        if _STRUCTURE[0] not in self.changes and not other_family and old_sizes == new_sizes:
            return
        changed = [
            f"{key} is {_shorten(new)}, was {_shorten(old)}"
            for key, (old, new) in self.changes.items()
            if key in _STRUCTURE or key.startswith("optim_wrapper.paramwise_cfg")
        ]
        fault = "; ".join(changed) or f"its groups have {old_sizes} tensors, the config's {new_sizes}"
        raise UserError(f"{self.origin} does not fit this config's optimizer: {fault}; {_START_FROM}")

    def _check_optimizer_state(self) -> None:
        is_rmsprop = "alpha" in self.groups[0]
        for key, (old, new) in self.changes.items():
            name = key.rpartition(".")[2]
            needs_state = name in _NEW_STATE or name == "momentum" and is_rmsprop
            if key.startswith("optim_wrapper.optimizer.") and needs_state and new and not old:
                raise UserError(
                    f"{key} can't be switched on in a resumed training: {self.origin} has no state for it; "
                    f"{_START_FROM}"
                )

    def adapt(self, checkpoint: dict) -> None:
        """Change what mmengine would take from the checkpoint although the config says otherwise."""
        sampler, meta = self.runner.train_dataloader.sampler, checkpoint["meta"]
        if self.runner.cfg.get("randomness", {}).get("seed") is None:
            sampler.seed = meta.get("seed", sampler.seed)
        else:
            meta["seed"] = self.runner.seed
        meta["dataset_meta"] = getattr(self.runner.train_dataloader.dataset, "metainfo", None)
        if not any(isinstance(hook, EMAHook) for hook in self.runner.hooks):
            for name, tensor in checkpoint.pop("ema_state_dict", {}).items():
                if name.startswith("module."):  # the trained weights, not their average
                    checkpoint["state_dict"][name.removeprefix("module.")] = tensor

    @property
    def rebuilds(self) -> bool:
        """Whether learning rate, decay and schedules are rebuilt from the config."""
        return not self.known or any(
            key.startswith(("optim_wrapper.optimizer", "optim_wrapper.paramwise_cfg", "param_scheduler"))
            for key in self.changes
        )

    @property
    def late_from(self) -> int | None:
        """The sampler's ``late_from`` in the checkpoint; None if the length, the batches or the data changed."""
        changed = any(key.startswith(("train_cfg.max_iters", "train_dataloader")) for key in self.changes)
        return None if changed or self._other_batch else self.meta.get("late_from")

    @property
    def other_evaluation(self) -> bool:
        """Whether earlier scores can't be compared with later ones."""
        return any(key.startswith(("val_", "default_hooks.checkpoint.save_best")) for key in self.changes)

    @property
    def _chooses_best(self) -> bool:
        settings = self.now["settings"]
        evaluates = any(key.startswith("val_dataloader.dataset") for key in settings if settings[key] is not None)
        return evaluates and settings.get("default_hooks.checkpoint.save_best") is not None

    @property
    def _other_batch(self) -> bool:
        return "train_dataloader.batch_size" in self.changes or self.then.get("processes") != self.now["processes"]

    def summary(self) -> list[str]:
        """Report where the training resumes and what changes there, one line each."""
        done, last = self.meta.get("iter", 0), self.runner.cfg.train_cfg.max_iters
        lines = [f"resuming from {self.origin}, iteration {done:,} of {last:,}"]
        if done == last:
            return [*lines, "  all iterations are done; increase train_cfg.max_iters to train on"]
        if not self.known:
            lines.append("  it has no record of its settings: learning rate and schedule are this config's")
        changed = [
            f"  {key}: {_shorten(old)} -> {_shorten(new)}, from here on" for key, (old, new) in self.changes.items()
        ]
        lines += changed[:_SHOWN] + ([f"  {len(changed) - _SHOWN} more changes"] if len(changed) > _SHOWN else [])
        for key, what in (("processes", "processes"), ("train_images", "training images")):
            if self.known and self.then.get(key) != self.now[key]:
                lines.append(f"  {what}: {self.then.get(key)} -> {self.now[key]}, from here on")
        if self.meta.get(TEACHER) and self.runner.stored_config.get(TEACHER, self.meta[TEACHER]) != self.meta[TEACHER]:
            lines.append("  teacher: its file has other weights than before, from here on")
        if "draws" in self.meta and self._other_batch:
            lines.append(f"  samples continue after the first {self.meta['draws']:,} of the shuffled order")
        if self.then.get("train_images", self.now["train_images"]) != self.now["train_images"]:
            lines.append("  the training data changed: their order differs from here on")
        if self.other_evaluation and self._chooses_best:
            lines.append("  earlier scores no longer count: best.pth is chosen from the next evaluation on")
        return lines


def hyperparameters(runner: Runner) -> list[dict[str, object]]:
    """Return the config's hyperparameters of each optimizer group, learning rates before any schedule."""
    groups = [{k: v for k, v in group.items() if k != "params"} for group in runner.optim_wrapper.param_groups]
    return [
        group | {k.removeprefix("initial_"): v for k, v in group.items() if k.startswith("initial_")}
        for group in groups
    ]


def rebuild_schedules(runner: Runner, groups: list[dict[str, object]]) -> None:
    """Reset the optimizer to the config's hyperparameters, and advance the schedules to this iteration.

    The schedules take the same steps as in a training, so that the values are equal bit for bit.

    Args:
        groups: from ``hyperparameters``, before the checkpoint was loaded.
    """
    for group, values in zip(runner.optim_wrapper.param_groups, groups, strict=True):
        group.update(values)
    runner.param_schedulers = runner.build_param_scheduler(runner.cfg.param_scheduler)
    runner.optim_wrapper._global_step = 0  # else mmengine warns that the optimizer has not stepped yet
    for _ in range(runner.iter):
        for schedule in runner.param_schedulers:
            schedule.step()


def _ignored(key: str) -> bool:
    # The shapes of the weights already state model.num_classes.
    if key == "model.num_classes":
        return True
    return "dataloader" in key and (key.endswith(_IGNORED) or ".dataset.cache" in key)


def _flat(value: object, place: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{place}.{key}")
    elif isinstance(value, list | tuple) and (not value or any(isinstance(item, Mapping) for item in value)):
        for position, item in enumerate(value):
            yield from _flat(item, f"{place}.{position}")
    else:
        yield place, _simple(value, is_type=place.endswith((".type", ".constructor")))


def _simple(value: object, *, is_type: bool) -> object:
    """Convert a value to plain data that compares equal however a config spells it."""
    if isinstance(value, list | tuple):
        return [_simple(item, is_type=False) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str) and not is_type:
        return value
    return getattr(value, "__name__", str(value)).rpartition(".")[2] or str(value)


def _changes(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    keys = [*new, *(key for key in old if key not in new)]
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def _names_differ(old: list[str] | None, new: list[str]) -> str | None:
    if old is None or set(old) == set(new):
        return None
    frozen, freed = [n for n in old if n not in set(new)], [n for n in new if n not in set(old)]
    parts = [f"{listed(frozen, 3)} trained in the checkpoint and frozen in the config"] if frozen else []
    parts += [f"{listed(freed, 3)} frozen in the checkpoint and trained in the config"] if freed else []
    return "; ".join(parts)


def _shorten(value: object) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
