"""What a program calls to load, train and evaluate; the commands call the same functions, also ``export.api``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from densevision.errors import UserError, as_path
from densevision.images import as_image
from densevision.inference.predictor import DRAWING, Predictor
from densevision.inference.results import Result
from densevision.structures import Nms, Views
from densevision.task import TASKS, foreign_options

if TYPE_CHECKING:
    from densevision.config.load import Config

    AnyConfig: TypeAlias = str | Path | Config
    Overrides: TypeAlias = Mapping[str, object] | Iterable[str]


class Model:
    """A loaded model: call it with an image.

    Attributes:
        task: what it finds.
        classes: K names.
        input_size: (height, width) that every image is resized to; None accepts images of any size.
        predictor: finds the results, on arrays.
    """

    def __init__(self, predictor: Predictor):
        self.predictor = predictor
        self.task = predictor.task
        self.classes = predictor.classes
        self.input_size = predictor.input_size

    def __call__(self, image: object, *, bgr: bool = False) -> Result:
        """Find what is in an image.

        Args:
            image: a path; [H, W, 3] uint8 RGB of any size; or a PIL image.
            bgr: the array's channels are in OpenCV's order.
        Raises:
            UserError: the image can't be read, or is of another kind.
        """
        return self.predictor.result(as_image(image, bgr=bgr))

    def video(self, source: str | Path | int) -> Iterator[Result]:
        """Iterate over the results of the frames, which are read one at a time.

        Args:
            source: a video file, a folder of images, or a camera's number.
        Raises:
            UserError: the source can't be read.
        """
        from densevision.video.sources import open_source

        name = str(source) if isinstance(source, int) else str(as_path(source, "source"))
        return (self.predictor.result(frame.image) for frame in open_source(name).frames)

    def __repr__(self) -> str:
        size = "images of any size" if self.input_size is None else f"input {self.input_size[1]}x{self.input_size[0]}"
        return f"Model({self.task}, {len(self.classes)} classes, {size})"


def load(
    path: str | Path,
    config: AnyConfig | None = None,
    *,
    score_threshold: float | None = None,
    nms: Nms | None = None,
    device: str | None = None,
) -> Model:
    """Load a checkpoint or a .tflite, ready to predict.

    Args:
        path: a file that a training wrote, such as best.pth, or MODEL.tflite; the latter needs neither torch nor
            mmengine.
        config: of a checkpoint that does not carry its config: a path, a shipped config's name or a ``Config``.
        score_threshold: of a detector: lowest score of an object, from 0 to under 1; None uses the one that the file
            records, where F1 was best on the val data, or 0.3.
        nms: of a detector: of overlapping boxes keep the best one of all ("across-classes", the default), or of each
            class ("per-class").
        device: of a checkpoint: "cpu" or "cuda:0", for example; None uses a GPU if there is one.
    Raises:
        UserError: a file is missing or damaged, or an argument does not fit it.
    """
    path = as_path(path, "path")
    if score_threshold is not None and not (isinstance(score_threshold, Real) and 0 <= score_threshold < 1):  # also NaN
        raise UserError(f"score threshold {score_threshold!r}: give a number from 0 to under 1")
    if path.suffix == ".tflite":
        if config is not None:
            raise UserError(f"{path} contains all that it needs; leave {_name(config)} out")
        if device is not None and str(device) != "cpu":
            raise UserError(f"{path} runs on the CPU; leave device={device!r} out")
        from densevision.inference.metadata import read_model_info
        from densevision.inference.tflite_backend import load_tflite

        threshold = _or_default(score_threshold, lambda: read_model_info(path).score_threshold)
        predictor = load_tflite(path, threshold, nms=DRAWING.nms if nms is None else nms)
    else:
        from densevision.checkpoints.reading import stored_threshold
        from densevision.inference.load import load_predictor

        threshold = _or_default(score_threshold, lambda: stored_threshold(path))
        predictor = load_predictor(config, path, threshold, nms=DRAWING.nms if nms is None else nms, device=device)
    task, given = TASKS[predictor.task], {"--score-threshold": score_threshold, "--nms": nms}
    for option in foreign_options(task):
        if given.get(option) is not None:
            raise UserError(f"{option.strip('-').replace('-', ' ')} has no meaning for a {task.noun}; leave it out")
    if score_threshold is not None and score_threshold < predictor.lowest_score:
        raise UserError(
            f"score threshold {score_threshold:g}: {path} itself reports nothing below {predictor.lowest_score:g}; "
            "give more, or export it with a lower model.postprocess.score_threshold"
        )
    return Model(predictor)


def _or_default(given: float | None, stored: Callable[[], float | None]) -> float:
    if given is not None:
        return given
    found = stored()
    return DRAWING.score_threshold if found is None else found


def _name(config: AnyConfig) -> str:
    return str(getattr(config, "filename", config))


@dataclass(frozen=True)
class TrainResult:
    """What a training wrote.

    Attributes:
        checkpoint: best.pth, or the last checkpoint of a training that chooses no best one.
        best_score: value of the metric that chose it; None without.
        metrics: of the last evaluation, by name.
        work_dir: where checkpoints and curves are.
        report: path of report.html; None if it could not be written, and in a process other than the main one.
        warning: one line if the model is worthless, or None.
    """

    checkpoint: Path | None
    best_score: float | None
    metrics: dict[str, float]
    work_dir: Path
    report: Path | None
    warning: str | None = None


def train(
    config: AnyConfig,
    *,
    work_dir: str | Path | None = None,
    resume: bool = False,
    amp: bool | str = False,
    max_time: str | None = None,
    overrides: Overrides = (),
) -> TrainResult:
    """Train the model of a config, as ``densevision train`` does.

    Args:
        config: a path, a shipped config's name or a ``Config``.
        work_dir: where checkpoints and curves go; None uses work_dirs/<config name>.
        resume: continue from the last checkpoint of the work dir.
        amp: mixed precision: "bf16", "fp16", or True for bf16.
        max_time: duration such as "20m", "90s" or "1h30m"; the schedule is scaled to it.
        overrides: of config values: a dict by dotted key, or "key=value" texts.
    Raises:
        UserError: config or data are at fault.
        TrainingStopped: Ctrl-C or SIGTERM ended it; ``resume=True`` continues from there.
    """
    from densevision.checkpoints.config import as_config
    from densevision.config.load import as_overrides
    from densevision.report.write import report_training
    from densevision.training.checkpoint_hook import find_last_checkpoint
    from densevision.training.lengths import parse_duration
    from densevision.training.plan import use_amp
    from densevision.training.runner import build_runner
    from densevision.training.workdir import check_work_dir

    loaded = as_config(config, as_overrides(overrides))
    source = Path(loaded.filename)
    loaded.work_dir = str(Path("work_dirs", source.stem) if work_dir is None else as_path(work_dir, "work_dir"))
    loaded.resume = resume
    check_work_dir(loaded.work_dir, source)
    if amp:
        use_amp(loaded, "bf16" if amp is True else str(amp))
    if max_time is not None:
        parse_duration("max_time", max_time)
        loaded.merge_from_dict({"train_cfg.max_time": max_time})
    runner = build_runner(loaded)
    runner.train()
    report = report_training(runner).get("report")
    folder, hub = Path(loaded.work_dir), runner.message_hub
    best = folder / "best.pth"
    checkpoint = best if best.is_file() else find_last_checkpoint(folder)
    evaluated = {name.removeprefix("val/"): value for name, value in hub.log_scalars.items() if name.startswith("val/")}
    metrics = {name: float(buffer.current()) for name, buffer in evaluated.items()}
    path = Path(report) if report else None
    warning = hub.runtime_info.get("worthless") or None
    return TrainResult(checkpoint, hub.runtime_info.get("best_score"), metrics, folder, path, warning)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        metrics: by name, such as "coco/AP".
        table: the official tables as text; empty in a process other than the main one.
        warning: one line if the model is worthless, or None.
        files: paths of the result files by kind.
        work_dir: where they are.
    """

    metrics: dict[str, float]
    table: str
    warning: str | None
    files: dict[str, str]
    work_dir: Path


def evaluate(
    model: str | Path,
    config: AnyConfig | None = None,
    *,
    work_dir: str | Path | None = None,
    overrides: Overrides = (),
    views: Views | None = None,
) -> Evaluation:
    """Evaluate a checkpoint or a .tflite on the test data of its config, as ``densevision test`` does.

    Args:
        model: best.pth or MODEL.tflite.
        config: a path, a shipped config's name or a ``Config``; None uses the one that a checkpoint carries.
        work_dir: where result files go; None uses work_dirs/<config name>/test, of a .tflite
            work_dirs/<config name>/test_<its name>.
        overrides: of config values: a dict by dotted key, or "key=value" texts.
        views: evaluate a segmentation model a second time, with these views of each image, see
            ``densevision.structures.Views``; the figures are reported apart, as "multi_scale/...".
    Raises:
        UserError: config, data or model are at fault.
    """
    from densevision import evaluation
    from densevision.checkpoints.config import checkpoint_config
    from densevision.config.load import as_overrides
    from densevision.report.write import report_test
    from densevision.training.metrics import warn_if_worthless
    from densevision.training.progress import ranking_metric
    from densevision.training.workdir import check_work_dir

    model = as_path(model, "model")
    if model.suffix == ".tflite" and config is None:
        raise UserError(f"{model}: a .tflite does not name its test data; give its config")
    loaded = checkpoint_config(model, config, as_overrides(overrides))
    source = Path(loaded.filename)
    folder = str(default_folder(source, model) if work_dir is None else as_path(work_dir, "work_dir"))
    check_work_dir(folder, source)
    if views is not None:
        evaluation.check_views(loaded, model)
    metrics, table, files = evaluation.evaluate(loaded, model, folder, report_test)
    warning = warn_if_worthless(metrics, ranking_metric(loaded))
    if views is not None:
        apart, rows = evaluation.evaluate_views(loaded, model, views)
        metrics = metrics | {f"multi_scale/{name}": value for name, value in apart.items()}
        table += f"\n\n{views}; not comparable with the figures of one scale:\n{rows}"
    return Evaluation(metrics, table, warning, files, Path(folder))


def default_folder(config: Path, model: Path) -> Path:
    """Return where the result files of a checkpoint or a .tflite go: neither overwrites the other's."""
    return Path("work_dirs", config.stem, f"test_{model.stem}" if model.suffix == ".tflite" else "test")
