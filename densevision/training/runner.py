"""mmengine's Runner with its surprises removed: one-line errors, quiet, exact resume, CPU processes."""

from __future__ import annotations

import atexit
import copy
import importlib.util
import itertools
import os
import platform
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger, print_log
from mmengine.model import is_model_wrapper
from mmengine.registry import build_from_cfg
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader, Dataset

import densevision
from densevision.data.check import check_counts, count_lines
from densevision.errors import UserError
from densevision.training.checkpoint import find_last_checkpoint
from densevision.training.config import load_config
from densevision.training.process import tune_process
from densevision.training.progress import quiet
from densevision.training.stop import StopRequest, protect_worker
from densevision.weights.files import describe, first_line
from densevision.weights.initialise import InitFrom, initialise
from densevision.weights.settings import check_settings

__all__ = ["DenseRunner", "build_runner", "load_config", "use_amp"]


class DenseRunner(Runner):
    """What ``densevision train`` and ``test`` run on; make one with ``build_runner``."""

    def __init__(self, *args: object, **kwargs: object):
        self.stop_request = StopRequest()
        super().__init__(*args, **kwargs)

    def train(self) -> nn.Module:
        """Train; Ctrl-C and SIGTERM end it after an iteration.

        Raises:
            TrainingStopped: a signal came, and the checkpoint is written.
            UserError: config, data or checkpoint are at fault.
        """
        with self.stop_request, config_errors(), ExitStack() as self.on_exit:
            self._check_data("train", "val")
            return super().train()

    def test(self) -> dict:
        """Evaluate on the test data; returns the metrics."""
        with config_errors(), ExitStack() as self.on_exit:
            self._check_data("test")
            return super().test()

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model; where the config leaves their number open, with the classes of ``_model_classes``."""
        if isinstance(model, dict) and "num_classes" in model and model["num_classes"] is None:
            model["num_classes"] = len(self._model_classes() or self._data_classes())
            self.cfg.model.num_classes = model["num_classes"]
        built = super().build_model(model)
        if "init_from" in self.cfg and not self._resume:
            report = initialise(built, InitFrom.parse(self.cfg.init_from), self._data_classes())
            self.logger.info(str(report))
            if is_main_process():
                print(report)
        return built

    def _data_classes(self) -> Sequence[str]:
        split = "train" if self._train_dataloader is not None else "test"
        return self._dataset(split).metainfo["classes"]

    def _dataset(self, split: str) -> Dataset | None:
        """Return a split's data set, built where that is still to be done; None if the config has none."""
        loop = getattr(self, f"_{split}_loop")
        if isinstance(loop, BaseLoop):  # it may have built a loader of its own
            return loop.dataloader.dataset
        name = f"_{split}_dataloader"
        if isinstance(getattr(self, name), dict):
            setattr(self, name, self.build_dataloader(getattr(self, name), seed=self.seed))
        loader = getattr(self, name)
        return None if loader is None else loader.dataset

    def _check_data(self, *splits: str) -> None:
        """Bring the splits to the model's classes, count what they hold, print it, and stop where that can't work."""
        classes = self._model_classes()
        for split in splits:
            dataset = self._dataset(split)
            if dataset is None:
                continue
            if classes and hasattr(dataset, "align_classes"):
                dataset.align_classes(classes)
            if hasattr(dataset, "count"):
                counts = dataset.count(split)
                self._say(count_lines(split, counts))
                check_counts(split, counts)

    def _model_classes(self) -> Sequence[str]:
        """Names of the model's classes: those of the training data, or of the checkpoint that is evaluated."""
        if self._train_dataloader is not None:
            return self._data_classes()
        if not self._load_from:
            return ()
        return (read_checkpoint(self._load_from).get("meta", {}).get("dataset_meta") or {}).get("classes") or ()

    def _say(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.logger.info(line)
            if is_main_process():
                print(line, flush=True)

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """Build a loader whose workers live through signals to the whole process group."""
        if isinstance(dataloader, dict):
            dataloader = copy.deepcopy(dataloader)
            dataloader.setdefault("worker_init_fn", dict(type=protect_worker))
        return Runner.build_dataloader(dataloader, seed, diff_rank_seed)

    def build_evaluator(self, evaluator: dict | list | Evaluator) -> Evaluator:
        """Build the metrics; processes exchange results in memory instead of through files."""
        built = super().build_evaluator(evaluator)
        for metric in built.metrics:
            metric.collect_device = "gpu" if self.distributed else "cpu"
        return built

    def build_logger(
        self, log_level: str = "INFO", log_file: str | None = None, **kwargs: object
    ) -> MMLogger:
        """Everything goes to the log file, only warnings and errors to the terminal."""
        logger = super().build_logger(log_level, log_file, **kwargs)
        quiet(logger.handlers)
        return logger

    def load_or_resume(self) -> None:
        """Load the model, or all of the training's state.

        Raises:
            UserError: nothing to resume from, or a checkpoint that does not fit.
        """
        if self._resume and not self._has_loaded and self._load_from is None:
            latest = find_last_checkpoint(Path(self.work_dir))
            if latest is None:
                raise UserError(
                    f"--resume: no checkpoint in {self.work_dir}; leave --resume out to start anew"
                )
            self._load_from = str(latest)
        try:
            super().load_or_resume()
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self._load_from} does not fit this config's optimizer and schedules: {error}"
            raise UserError(" ".join(message.split())) from error

    def load_checkpoint(
        self, filename: str, map_location="cpu", strict: bool = True, revise_keys: object = None
    ) -> dict:
        """Load the weights of a checkpoint of this very model and return its content.

        Raises:
            UserError: no such file, a damaged one, or another model's.
        """
        checkpoint = read_checkpoint(filename, map_location)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        check_weights(model, checkpoint, filename)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model.load_state_dict(checkpoint["state_dict"])
        self._has_loaded = True
        return checkpoint

    def _log_env(self, env_cfg: dict) -> None:
        versions = f"densevision {densevision.__version__}, torch {torch.__version__}"
        machine = f"Python {platform.python_version()}, {torch.get_num_threads()} threads, {get_device()}"
        self.logger.info(f"{versions}, {machine}, {self.world_size} processes, seed {self.seed}")
        self.logger.info(self.cfg.pretty_text)


def build_runner(config: Config, *, training: bool = True) -> DenseRunner:
    """Build what trains, or only evaluates, the model of a config.

    Args:
        config: from ``load_config``, with ``work_dir`` set; ``launcher``, ``resume`` and ``load_from`` count.
        training: False leaves the training data alone.
    Raises:
        UserError: something in the config or the data is wrong.
    """
    config = copy.deepcopy(config)
    _check_counts(config)
    if training:
        tune_process()
        _fill_schedules(config)
    else:
        for key in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler", "init_from"):
            config.pop(key, None)
    _limit_workers(config)
    default_hooks = config.get("default_hooks", {})
    config.default_hooks = {k: v for k, v in default_hooks.items() if v is not None or k in _MMENGINE_HOOKS}
    config.setdefault("visualizer", _tensorboard())
    # mmengine keys message hub and logger by this name and the second: two short runs would share them.
    config.setdefault("experiment_name", f"{Path(config.filename or 'run').stem}_{next(_RUN_NUMBERS)}")
    if config.get("launcher", "none") != "none":
        _start_processes(config)
    with config_errors():
        return DenseRunner.from_cfg(config)


_RUN_NUMBERS = itertools.count()
_MMENGINE_HOOKS = ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")


def use_amp(config: Config) -> None:
    """Switch a config to mixed precision.

    Raises:
        UserError: no GPU here.
    """
    if not torch.cuda.is_available():
        raise UserError("--amp: mixed precision needs a CUDA GPU, and torch sees none; leave --amp out")
    config.optim_wrapper.type = "densevision.GuardedAmpOptimWrapper"
    config.optim_wrapper.loss_scale = "dynamic"


def read_checkpoint(path: str | Path, map_location: str | torch.device = "cpu") -> dict:
    """Read a checkpoint file as plain data.

    Raises:
        UserError: no such file, or one that is no checkpoint.
    """
    if not Path(path).is_file():
        raise UserError(f"no checkpoint {path}")
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # zip, pickle, EOF and key errors: torch documents no list
        raise UserError(f"{path} is damaged or no checkpoint: {first_line(error)}") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise UserError(f"{path} is no checkpoint of densevision: it has no 'state_dict'")
    return checkpoint


@contextmanager
def config_errors() -> Iterator[None]:
    """Turn what goes wrong while a registry builds from the config into one line; the log keeps the rest."""
    try:
        yield
    except (TypeError, ValueError, KeyError, AttributeError, ImportError, AssertionError, OSError) as error:
        built = _being_built(error)
        if built is None:
            raise
        print_log(traceback.format_exc(), "current")
        text = error.args[0] if isinstance(error, KeyError) else str(error)
        raise UserError(f"config, {built}: {' '.join(str(text).split())}") from error


def _being_built(error: BaseException) -> str | None:
    """Name of the class that mmengine was building from the config when ``error`` was raised."""
    name = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is build_from_cfg.__code__:
            name = getattr(frame.f_locals.get("obj_cls"), "__name__", str(frame.f_locals["cfg"].get("type")))
    return name


def _check_counts(config: Config) -> None:
    for part in ("train_cfg", "train_dataloader", "val_dataloader", "test_dataloader"):
        for key in ("max_iters", "val_interval", "batch_size"):
            count = (config.get(part) or {}).get(key, 1)
            if not isinstance(count, int) or count < 1:
                raise UserError(f"config, {part}.{key} is {count!r}; it must be a whole number from 1")


def _limit_workers(config: Config) -> None:
    """No more loader workers than cores: they would only take turns, and what they give does not depend on them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        if config.get(name):
            config[name].num_workers = min(config[name].get("num_workers", 0), cores)


def _fill_schedules(config: Config) -> None:
    """A schedule counts iterations, and one without an end lasts as long as the training.

    One that would begin after the end is left out: a trial run needs nothing but a small ``max_iters``.
    """
    last = config.train_cfg.max_iters
    config.param_scheduler = [s for s in config.get("param_scheduler") or [] if s.get("begin", 0) < last]
    for schedule in config.param_scheduler:
        schedule.setdefault("by_epoch", False)
        schedule.setdefault("end", last)


def _tensorboard() -> dict:
    backends = [dict(type="TensorboardVisBackend")] if importlib.util.find_spec("tensorboard") else []
    return dict(type="Visualizer", vis_backends=backends)


def _start_processes(config: Config) -> None:
    atexit.register(_leave_processes)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # what mmengine would set, with a warning
    config.model_wrapper_cfg = dict(type="MMDistributedDataParallel")
    if not torch.cuda.is_available():
        config.model_wrapper_cfg.device_ids = None
        if config.launcher != "pytorch" or "RANK" not in os.environ:
            raise UserError("--launcher: without a GPU only torchrun with --launcher pytorch works")
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("gloo")


def _leave_processes() -> None:
    """End gloo's threads; a process that ends before them may abort, and torchrun calls its work failed."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def check_weights(model: nn.Module, checkpoint: dict, origin: str | Path) -> None:
    """Check that a checkpoint fits a model exactly.

    Raises:
        UserError: it belongs to another model; names the first three tensors that do not fit, or the settings that
            differ.
    """
    wanted, weights = model.state_dict(), checkpoint["state_dict"]
    misfits = [
        f"{name} ({describe(weights[name])} there and {describe(tensor)} here)"
        for name, tensor in wanted.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    misfits += [f"{name} (missing there)" for name in wanted if name not in weights]
    misfits += [f"{name} (unknown here)" for name in weights if name not in wanted]
    if misfits:
        names = ", ".join(misfits[:3])
        raise UserError(f"{origin} belongs to another model: {len(misfits)} tensors do not fit, first {names}")
    check_settings(model, checkpoint.get("meta", {}).get("settings", {}), ("backbone", "extra", "head"), origin)
