"""Run a config's official metrics on a checkpoint, a .tflite, or any predictor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.logging import MMLogger
from torch import nn

from densevision.checkpoints.reading import read_checkpoint
from densevision.config.build_errors import config_errors
from densevision.config.types import resolve_type
from densevision.data.check import check_counts, count_lines
from densevision.errors import UserError
from densevision.images import read_image, resize_image
from densevision.inference.metadata import read_model_info
from densevision.inference.predictor import Predictor
from densevision.inference.tflite_backend import load_tflite
from densevision.registry import DATASETS, MODELS
from densevision.stages import is_quiet, steps
from densevision.structures import Views
from densevision.training.metrics import build_evaluator, primary_metric, set_folders, tables, write_reports
from densevision.training.progress import quiet
from densevision.training.ranking import ranking_sign
from densevision.training.splits import align
from densevision.training.workdir import WorkDir, protect_others, record_results

__all__ = ["build_dataset", "evaluate", "evaluate_predictor", "primary_metric", "read_images"]


@dataclass(frozen=True)
class FinishedTest:
    """A finished evaluation, for the report.

    Attributes:
        config: whose test data were used.
        model: the network, or the path of a .tflite.
        checkpoint: the file that was evaluated.
        folder: of the result files.
        figures: the metrics by key.
        metrics: the metrics themselves.
        data_lines: what was reported on the data.
    """

    config: Config
    model: nn.Module | Path
    checkpoint: Path
    folder: Path
    figures: dict[str, float]
    metrics: Sequence[BaseMetric]
    data_lines: Sequence[str]


Then = Callable[[FinishedTest], Mapping[str, str]]


def evaluate(
    config: Config, checkpoint: Path, folder: str | Path, then: Then | None = None
) -> tuple[dict[str, float], str, dict[str, str]]:
    """Run the config's test metrics on a checkpoint or a .tflite.

    Args:
        config: from ``load_config``.
        checkpoint: of the config's model, or exported from one.
        folder: where the result files go; created if it does not exist.
        then: is called with the finished evaluation in the main process, and returns the paths of further result files.
    Returns:
        The metrics by key, the tables to print, and the result files' paths by kind; in a process other than the
        main one without files.
    Raises:
        UserError: config, data or checkpoint are at fault.
    """
    from densevision.training.runner import build_runner

    if checkpoint.suffix == ".tflite":
        return _evaluate_tflite(config, checkpoint, folder, then)
    read_checkpoint(checkpoint)  # a wrong path shows before the data set is read
    config.work_dir, config.load_from, config.resume = str(folder), str(checkpoint), False
    runner = build_runner(config, training=False)
    figures = runner.test(Path(folder))
    if not is_main_process():
        return figures, "", {}
    metrics = runner.test_evaluator.metrics
    files = write_reports(metrics, Path(folder))
    if then is not None:
        run = FinishedTest(config, runner.model, checkpoint, Path(folder), figures, metrics, runner.data_lines)
        files |= then(run)
    record_results(Path(folder), Path(config.filename))
    return figures, tables(metrics, figures), files


def _evaluate_tflite(
    config: Config, path: Path, folder: str | Path, then: Then | None
) -> tuple[dict[str, float], str, dict[str, str]]:
    if config.get("launcher", "none") != "none":
        raise UserError("--launcher: a .tflite is evaluated in one process; leave --launcher out")
    predictor = load_tflite(path)
    _check_task(path, config)
    made, config_file = WorkDir(folder), Path(config.filename)
    try:
        data = build_dataset(config, "test_dataloader")
        if moved := protect_others(made.path, config_file, time.strftime("%Y%m%d_%H%M%S")):
            print(f"{folder} had other files with these names; they are now in {moved}")
        made.claim(made.path / "predictions")
        lines: list[str] = []
        built, figures = _run(predictor, data, config.test_evaluator, Path(folder), lambda line: _print(line, lines))
        files = write_reports(built.metrics, made.path)
    except UserError:
        made.clear()
        raise
    if then is not None:
        files |= then(FinishedTest(config, path, path, made.path, figures, built.metrics, lines))
    record_results(made.path, config_file)
    return figures, tables(built.metrics, figures), files


def _check_task(path: Path, config: Config) -> None:
    kind, own = (config.get("model") or {}).get("type"), read_model_info(path).task
    task = own if kind is None else getattr(resolve_type(kind, MODELS), "task", own)
    if task != own:
        raise UserError(f"{path} is for {own}, {config.filename} for {task}; give a config of its task")


def _print(line: str, lines: list[str]) -> None:
    if not is_quiet():
        print(line, flush=True)
    lines.append(line)


def evaluate_predictor(
    predictor: Predictor,
    dataset: Any,
    evaluator: Mapping | Sequence,
    folder: Path | None = None,
    report: Callable[[str], object] | None = None,
) -> tuple[dict[str, float], str, dict[str, str]]:
    """Evaluate on a data set, whose classes become the predictor's, matched by name.

    Args:
        dataset: from ``build_dataset``.
        evaluator: the config's ``test_evaluator``: a metric, or several.
        folder: where result files go; None writes none.
        report: is called with the lines about the data set's contents; None does not count them.
    Returns:
        The metrics by key, the tables to print, and the result files' paths by kind.
    Raises:
        UserError: an image can't be read, or the data lack what is needed or have classes that the predictor lacks.
    """
    built, figures = _run(predictor, dataset, evaluator, folder, report)
    files = write_reports(built.metrics, folder) if folder else {}
    return figures, tables(built.metrics, figures), files


def check_views(config: Config, model: Path) -> None:
    """Check that a model can be evaluated at several scales.

    Raises:
        UserError: it is a .tflite, no segmentation model, or there are several processes.
    """
    from densevision.inference.load import model_task

    if model.suffix == ".tflite":
        raise UserError(f"--scales and --flip: {model} has one input size; give the checkpoint")
    if model_task(config).name != "segmentation":
        raise UserError(f"--scales and --flip are for segmentation models, and {config.filename} has none")
    if config.get("launcher", "none") != "none":
        raise UserError("--scales and --flip: these run in one process; leave --launcher out")


def evaluate_views(config: Config, checkpoint: Path, views: Views) -> tuple[dict[str, float], str]:
    """Run the config's test metrics on the mean scores of several views of each image; no file is written.

    Args:
        config: of a segmentation model, from ``load_config``.
    Returns:
        The metrics by key, and the tables to print.
    Raises:
        UserError: config, data or checkpoint are at fault.
    """
    from densevision.inference.load import multi_scale_predictor

    predictor: Any = multi_scale_predictor(config, checkpoint, views)
    given = config.test_evaluator if isinstance(config.test_evaluator, list | tuple) else [config.test_evaluator]
    evaluator = [{key: value for key, value in metric.items() if key != "out_dir"} for metric in given]
    figures, table, _ = evaluate_predictor(predictor, build_dataset(config, "test_dataloader"), evaluator)
    return figures, table


def metric_sign(evaluator: Mapping | Sequence, name: str) -> int:
    """Return 1 where a greater figure of a config's evaluator is the better one, else -1."""
    with config_errors():
        return ranking_sign(name, build_evaluator(evaluator).metrics)


def _run(
    predictor: Predictor,
    dataset: Any,
    evaluator: Mapping | Sequence,
    folder: Path | None,
    report: Callable[[str], object] | None,
) -> tuple[Evaluator, dict[str, float]]:
    with config_errors():
        built = build_evaluator(evaluator)
    align(dataset, predictor.classes, "test")
    if report is not None and hasattr(dataset, "count"):
        counts = dataset.count("test")
        for line in count_lines("test", counts):
            report(line)
        check_counts("test", counts)
    built.dataset_meta = dataset.metainfo
    if folder is not None:
        set_folders(built.metrics, folder)
    for index in steps(range(len(dataset)), f"evaluating {len(dataset)} images"):
        sample = dataset[index]["data_samples"]
        sample.set_result(predictor(_read(dataset, index)))
        built.process([sample])
    return built, built.evaluate(len(dataset))


def build_dataset(config: Config, loader: str) -> Any:
    """Build the data set of a loader: "train_dataloader" or "test_dataloader".

    Raises:
        UserError: the config has none, or its files are not there.
    """
    if config.get(loader) is None:
        raise UserError(f"{config.filename} has no {loader}")
    quiet(MMLogger.get_current_instance().handlers)
    with config_errors():
        return DATASETS.build(config[loader].dataset.to_dict())


def read_images(dataset: Any, count: int, size: tuple[int, int] | None = None) -> list[np.ndarray]:
    """Read images of a data set, evenly spread over it, or as its method ``spread`` chooses, without augmentation.

    Args:
        count: at most the data set's length.
        size: (height, width) that they are resized to; None leaves them as they are.
    Returns:
        [H, W, 3] uint8 RGB.
    Raises:
        UserError: one can't be read, or they differ in size and ``size`` is None.
    """
    evenly = [index * len(dataset) // count for index in range(count)]
    indices = dataset.spread(count) if hasattr(dataset, "spread") else evenly
    images = [_read(dataset, index) for index in indices]
    sizes = {image.shape[:2] for image in images}
    if size is None and len(sizes) > 1:
        listed = ", ".join(f"{height}x{width}" for height, width in sorted(sizes)[:3])
        raise UserError(f"the test images differ in size ({listed}); give --size HEIGHT WIDTH")
    return images if size is None else [resize_image(image, size) for image in images]


def _read(dataset: Any, index: int) -> np.ndarray:
    try:
        return dataset.read(index) if hasattr(dataset, "read") else read_image(dataset[index]["data_samples"].img_path)
    except OSError as error:
        raise UserError(f"{error}; fix or delete the image and its annotation") from error
