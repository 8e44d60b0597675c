"""An export from a config and a checkpoint with the config's data: what ``densevision export`` does."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

import densevision
from densevision.deploy.evaluate import build_dataset, evaluate_predictor, headline, read_images
from densevision.deploy.export import (
    ExportOptions,
    ExportReport,
    Pictures,
    build_graph,
    convert,
    describe,
    export_tflite,
    finish_graph,
)
from densevision.deploy.graph import DetectionGraph, SegmentationGraph, decode_boxes, is_plain
from densevision.deploy.load import load_model
from densevision.deploy.metadata import attach_metadata
from densevision.deploy.predictor import DetectionPredictor, SegmentationPredictor, Thresholds
from densevision.deploy.quantize import parts_of, to_int8
from densevision.deploy.tflite import as_input, boxes_in_pixels, load_tflite
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.training.config import load_config

CHECKED = 8  # images of the parity check
CALIBRATION = 100  # images, or as many as there are
_TOOLS = ("torch", "litert-torch", "litert-converter", "ai-edge-quantizer", "ai-edge-litert")
_SMALLEST = 32  # pixels


class Export:
    """A config's model with a checkpoint's weights, ready to export.

    Args:
        options: a segmenter's ``size`` may be missing: then it is that of the test images.
        overrides: ``key=value`` changes of the config.
    Attributes:
        drop: what ``run`` measured for ``max_drop``: the metric's name, and its values by PyTorch and in the file.
    Raises:
        UserError: config, checkpoint or data are at fault.
    """

    def __init__(self, config_path: Path, checkpoint: Path, options: ExportOptions, overrides: Iterable[str] = ()):
        self.config = load_config(config_path, overrides)
        if options.size and min(options.size) < _SMALLEST:
            raise UserError(f"--size {options.size[0]} {options.size[1]}: give at least {_SMALLEST} pixels a side")
        if options.size and "input_size" in self.config.get("model", {}):
            self.config.model.input_size = options.size
        self.model, self._info = load_model(self.config, checkpoint)
        self.drop: tuple[str, float, float] | None = None
        size = self.model.input_size if isinstance(self.model, SSDLite) else options.size
        self._test_data = build_dataset(self.config, "test_dataloader")
        self._check = read_images(self._test_data, min(CHECKED, len(self._test_data)), size)
        self.options = dataclasses.replace(options, size=self._check[0].shape[:2])

    def run(self, out: Path, calibration: int | None = None, max_drop: float | None = None) -> ExportReport:
        """Write the file.

        Args:
            calibration: number of training images that set int8 ranges; None takes 100, or all of fewer.
            max_drop: in points of 100; the file is also evaluated, and must not lose more than this against the
                PyTorch graph with the same outputs.
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
        after = self._metric(load_tflite(path))[1]
        self.drop = (name, before, after)
        if not 100 * (before - after) <= max_drop:
            raise UserError(f"{out}: not written, {name} falls from {100 * before:.2f} to {100 * after:.2f}, and "
                            f"--max-drop allows {max_drop} points; docs/export.md says what helps")

    @cached_property
    def baseline(self) -> tuple[str, float]:
        """Name and value of the metric of the PyTorch graph that has the file's outputs, on the same images."""
        graph, size = build_graph(self.model, self.options)
        backend, classes = GraphBackend(graph, size), tuple(self._info["classes"])
        if isinstance(graph, DetectionGraph):
            rules = self.model.rules
            thresholds = Thresholds(
                rules.score_threshold, rules.iou_threshold, rules.max_detections, rules.candidates
            )
            predictor = DetectionPredictor(backend, classes, thresholds)
        else:
            predictor = SegmentationPredictor(backend, classes, self._info["palette"])
        return self._metric(predictor)

    @cached_property
    def _about(self) -> dict:
        digest = hashlib.sha256()
        for name, tensor in self.model.state_dict().items():
            digest.update(name.encode() + tensor.numpy().tobytes())
        installed = {each.name.lower(): each.version for each in importlib.metadata.distributions()}
        versions = {name: installed[name] for name in _TOOLS if name in installed}
        origin = dict(config_name=Path(self.config.filename).stem, config=self.config.pretty_text,
                      versions=dict(densevision=densevision.__version__, **versions),
                      weights_sha256=digest.hexdigest())
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
            whole = attach_metadata(finish_graph(quantized, graph, self.model), about)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "model.tflite")
                path.write_bytes(whole)
                yield part, self._metric(load_tflite(path))[1]


class GraphBackend:
    """A ``Backend`` on the PyTorch graph that a file is made from."""

    def __init__(self, graph: DetectionGraph | SegmentationGraph, size: tuple[int, int]):
        self.input_size = size
        self._graph = graph

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, ...]:
        """Compute the outputs, see ``Backend``."""
        graph = self._graph
        outputs = graph(torch.from_numpy(as_input(image, "uint8" if graph.pixels.uint8 else "float32")))
        if isinstance(graph, SegmentationGraph):
            return (outputs[0].numpy(),)
        boxes = outputs[0] if graph.decode else decode_boxes(outputs[0], graph.anchors, graph.scales)
        return boxes_in_pixels(boxes.numpy(), self.input_size), outputs[1].numpy()
