"""An export from a config and a checkpoint with the config's data: what ``densevision export`` does."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import densevision
from densevision.checkpoints.config import checkpoint_config
from densevision.checkpoints.reading import stored_threshold
from densevision.config.dump import printable
from densevision.config.load import Config
from densevision.errors import UserError
from densevision.evaluation import build_dataset, evaluate_predictor, metric_sign, primary_metric, read_images
from densevision.export.card import Measured, write_card
from densevision.export.convert import ExportImages, ExportReport, export_tflite
from densevision.export.exporter import Exporter, ExportOptions, make_exporter
from densevision.export.graph import InputType, is_plain
from densevision.export.quantize import Ranges, parts_of, to_int8
from densevision.export.search import Draft, Found, search
from densevision.inference.load import load_model, model_task
from densevision.inference.predictor import Predictor
from densevision.inference.tflite_backend import load_tflite
from densevision.task import is_unmeasured

CHECKED = 8  # images of the parity check
CALIBRATION = 100  # images, or as many as there are
_TOOLS = ("torch", "litert-torch", "litert-converter", "ai-edge-quantizer", "ai-edge-litert")
_SMALLEST, _LARGEST = 32, 4096  # pixels a side
_LOSS = 0.5  # points that a search accepts without max_drop before it tries float parts


@dataclasses.dataclass(frozen=True)
class Drop:
    """What ``ExportJob.run`` measured for ``max_drop``; values of the metric ``name`` in 0..1 on the test images.

    Attributes:
        file: of the file.
        model: of the PyTorch model that the file is compared with: a detector as ``densevision test`` runs it; a
            segmentation model with outputs as large as the file's.
        across_classes: of that detector with NMS across classes; None where that is the same.
        full_size: of that segmentation model as ``densevision test`` runs it; None where that is the same.
        own_size: a detector's (height, width) without ``--size``; None where that is the same.
        at_own_size: of that model at ``own_size``.
    """

    name: str
    file: float
    model: float
    across_classes: float | None = None
    full_size: float | None = None
    own_size: tuple[int, int] | None = None
    at_own_size: float | None = None


def check_size(size: tuple[int, int]) -> None:
    """Check the input size of an export.

    Raises:
        UserError: it is out of bounds.
    """
    if not all(_SMALLEST <= side <= _LARGEST for side in size):
        raise UserError(f"--size {size[0]} {size[1]}: give at least {_SMALLEST} pixels a side and at most {_LARGEST}")


def read_config(
    checkpoint: Path,
    path: str | Path | Config | None,
    overrides: Iterable[str] = (),
    size: tuple[int, int] | None = None,
) -> tuple[Config, Config | None]:
    """Read a config for an export with an input of ``size``, which becomes ``model.input_size`` where there is one.

    Args:
        path: None uses the config that the checkpoint carries.
    Returns:
        The config to export, and where ``size`` changed that key, the config without the change, else None.
    Raises:
        UserError: see ``load_config``; or the size is out of bounds, or given twice.
    """
    if size:
        check_size(size)
    overrides = list(overrides)
    config = checkpoint_config(checkpoint, path, overrides)
    if size and model_task(config).fixed_size:
        if any(override.partition("=")[0] == "model.input_size" for override in overrides):
            raise UserError("--size and --cfg-options model.input_size both set the input size; leave one of them out")
        return checkpoint_config(checkpoint, path, [*overrides, f"model.input_size=({size[0]}, {size[1]})"]), config
    return config, None


class ExportJob:
    """A config's model with a checkpoint's weights, ready to export.

    Args:
        config: the first of ``read_config``, which was given ``options.size``.
        options: without ``size`` it is the model's ``input_size``, or else that of the test images.
        own: the second config of ``read_config``.
    Attributes:
        drop: what ``run`` measured for ``max_drop``.
        found: what its search tried.
        input_size: (height, width) of the file's input.
    Raises:
        UserError: config, checkpoint or data are at fault.
    """

    def __init__(self, config: Config, checkpoint: Path, options: ExportOptions, own: Config | None = None):
        self.config, self._own, self._checkpoint = config, own, checkpoint
        self.model, self._info = load_model(self.config, checkpoint)
        self.drop: Drop | None = None
        self.found: Found | None = None
        size = self.model.input_size if model_task(config).fixed_size else options.size
        self._resized = size is not None
        self._test_data = build_dataset(self.config, "test_dataloader")
        if not len(self._test_data):
            raise UserError(f"{config.filename}: the test data has no images to check the file with")
        self._check = read_images(self._test_data, min(CHECKED, len(self._test_data)), size)
        height, width = self._check[0].shape[:2]
        self.input_size = (height, width)
        self.options = dataclasses.replace(options, size=self.input_size)

    def run(self, out: Path, calibration: int | None = None, max_drop: float | None = None) -> ExportReport:
        """Write the file, and its model card next to it, see ``write_card``.

        Args:
            calibration: number of training images that set int8 ranges; None uses 100, or all of fewer.
            max_drop: in points of 100; the file is also evaluated, and must not lose more than this against the
                PyTorch model, see ``Drop``.
        Raises:
            UserError: see ``export_tflite``; or the file loses more.
        """

        def judge(path: Path) -> None:
            if max_drop is not None:
                self._judge(path, out, max_drop)

        images = ExportImages(self._check, self._calibration(calibration))
        about = self.about
        if self.options.search:
            if max_drop is not None:
                self._check_measurable(out)
            self.found = search(self, images.calibration, _LOSS if max_drop is None else max_drop)
            self.options = dataclasses.replace(self.options, search=False, **self.found.best.choice())
            about = {**about, "origin": {**about["origin"], "int8_search": self.found.record()}}
        report = export_tflite(self.model, out, self.options, images, about=about, judge=judge)
        card = write_card(Measured(report, self.drop, self._data_name(), type(self.model).__name__))
        return dataclasses.replace(report, card=card)

    def _data_name(self) -> str:
        dataset = self.config.test_dataloader.dataset
        place = [Path(str(dataset.get("data_root", ""))).name, *(dataset.get(key) for key in ("ann_file", "split"))]
        return f"{len(self._test_data):,} images of {'/'.join(str(part) for part in place if part) or 'the test data'}"

    def _calibration(self, count: int | None) -> list[np.ndarray]:
        if self.options.quantize != "int8":
            return []
        data = build_dataset(self.config, "train_dataloader")
        count = min(CALIBRATION, len(data)) if count is None else count
        if not 0 < count <= len(data):
            raise UserError(f"--calibration {count}: there are {len(data)} training images; ask for 1 to {len(data)}")
        return read_images(data, count, self.options.size)

    def measure_val(self, predictor: Predictor) -> tuple[str, float]:
        """Return name and value of the primary metric on the val data; on the test data where there are no val data."""
        if self._val_data is None:
            return self._metric(predictor)
        return primary_metric(evaluate_predictor(predictor, self._val_data, self.config.val_evaluator)[0])

    @property
    def searched(self) -> str:
        """Name of the data of ``measure_val``."""
        return "test" if self.config.get("val_dataloader") is None else "val"

    @cached_property
    def _val_data(self) -> Any:
        loader = self.config.get("val_dataloader")
        if loader is None or loader.dataset == self.config.test_dataloader.dataset:
            return None
        return build_dataset(self.config, "val_dataloader")

    def val_baseline(self) -> tuple[str, float]:
        """Return the same of the PyTorch model that the file is compared with."""
        if self._val_data is None:
            return self.baseline
        return self.measure_val(self._exporter.counterpart(self._info, self.config, resized=self._resized))

    def _metric(self, predictor: Predictor) -> tuple[str, float]:
        return primary_metric(evaluate_predictor(predictor, self._test_data, self.config.test_evaluator)[0])

    def _check_measurable(self, out: Path) -> None:
        name, before = self.baseline
        if is_unmeasured(name, before):
            raise UserError(
                f"{out}: not written, {name} can't be measured on the test data ({before:g}), so that "
                "--max-drop has nothing to compare; leave it out, or test on data with labels"
            )

    def _judge(self, path: Path, out: Path, max_drop: float) -> None:
        self._check_measurable(out)
        name, before = self.baseline
        after = self._metric(load_tflite(path))[1]
        own_size, at_own_size = self._at_own_size()
        variants = self._exporter.variants(self._info, self.config, resized=self._resized)
        others = {field: self._metric(predictor)[1] for field, predictor in variants.items()}
        self.drop = Drop(name, after, before, **others, own_size=own_size, at_own_size=at_own_size)
        if not 100 * self.sign * (before - after) <= max_drop:
            change = "falls" if self.sign > 0 else "rises"
            can_search = self.options.quantize == "int8" and self.found is None
            remedy = "add --search" if can_search else "see docs/export.md for what helps"
            raise UserError(
                f"{out}: not written, {name} {change} from {100 * before:.2f} to {100 * after:.2f}, and "
                f"--max-drop allows {max_drop:g} points; {remedy}"
            )

    @cached_property
    def sign(self) -> int:
        """Of the metric that ``baseline`` names: 1 where greater is better, else -1."""
        return metric_sign(self.config.test_evaluator, self.baseline[0])

    @cached_property
    def _exporter(self) -> Exporter:
        return make_exporter(self.model, self.options)

    @cached_property
    def baseline(self) -> tuple[str, float]:
        """Name and value of the metric of the PyTorch model that the file is compared with, see ``Drop``."""
        return self._metric(self._exporter.counterpart(self._info, self.config, resized=self._resized))

    def _at_own_size(self) -> tuple[tuple[int, int] | None, float | None]:
        """Return the input size of the config without ``--size`` and the metric at that; twice None if unchanged."""
        if self._own is None:
            return None, None
        model = load_model(self._own, self._checkpoint)[0]
        if model.input_size == self.model.input_size:
            return None, None
        reference = make_exporter(model, self.options).reference(self._info, self.config)
        return model.input_size, self._metric(reference)[1]

    @cached_property
    def about(self) -> dict:
        """The data of ``build_model_info``."""
        digest = hashlib.sha256()
        for name, tensor in self.model.state_dict().items():
            digest.update(name.encode() + tensor.numpy().tobytes())
        installed = {each.name.lower(): each.version for each in importlib.metadata.distributions()}
        versions = {name: installed[name] for name in _TOOLS if name in installed}
        origin = dict(
            config_name=Path(self.config.filename).stem,
            config=printable(self.config).pretty_text,
            paper=dict(self.config.get("paper", {})),
            versions=dict(densevision=densevision.__version__, **versions),
            weights_sha256=digest.hexdigest(),
        )
        threshold = stored_threshold(self._checkpoint)
        return dict(
            classes=self._info["classes"],
            palette=self._info.get("palette"),
            origin=origin,
            score_threshold=threshold,
        )

    def sensitivity(self, calibration: int | None = None) -> Iterator[tuple[str, float]]:
        """Quantize one part at a time, the rest in float, and evaluate each file.

        Yields:
            A part's name ("float" and "all" are the first two), and the metric.
        """
        yield "float", self.baseline[1]
        # In float32, so that rounding of pixels is not attributed to a part.
        kind: InputType = "float32" if is_plain(self.model.data_preprocessor) else "uint8"
        draft = Draft(self, dataclasses.replace(self.options, input_type=kind))
        images = self._calibration(calibration)
        ranges = Ranges(self.options.activation_ranges, self.options.weight_ranges)
        patterns: dict[str, str | None] = {"all": None, **parts_of(draft.content)}
        for part, pattern in patterns.items():
            quantized = to_int8(draft.content, images, ranges=ranges, only=pattern, uint8_input=False)
            yield part, draft.measure(quantized, self._metric)[1]
