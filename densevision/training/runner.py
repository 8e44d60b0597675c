"""mmengine's Runner with one-line errors, a quiet terminal, exact resume and training in CPU processes."""

from __future__ import annotations

import copy
import importlib.util
import itertools
import logging
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.runner import Runner, set_random_seed
from mmengine.utils.dl_utils import set_multi_processing
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

import densevision
from densevision.checkpoints.config import describe_config
from densevision.config.build_errors import config_errors
from densevision.config.dump import printable
from densevision.config.init_from import InitFrom
from densevision.data.batches import collate
from densevision.errors import UserError
from densevision.stages import is_quiet
from densevision.training.checkpoint_hook import find_last_checkpoint
from densevision.training.lock import locked
from densevision.training.metrics import build_evaluator, set_folders
from densevision.training.parts import check_parts
from densevision.training.plan import prepare_training, scale_rate
from densevision.training.precision import check_precision
from densevision.training.prepare import check_numbers, set_workers
from densevision.training.process import began, check_sync_bn, kept_settings, start_processes
from densevision.training.progress import quiet
from densevision.training.restart import job_meta
from densevision.training.resume import ResumingRunner, nothing_to_resume
from densevision.training.splits import SplitsRunner
from densevision.training.start import machine_lines, training_lines
from densevision.training.stop import StopRequest, protect_worker
from densevision.training.teacher import add_teacher
from densevision.training.trial import try_parts
from densevision.training.workdir import WorkDir, free_name, protect_others
from densevision.weights.initialize import initialize


class DenseRunner(SplitsRunner, ResumingRunner):
    """The runner of ``densevision train`` and ``densevision test``; build one with ``build_runner``.

    Attributes:
        training: whether a training is running, not only an evaluation.
        notes: warnings about the config to print at the start, one line each.
        stored_config: the config's part of each checkpoint's meta, and the schedule that a time limit gave.
        keeps_results: False for a trial, whose work dir is removed.
        began: when the command began or it was built, by ``time.perf_counter``.
    """

    def __init__(self, *, cfg: Config, work_dir: str, **kwargs: object):
        self.stop_request = StopRequest()
        self.training, self.keeps_results = False, True
        self.notes: list[str] = []
        self.stored_config: dict[str, object] = {}
        self._begun, self._prepared, self._classes_in, self.data_lines = False, False, {}, []
        self.began = began()
        self.folder = WorkDir(work_dir)
        try:
            with config_errors(), kept_settings():
                super().__init__(cfg=printable(cfg), work_dir=work_dir, **kwargs)
                if self._train_loop is not None:
                    self.notes += prepare_training(self)
                    self.rate_lines = scale_rate(self)
        except (UserError, ImportError, KeyboardInterrupt) as error:
            self._undo_start()
            if not isinstance(error, ImportError):
                raise
            raise UserError(f"config, visualizer: {error}") from error  # a backend looks for its library when used

    def train(self) -> nn.Module:
        """Train; Ctrl-C and SIGTERM stop it after the current iteration.

        Raises:
            TrainingStopped: a signal arrived, and the checkpoint has been written.
            UserError: the config, the data or the checkpoint is wrong; before the first iteration no file remains.
        """
        with self.stop_request, self._running():
            self._find_resumed()
            self._check_data("train", "val")
            self._report([*training_lines(self, evaluates=self._dataset("val") is not None), *add_teacher(self)])
            self.training = True
            try:
                return super().train()
            finally:
                self.training = False

    def val(self) -> dict:
        """Evaluate on the val data and return the metrics."""
        with self._running():
            self._check_data("val")
            return super().val()

    def test(self, results: Path | None = None) -> dict:
        """Evaluate on the test data and return the metrics.

        Args:
            results: folder for the files that the metrics write.
        """
        with self._running():
            if self._test_loop is None:
                raise UserError(
                    f"{self.cfg.filename} has neither a test_dataloader nor a val_dataloader to use instead"
                )
            self._check_data("test")
            self._report(machine_lines(self))
            if results is not None:
                self._open_results(results)
            metrics = super().test()
            self._dump()
            self._begun = True
            return metrics

    def _open_results(self, folder: Path) -> None:
        if is_main_process():
            config = Path(self.cfg.filename or "config.py")
            if moved := protect_others(folder, config, self.timestamp):
                self._report([f"{folder} had other files with these names; they are now in {moved}"])
        barrier()  # no process writes before they are moved
        for path in set_folders(self.test_evaluator.metrics, folder):
            self.folder.claim(path)

    def begin(self) -> None:
        """Set earlier results aside and write the first files, once the start has succeeded."""
        self._begun = True
        self.call_hook("before_train_epoch")
        self._dump()

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Apply the config's process settings, and undo a start that fails."""
        with ExitStack() as self.on_exit, kept_settings():
            environment = self.cfg.get("env_cfg") or {}
            if environment.get("cudnn_benchmark") and not self.deterministic:
                torch.backends.cudnn.benchmark = True
            set_multi_processing(**environment.get("mp_cfg", {}), distributed=self.distributed)
            set_random_seed(self.seed, deterministic=self.deterministic)
            self.on_exit.callback(self._close_files)
            try:
                if is_main_process():
                    self.on_exit.enter_context(locked(Path(self.work_dir)))
                with config_errors():
                    yield
            except (UserError, KeyboardInterrupt, OSError):
                if not self._begun:
                    self._undo_start()
                raise

    def _undo_start(self) -> None:
        """Remove what this start created in the work dir, and nothing else."""
        for handler in self._close_files():
            self.logger.removeHandler(handler)
        if is_main_process():
            self.folder.clear()

    def _close_files(self) -> list[logging.FileHandler]:
        """Close the log and what the visualizer writes, until more is written; return the log's handlers."""
        if hasattr(self, "_visualizer_built"):
            try:
                self.visualizer.close()
            except OSError as error:  # a full disk
                self.logger.warning(f"the last events of the visualizer can't be written: {error}")
            Visualizer._instance_dict.pop(self.visualizer.instance_name, None)  # mmengine keeps all, with their figures
        handlers = getattr(self, "logger", logging.Logger("")).handlers
        files = [handler for handler in handlers if isinstance(handler, logging.FileHandler)]
        for handler in files:
            handler.mode = "a"  # with "w" it would not open again
            handler.close()
        return files

    def setup_env(self, env_cfg: dict) -> None:
        """Set up mmengine's environment; its timestamp names the folder of this run's log."""
        super().setup_env(env_cfg)
        stamps = [free_name(Path(self.work_dir, self.timestamp)).name]  # two starts may share a second
        broadcast_object_list(stamps)
        self._timestamp = stamps[0]
        self.folder.claim(Path(self.work_dir, self.timestamp))

    def call_hook(self, fn_name: str, **kwargs: object) -> None:
        """Call the hooks; ``before_run`` only once, because it restarts the moving average."""
        if fn_name == "before_run" and self._prepared:
            return
        self._prepared = self._prepared or fn_name == "before_run"
        for hook in self.hooks:
            if hasattr(hook, fn_name):  # mmengine would hide the origin of an error
                getattr(hook, fn_name)(self, **kwargs)

    def dump_config(self) -> None:
        """Do nothing: mmengine calls this when it is built, but ``begin`` writes the config."""

    def _dump(self) -> None:
        target, source = Path(self.work_dir, Path(self.cfg.filename or "config.py").name), self.cfg.filename
        if not (target.exists() and source and Path(source).exists() and target.samefile(source)):
            super().dump_config()

    def build_visualizer(self, visualizer: object = None) -> object:
        """Build mmengine's visualizer."""
        built = super().build_visualizer(visualizer)
        self._visualizer_built = True
        return built

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model; without ``num_classes`` it gets the classes of the checkpoint or the data."""
        if isinstance(model, dict) and "num_classes" in model and model["num_classes"] is None:
            model["num_classes"] = len(self._model_classes() or self._data_classes())
            self.cfg.model.num_classes = model["num_classes"]
        built = super().build_model(model)
        if self.cfg.get("init_from") and not self._resume:
            report = initialize(built, InitFrom.parse(self.cfg.init_from), self._data_classes())
            self.logger.info(str(report))
            if is_main_process() and not is_quiet():
                print(report)
        return built

    def _report(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.logger.info(line)
            if is_main_process() and not is_quiet():
                print(line, flush=True)

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """Build a loader whose workers survive signals to the whole process group, and send a batch in one piece."""
        if isinstance(dataloader, dict):
            dataloader = copy.deepcopy(dataloader)
            dataloader.setdefault("worker_init_fn", dict(type=protect_worker))
            dataloader.setdefault("collate_fn", dict(type=collate))
        return Runner.build_dataloader(dataloader, seed, diff_rank_seed)

    def build_evaluator(self, evaluator: dict | list | Evaluator) -> Evaluator:
        """Build the metrics; processes exchange results in memory, not through files."""
        built = build_evaluator(evaluator)
        for metric in built.metrics:
            metric.collect_device = "gpu" if self.distributed else "cpu"
        return built

    def build_logger(self, log_level: str = "INFO", log_file: str | None = None, **kwargs: object) -> MMLogger:
        """Log everything to the file, and only warnings and errors to the terminal."""
        logger = super().build_logger(log_level, log_file, **kwargs)
        quiet(logger.handlers)
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler) and isinstance(handler.stream, TextIOWrapper):
                handler.stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # mmengine takes the locale's
        return logger

    def _log_env(self, env_cfg: dict) -> None:
        versions = f"densevision {densevision.__version__}, torch {torch.__version__}"
        machine = f"Python {platform.python_version()}, {torch.get_num_threads()} threads, {get_device()}"
        self.logger.info(f"{versions}, {machine}, {self.world_size} processes, seed {self.seed}")
        self.logger.info(self.cfg.pretty_text)


def build_runner(config: Config, *, training: bool = True) -> DenseRunner:
    """Build the runner that trains, or only evaluates, the model of a config.

    Args:
        config: from ``load_config``, with ``work_dir`` set; ``launcher``, ``resume`` and ``load_from`` are used.
        training: False does not read the training data.
    Raises:
        UserError: something in the config or the data is wrong.
    """
    stored, note = _stored_config(config) if training else ({}, [])
    config = copy.deepcopy(config)
    check_parts(config, training=training)
    check_numbers(config)
    if training:
        try_parts(config)
    else:
        for key in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler", "init_from", "teacher"):
            config.pop(key, None)
    set_workers(config)
    default_hooks = config.get("default_hooks", {})
    config.default_hooks = {k: v for k, v in default_hooks.items() if v is not None or k in _MMENGINE_HOOKS}
    config.setdefault("visualizer", _tensorboard(config.work_dir))
    # mmengine identifies message hub and logger by this name and the second: two short runs would share them.
    config.setdefault("experiment_name", f"{Path(config.filename or 'run').stem}_{next(_RUN_NUMBERS)}")
    if config.get("resume") and not config.get("load_from") and find_last_checkpoint(Path(config.work_dir)) is None:
        raise UserError(nothing_to_resume(config.work_dir))
    config.setdefault("launcher", "none")  # the folder's copy of the config is known as a run's by this key
    if training:
        check_sync_bn(config)
        check_precision((config.get("optim_wrapper") or {}).get("amp"), get_device())
    if config.launcher != "none":
        start_processes(config)
    runner = DenseRunner.from_cfg(config)
    runner.notes += note
    runner.stored_config.update(stored | job_meta())
    return runner


def _stored_config(config: Config) -> tuple[dict[str, object], list[str]]:
    """Return what checkpoints store of the config, and a note where they can't."""
    try:
        return describe_config(config), []
    except UserError as error:
        return {}, [f"checkpoints of this training will not contain the config: {error}"]


_RUN_NUMBERS = itertools.count()
_MMENGINE_HOOKS = ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")


def _tensorboard(work_dir: str) -> Mapping[str, object]:
    writable = str(work_dir).isprintable()  # TensorBoard can't write below a name that the locale can't read
    backends = [dict(type="TensorboardVisBackend")] if writable and importlib.util.find_spec("tensorboard") else []
    return dict(type="Visualizer", vis_backends=backends)
