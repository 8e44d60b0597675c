"""From a trained model to a checked .tflite; the only importer of litert_torch."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import logging
import multiprocessing
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from densevision.atomic import replacing
from densevision.errors import UserError
from densevision.export.exporter import Exporter, ExportOptions, Parity, make_exporter
from densevision.export.metadata import attach_metadata
from densevision.export.quantize import to_float16, to_int8
from densevision.export.tflite_graph import labeled, name_ops, read_graph, write_graph
from densevision.export.verify import check_layout, check_ops, check_parity, ops_outside_delegate
from densevision.inference.metadata import ModelInfo
from densevision.stages import stage

__all__ = ["ExportImages", "ExportOptions", "ExportReport", "convert", "export_tflite"]


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        path: of the file.
        size_bytes: of the file.
        sha256: of the file.
        ops: operators by kind.
        outside: those of them that run outside XNNPACK.
        parity: with PyTorch; None if no images were given.
        card: path of the model card; None without one.
    """

    path: Path
    size_bytes: int
    sha256: str
    ops: dict[str, int]
    outside: dict[str, int]
    parity: Parity | None
    card: Path | None = None


@dataclass(frozen=True)
class ExportImages:
    """Real images for an export, [H, W, 3] uint8 RGB of the input's size.

    Attributes:
        check: for the parity with PyTorch; without any, only the file's operators are checked (random weights,
            for timing).
        calibration: for the activations' ranges of an int8 file.
    """

    check: Sequence[np.ndarray] = ()
    calibration: Sequence[np.ndarray] = ()


def export_tflite(
    model: Any,
    path: str | Path,
    options: ExportOptions = ExportOptions(),  # noqa: B008
    images: ExportImages = ExportImages(),  # noqa: B008
    *,
    about: dict | None = None,
    judge: Callable[[Path], None] | None = None,
) -> ExportReport:
    """Write a model as a .tflite and compare the file with the model, as its predict mode runs it.

    Args:
        model: of a task that has an ``Exporter``.
        path: where the file goes; nothing is left there when something fails.
        about: see ``build_model_info``.
        judge: is called with the written file before it gets its name, and may raise.
    Raises:
        UserError: the network can't be converted, contains NaN, or the file fails a check.
    """
    path, model = Path(path), copy.deepcopy(model).cpu().eval()
    check_weights_finite(model)
    exporter = make_exporter(model, options)
    check_images(images, exporter.size, options)
    exporter.check_graph(images.check[0] if len(images.check) else _waves(exporter.size))
    info = build_model_info(exporter, model, options, about or {})
    with replacing(path, "--out") as unfinished:
        stage(f"converting for {exporter.size[0]}x{exporter.size[1]}")
        content = convert(exporter.graph, exporter.size)
        if options.quantize != "none":
            stage(f"quantizing to {options.quantize}{_calibrated(images)}")
        content = quantize(content, options, images.calibration)
        content = finish(content, exporter, info)
        unfinished.write_bytes(content)
        check_layout(unfinished, path, info, exporter)
        ops = check_ops(content, path)
        outside = ops_outside_delegate(unfinished)
        parity = None
        if len(images.check):
            stage(f"comparing with PyTorch on {len(images.check)} images")
            parity = exporter.measure_parity(unfinished, images.check)
            check_parity(parity, options.quantize, path)
        if judge:
            judge(unfinished)
    return ExportReport(path, len(content), hashlib.sha256(content).hexdigest(), ops, outside, parity)


def _calibrated(images: ExportImages) -> str:
    return f", calibrated on {len(images.calibration)} images" if len(images.calibration) else ""


def check_images(images: ExportImages, size: tuple[int, int], options: ExportOptions) -> None:
    """Raise a UserError if images are missing, or have another size or type than the input."""
    if options.quantize == "int8" and not len(images.calibration):
        raise UserError("int8 needs calibration images, and there are none")
    for image in (*images.check, *images.calibration):
        if image.shape != (*size, 3) or image.dtype != np.uint8:
            raise UserError(f"an image is {image.dtype} {image.shape}, the input takes uint8 {(*size, 3)}; resize it")


def check_weights_finite(model: torch.nn.Module) -> None:
    """Raise a UserError that names the first tensor with NaN or infinite values."""
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise UserError(f"the weights {name} contain NaN or infinite values; use an earlier checkpoint")


def quantize(content: bytes, options: ExportOptions, calibration: Sequence[np.ndarray]) -> bytes:
    """Quantize a converted graph by the options."""
    if options.quantize == "float16":
        return to_float16(content)
    if options.quantize == "int8":
        uint8_input = options.input_type == "uint8"
        return to_int8(content, calibration, float_parts=options.float_parts, uint8_input=uint8_input)
    return content


def convert(graph: Any, size: tuple[int, int]) -> bytes:
    """Convert a graph for one size; its operators get the names of ``name_ops``.

    Args:
        graph: its ``model`` names the parts, by ``parts()``; without it, the whole graph is one part.
    Raises:
        UserError: an operator has no counterpart, or litert-torch is missing.
    """
    network: Any = getattr(graph, "model", None)
    parts = network.parts() if hasattr(network, "parts") else {}
    dtype = torch.uint8 if graph.pixels.uint8 else torch.float32
    sample = torch.zeros(1, *size, 3, dtype=dtype)
    with _contained(), tempfile.TemporaryDirectory() as folder:
        try:
            import litert_torch
        except ImportError as error:
            raise UserError("export needs litert-torch; pip install densevision[tflite]") from error
        try:
            with labeled(graph, parts):
                litert_torch.convert(graph.eval(), (sample,)).export(f"{folder}/model.tflite")
        except RuntimeError as error:
            raise UserError(f"the network can't be converted: {str(error).strip().splitlines()[0][:200]}") from error
        model = read_graph(Path(folder, "model.tflite").read_bytes())
    name_ops(model)
    return write_graph(model)


_PROGRESS = "LITERT_TORCH_SHOW_PROGRESS"


@contextlib.contextmanager
def _contained() -> Iterator[None]:
    """Keep the converter's progress and C++ log lines off the terminal, and its settings out of the process."""
    sys.stderr.flush()
    handlers, start_method = list(logging.root.handlers), multiprocessing.get_start_method(allow_none=True)
    with warnings.catch_warnings(), open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.ExitStack() as undo:
        saved = os.dup(2)
        undo.callback(os.close, saved)
        undo.callback(os.dup2, saved, 2)
        os.dup2(nowhere.fileno(), 2)
        if _PROGRESS not in os.environ:
            os.environ[_PROGRESS] = "n"
            undo.callback(os.environ.pop, _PROGRESS)
        undo.callback(setattr, logging.root, "handlers", handlers)
        undo.callback(multiprocessing.set_start_method, start_method, force=True)
        yield


def build_model_info(exporter: Exporter, model: Any, options: ExportOptions, data: dict) -> ModelInfo:
    """Gather a file's metadata.

    Args:
        data: ``classes``, ``palette``, ``origin`` and ``score_threshold`` of ``ModelInfo``; may be empty, then classes
            are numbered.
    """
    return ModelInfo(
        classes=tuple(data.get("classes") or map(str, range(model.num_classes))),
        size=exporter.size,
        input_type=options.input_type,
        quantize=options.quantize,
        origin=dict(data.get("origin") or {}),
        score_threshold=data.get("score_threshold"),
        **exporter.outputs_info(data),
    )


def finish(content: bytes, exporter: Exporter, info: ModelInfo) -> bytes:
    """Turn a converted, quantized graph into a whole file: outputs named, metadata attached."""
    model = read_graph(content)
    exporter.finish(model)
    return attach_metadata(write_graph(model), info)


def _waves(size: tuple[int, int]) -> np.ndarray:
    """Smooth colors [H, W, 3] uint8, for a check without images."""
    rows, columns = np.mgrid[: size[0], : size[1]] / 20.0
    waves = [np.sin(a * rows + b * columns) for a, b in ((1.0, 0.3), (0.4, 1.1), (0.7, 0.7))]
    return (np.stack(waves, -1) * 127 + 128).astype(np.uint8)
