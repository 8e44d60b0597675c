"""Export segmentation models: the graph, and what a file is compared with."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor, nn

from densevision.data.samples import SegSample
from densevision.errors import UserError
from densevision.export.exporter import ExportOptions, Parity
from densevision.export.graph import InputType, Pixels, frozen, run_graph
from densevision.export.reference import predict_sample
from densevision.export.tflite_graph import name_outputs
from densevision.inference.metadata import ModelInfo
from densevision.inference.predictor import SegmentationPredictor
from densevision.inference.tflite_backend import TFLiteBackend, load_tflite, open_interpreter
from densevision.inference.torch_backend import TorchBackend
from densevision.segmentation.model import Segmentor

if TYPE_CHECKING:
    from densevision.config.load import Config

_LEAST_AGREEMENT = 0.99  # of a graph's labels with the model's: rounding decides a few pixels


class SegmentationGraph(nn.Module):
    """A segmentation model up to a label map or to logits, by the methods of ``Segmentor``.

    Args:
        model: is copied, not changed.
        input_type: of the pixels.
        labels: "argmax" or "logits".
        upsample: factor of the logits' bilinear upsampling; None makes them as large as the image.
    """

    def __init__(
        self,
        model: Segmentor,
        input_type: InputType = "uint8",
        *,
        labels: Literal["argmax", "logits"] = "argmax",
        upsample: int | None = 1,
    ):
        super().__init__()
        self.pixels = Pixels(model.data_preprocessor, input_type)
        self.model = frozen(model)
        self.labels, self.upsample = labels, upsample

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """[1, H, W, 3] pixels -> labels [1, h, w] uint8, or logits [1, h, w, K] float32."""
        logits = self.model.coarse_logits(self.pixels(image))
        if self.upsample is None:
            logits = self.model.upsample_to(logits, image.shape[1:3])
        else:
            logits = self.model.upsample(logits, self.upsample)
        logits = logits.permute(0, 2, 3, 1)
        return (logits.argmax(-1).to(torch.uint8) if self.labels == "argmax" else logits,)


class ReferenceSegmentor(SegmentationPredictor):
    """A segmentation model's predict mode, image by image, at the images' own size."""

    def __init__(self, model: Segmentor, classes: Sequence[str]):
        backend = TorchBackend(
            lambda images: (model(images).permute(0, 2, 3, 1),), model.data_preprocessor.normalize, None
        )
        super().__init__(backend, classes, [])
        self._model = model

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Label an image [H, W, 3] uint8 RGB; returns [H, W] uint8."""
        labels: Tensor = predict_sample(self._model, image, SegSample(), image.shape[:2]).labels[0]
        return labels.numpy()


@dataclass(frozen=True)
class _GraphBackend:
    """A ``Backend`` that runs a graph in PyTorch, with outputs as large as a file's."""

    graph: nn.Module
    input_size: tuple[int, int]
    lowest_score: float = 0.0

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(output.numpy() for output in run_graph(self.graph, image[0]))


class SegmentationExporter:
    """See ``densevision.export.exporter.Exporter``."""

    def __init__(self, model: Segmentor, options: ExportOptions):
        if options.size is None:
            raise ValueError("a segmentation model needs options.size")
        self.model, self.options, self.size = model, options, options.size
        pixels = options.graph_input(model)
        self.graph = SegmentationGraph(model, pixels, labels=options.labels, upsample=options.upsample)

    def check_graph(self, image: np.ndarray) -> None:
        """Check that the graph, upsampled to the image's size, gives the labels of the model."""
        check_graph(self.graph, self.model, image)

    def finish(self, converted: schema.ModelT) -> None:
        """Name the output."""
        name_outputs(converted, (self._outputs,))

    def outputs_info(self, data: dict) -> dict[str, Any]:
        """Return the kind of output, the palette, and the size that the output covers."""
        palette = tuple(tuple(color) for color in data.get("palette") or ())
        return dict(outputs=self._outputs, palette=palette, **self._covers)

    def layout(self, path: Path, info: ModelInfo) -> dict[str, tuple[object, object]]:
        """Compare the number of classes of logits."""
        if info.outputs != "logits":
            return {}
        return {"classes": (int(open_interpreter(path).get_output_details()[0]["shape"][-1]), len(info.classes))}

    def measure_parity(self, path: Path, images: Sequence[np.ndarray]) -> Parity:
        """Measure the share of equal labels."""
        return Parity(len(images), labels=min(self._labels_agree(path, image) for image in images))

    def reference(self, info: dict, config: Config) -> ReferenceSegmentor:
        """Return the model at full resolution."""
        return ReferenceSegmentor(self.model, info["classes"])

    def counterpart(self, info: dict, config: Config, *, resized: bool) -> SegmentationPredictor:
        """Return the model with outputs as large as the file's."""
        if self._is_exact and not resized:
            return self.reference(info, config)
        backend = _GraphBackend(self.graph, self.size)
        return SegmentationPredictor(backend, info["classes"], [], **self._covers)

    def variants(self, info: dict, config: Config, *, resized: bool) -> dict[str, SegmentationPredictor]:
        """Return the model at full resolution, where the file's is lower."""
        return {} if self._is_exact and not resized else {"full_size": self.reference(info, config)}

    @property
    def _outputs(self) -> str:
        return "labels" if self.options.labels == "argmax" else "logits"

    @property
    def _is_exact(self) -> bool:
        """Whether the file's output leads to the model's own labels."""
        return self.options.upsample is None or (self.options.labels == "logits" and self.options.upsample == 1)

    @property
    def _covers(self) -> dict[str, Any]:
        """Return ``padded_size`` and ``align_corners`` of ``ModelInfo``."""
        covered, aligned = self.model.covered_size(self.size), self.model.align_corners
        plain = self.options.upsample is None or (covered == self.size and not aligned)
        return dict(padded_size=None if plain else covered, align_corners=aligned)

    def _labels_agree(self, path: Path, image: np.ndarray) -> float:
        """Compare at the image's size where the output leads there exactly, else at the output's own size."""
        if self._is_exact:
            found, wanted = load_tflite(path, threads=1)(image), ReferenceSegmentor(self.model, ())(image)
        else:
            (found,) = TFLiteBackend(path, 1)(image[None])
            (logits,) = run_graph(self.graph, image)
            found, wanted = (each.argmax(-1) if each.ndim == 4 else each for each in (found, logits.numpy()))
        return float((found == wanted).mean())


def check_graph(graph: SegmentationGraph, model: Segmentor, image: np.ndarray) -> None:
    """See ``SegmentationExporter.check_graph``."""
    whole = copy.copy(graph)
    whole.labels, whole.upsample = "argmax", None
    wanted = ReferenceSegmentor(model, ())(image)
    found = run_graph(whole, image)[0][0].numpy()
    share = float((found == wanted).mean()) if found.shape == wanted.shape else 0.0
    if not share >= _LEAST_AGREEMENT:
        raise UserError(
            f"{type(model).__name__} with {type(model.head).__name__} can't be exported, its parts compute "
            f"something else than its predictions: {share:.2%} of the labels agree"
        )
