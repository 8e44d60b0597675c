"""Export classifiers: the graph, and what a file is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor, nn

from densevision.classification.model import ImageClassifier
from densevision.data.samples import ClsSample
from densevision.errors import UserError
from densevision.export.exporter import ExportOptions, Parity
from densevision.export.graph import InputType, Pixels, frozen, run_graph
from densevision.export.reference import predict_sample
from densevision.export.tflite_graph import name_outputs
from densevision.images import fit_image
from densevision.inference.classification import ClassificationPredictor
from densevision.inference.metadata import ModelInfo
from densevision.inference.tflite_backend import TFLiteBackend, open_interpreter
from densevision.inference.torch_backend import TorchBackend

if TYPE_CHECKING:
    from densevision.config.load import Config

_GRAPH_TOLERANCE = 1e-3  # of scores


class ClassificationGraph(nn.Module):
    """A classifier up to its scores, by the methods of ``ImageClassifier``.

    Args:
        model: is copied, not changed.
        input_type: of the pixels.
    """

    def __init__(self, model: ImageClassifier, input_type: InputType = "uint8"):
        super().__init__()
        self.pixels = Pixels(model.data_preprocessor, input_type)
        self.model = frozen(model)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """[1, H, W, 3] pixels -> scores [1, K] float32 in 0..1."""
        return (self.model.logits(self.pixels(image)).softmax(-1),)


class ReferenceClassifier(ClassificationPredictor):
    """A classifier's predict mode, image by image."""

    def __init__(self, model: ImageClassifier, classes: Sequence[str]):
        backend = TorchBackend(
            lambda images: (model.scores(images),), model.data_preprocessor.normalize, model.input_size
        )
        super().__init__(backend, classes, center_crop=model.center_crop)
        self._model = model

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Score an image [H, W, 3] uint8 RGB; returns [K] float32."""
        pixels = fit_image(image, self._model.input_size, self.center_crop)
        scores: Tensor = predict_sample(self._model, pixels, ClsSample(), image.shape[:2]).score
        return scores.numpy()


class ClassificationExporter:
    """See ``densevision.export.exporter.Exporter``."""

    def __init__(self, model: ImageClassifier, options: ExportOptions):
        self.model, self.options, self.size = model, options, model.input_size
        self.graph = ClassificationGraph(model, options.graph_input(model))

    def check_graph(self, image: np.ndarray) -> None:
        """Check that the graph gives the scores of the model."""
        error = float(np.abs(run_graph(self.graph, image)[0][0].numpy() - self._scores(image)).max())
        if not error <= _GRAPH_TOLERANCE:
            raise UserError(
                f"{type(self.model).__name__} can't be exported, its parts compute something else than its "
                f"predictions: scores differ by {error:.2g}"
            )

    def finish(self, converted: schema.ModelT) -> None:
        """Name the output."""
        name_outputs(converted, ("scores",))

    def outputs_info(self, data: dict) -> dict[str, Any]:
        """Return the kind of output, and the crop in front of the file."""
        return dict(outputs="scores", center_crop=self.model.center_crop)

    def layout(self, path: Path, info: ModelInfo) -> dict[str, tuple[object, object]]:
        """Compare the number of classes."""
        return {"classes": (int(open_interpreter(path).get_output_details()[0]["shape"][-1]), len(info.classes))}

    def measure_parity(self, path: Path, images: Sequence[np.ndarray]) -> Parity:
        """Measure the differences of the scores."""
        backend = TFLiteBackend(path, 1)
        errors = [np.abs(backend(image[None])[0][0] - self._scores(image)) for image in images]
        shift = float(np.mean([error.sum() / 2 for error in errors]))
        return Parity(len(images), scores=float(np.max(errors)), shift=shift)

    def reference(self, info: dict, config: Config) -> ReferenceClassifier:
        """Return the model as ``densevision test`` runs it."""
        return ReferenceClassifier(self.model, info["classes"])

    def counterpart(self, info: dict, config: Config, *, resized: bool) -> ReferenceClassifier:
        """Return the same; the file computes all of it."""
        return self.reference(info, config)

    def variants(self, info: dict, config: Config, *, resized: bool) -> dict[str, ReferenceClassifier]:
        """Return none."""
        return {}

    @torch.inference_mode()
    def _scores(self, image: np.ndarray) -> np.ndarray:
        """Return the model's scores [K] of an image [*input_size, 3] uint8, without any crop."""
        scores: Tensor = predict_sample(self.model, image, ClsSample(), image.shape[:2]).score
        return scores.numpy()
