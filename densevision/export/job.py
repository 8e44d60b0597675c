"""An export from a config and a checkpoint with the config's data: what ``densevision export`` does."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

import densevision
from densevision.checkpoints.config import find_config
from densevision.config.dump import printable
from densevision.config.load import Config
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.evaluation import build_dataset, evaluate_predictor, headline, read_images
from densevision.export.convert import (
    ExportOptions,
    ExportReport,
    Pictures,
    build_graph,
    convert,
    describe,
    export_tflite,
    finish_graph,
)
from densevision.export.graph import is_plain
from densevision.export.metadata import attach_metadata
from densevision.export.quantize import parts_of, to_int8
from densevision.export.reference import ReferenceDetector, ReferenceSegmenter, with_op_rules
from densevision.export.verify import run_graph
from densevision.inference.load import load_model, model_type
from densevision.inference.predictor import DetectionPredictor, SegmentationPredictor
from densevision.inference.tflite_backend import load_tflite

CHECKED = 8  # images of the parity check
CALIBRATION = 100  # images, or as many as there are
_TOOLS = ("torch", "litert-torch", "litert-converter", "ai-edge-quantizer", "ai-edge-litert")
_SMALLEST, _LARGEST = 32, 4096  # pixels a side


@dataclasses.dataclass(frozen=True)
class Drop:
    """What ``ExportJob.run`` measured for ``max_drop``; values of the metric ``name`` in 0..1 on the test images.

    Attributes:
        file: of the file.
        model: of the PyTorch model that the file is held against: a detector as ``densevision test`` runs it; a
            segmenter with outputs as large as the file's.
        other: of that model with suppression across classes (detector), or as ``densevision test`` runs it
            (segmenter); None where that is the same.
        own_size: a detector's (height, width) without ``--size``; None where that is the same.
        at_own_size: of that model at ``own_size``.
    """

    name: str
    file: float
    model: float
    other: float | None
    is_segmenter: bool
    own_size: tuple[int, int] | None = None
    at_own_size: float | None = None


def read_config(
    checkpoint: Path,
    path: str | Path | Config | None,
    overrides: Iterable[str] = (),
    size: tuple[int, int] | None = None,
) -> tuple[Config, Config | None]:
    """Read a config for an export with an input of ``size``, which becomes a detector's ``model.input_size``.

    Args:
        path: None takes the config that the checkpoint carries.
    Returns:
        The config to export, and of a detector with ``size`` the one with its own size, else None.
    Raises:
        UserError: see ``load_config``; or the size is out of bounds, or given twice.
    """
    if size and not all(_SMALLEST <= side <= _LARGEST for side in size):
        raise UserError(f"--size {size[0]} {size[1]}: give at least {_SMALLEST} pixels a side and at most {_LARGEST}")
    overrides = list(overrides)
    config = find_config(checkpoint, path, overrides)
    if size and is_detector(config):
        if any(override.partition("=")[0] == "model.input_size" for override in overrides):
            raise UserError("--size and --cfg-options model.input_size both set the input size; leave one of them out")
        return find_config(checkpoint, path, [*overrides, f"model.input_size=({size[0]}, {size[1]})"]), config
    return config, None


def is_detector(config: Config) -> bool:
    """Whether a config's model is a detector; a ``UserError`` if it has no model that can be exported."""
    return issubclass(model_type(config), SSDLite)


class ExportJob:
    """A config's model with a checkpoint's weights, ready to export.

    Args:
        config: the first of ``read_config``, which was given ``options.size``.
        options: a segmenter's ``size`` may be missing: then it is that of the test images.
        own: the second config of ``read_config``.
    Attributes:
        drop: what ``run`` measured for ``max_drop``.
    Raises:
        UserError: config, checkpoint or data are at fault.
    """

    def __init__(self, config: Config, checkpoint: Path, options: ExportOptions, own: Config | None = None):
        self.config, self._own, self._checkpoint = config, own, checkpoint
        self.model, self._info = load_model(self.config, checkpoint)
        self.drop: Drop | None = None
        is_detector = isinstance(self.model, SSDLite)
        size = self.model.input_size if is_detector else options.size
        exact = options.upsample is None or (options.labels == "logits" and options.upsample == 1)
        self._is_reduced = not is_detector and (not exact or size is not None)  # less fine than ``densevision test``
        self._test_data = build_dataset(self.config, "test_dataloader")
        if not len(self._test_data):
            raise UserError(f"{config.filename}: the test data has no images to check the file with")
        self._check = read_images(self._test_data, min(CHECKED, len(self._test_data)), size)
        self.options = dataclasses.replace(options, size=self._check[0].shape[:2])

    def run(self, out: Path, calibration: int | None = None, max_drop: float | None = None) -> ExportReport:
        """Write the file.

        Args:
            calibration: number of training images that set int8 ranges; None takes 100, or all of fewer.
            max_drop: in points of 100; the file is also evaluated, and must not lose more than this against the
                PyTorch model, see ``Drop``.
        Raises:
            UserError: see ``export_tflite``; or the file loses more.
        """
        pictures = Pictures(self._check, self._calibration(calibration))
        judge = None if max_drop is None else lambda path: self._judge(path, out, max_drop)
        return export_tflite(self.model, out, self.options, pictures, about=self._about, judge=judge)

    def _calibration(self, count: int | None) -> list[np.ndarray]:
        if self.options.quantize != "int8":
            return []
        data = build_dataset(self.config, "train_dataloader")
        count = min(CALIBRATION, len(data)) if count is None else count
        if not 0 < count <= len(data):
            raise UserError(f"--calibration {count}: there are {len(data)} training images; ask for 1 to {len(data)}")
        return read_images(data, count, self.options.size)

    def _metric(self, predictor: DetectionPredictor | SegmentationPredictor) -> tuple[str, float]:
        return headline(evaluate_predictor(predictor, self._test_data, self.config.test_evaluator)[0])

    def _judge(self, path: Path, out: Path, max_drop: float) -> None:
        name, before = self.baseline
        if name.startswith(("coco/", "seg/")) and not before >= 0:  # also NaN
            raise UserError(
                f"{out}: not written, {name} can't be measured on the test data ({before:g}), so that "
                "--max-drop has nothing to compare; leave it out, or test on data with labels"
            )
        after = self._metric(load_tflite(path))[1]
        self.drop = Drop(name, after, before, self.other, not isinstance(self.model, SSDLite), *self._at_own_size())
        if not 100 * (before - after) <= max_drop:
            raise UserError(
                f"{out}: not written, {name} falls from {100 * before:.2f} to {100 * after:.2f}, and "
                f"--max-drop allows {max_drop:g} points; docs/export.md says what helps"
            )

    @cached_property
    def baseline(self) -> tuple[str, float]:
        """Name and value of the metric of the PyTorch model that the file is held against, see ``Drop``."""
        if not self._is_reduced:
            return self._metric(self._reference(self.model))
        graph, size = build_graph(self.model, self.options)
        padded = describe(self.model, size, self.options, self._about).padded_size
        backend = _Coarse(lambda image: tuple(output.numpy() for output in run_graph(graph, image[0])), size)
        return self._metric(SegmentationPredictor(backend, self._info["classes"], [], padded_size=padded))

    @cached_property
    def other(self) -> float | None:
        """Value of the metric of the model that the second figure is about, see ``Drop``."""
        if self._is_reduced:
            return self._metric(self._reference(self.model))[1]
        across = (self.options.postprocess, self.options.nms) == ("nms", "across-classes")
        if isinstance(self.model, SSDLite) and across:
            return self._metric(self._reference(with_op_rules(self.model, "across-classes")))[1]
        return None

    def _at_own_size(self) -> tuple[tuple[int, int] | None, float | None]:
        """Return a detector's own input size and the metric at that; twice None where it is the file's."""
        model = load_model(self._own, self._checkpoint)[0] if self._own else self.model
        if not isinstance(model, SSDLite) or model.input_size == self.model.input_size:
            return None, None
        return model.input_size, self._metric(self._reference(model))[1]

    def _reference(self, model) -> DetectionPredictor | SegmentationPredictor:
        if not isinstance(model, SSDLite):
            return ReferenceSegmenter(model, self._info["classes"])
        float_resize = self.config.test_dataloader.dataset.get("float_resize", False)
        return ReferenceDetector(model, self._info["classes"], float_resize=float_resize)

    @cached_property
    def _about(self) -> dict:
        digest = hashlib.sha256()
        for name, tensor in self.model.state_dict().items():
            digest.update(name.encode() + tensor.numpy().tobytes())
        installed = {each.name.lower(): each.version for each in importlib.metadata.distributions()}
        versions = {name: installed[name] for name in _TOOLS if name in installed}
        origin = dict(
            config_name=Path(self.config.filename).stem,
            config=printable(self.config).pretty_text,
            paper=dict(self.config.get("paper") or {}),
            versions=dict(densevision=densevision.__version__, **versions),
            weights_sha256=digest.hexdigest(),
        )
        return dict(classes=self._info["classes"], palette=self._info.get("palette"), origin=origin)

    def sensitivity(self, calibration: int | None = None) -> Iterator[tuple[str, float]]:
        """Quantise one part at a time, the rest in float, and evaluate each file.

        Yields:
            A part's name ("float" and "all" are the first two), and the metric.
        """
        yield "float", self.baseline[1]
        kind = "float32" if is_plain(self.model.data_preprocessor) else "uint8"  # rounding pixels is no part's fault
        options = dataclasses.replace(self.options, input_type=kind)
        graph, size = build_graph(self.model, options)
        content, pictures = convert(graph, size), self._calibration(calibration)
        about = describe(self.model, size, options, self._about)
        patterns = {"all": None} | {part: rf"{part}[./]" for part in parts_of(content)} | {"se": r"block\d+\.se/"}
        for part, pattern in patterns.items():
            quantized = to_int8(content, pictures, only=pattern, uint8_input=False)
            whole = attach_metadata(finish_graph(quantized, graph, self.model, options), about)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "model.tflite")
                path.write_bytes(whole)
                yield part, self._metric(load_tflite(path))[1]


@dataclasses.dataclass(frozen=True)
class _Coarse:
    """A ``Backend`` of a segmenter in PyTorch with outputs as large as a file's."""

    outputs: Callable[[np.ndarray], tuple[np.ndarray, ...]]
    input_size: tuple[int, int]
    lowest_score: float = 0.0

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, ...]:
        return self.outputs(image)
