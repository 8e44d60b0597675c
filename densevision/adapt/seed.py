"""The trained network that an adaptation starts from, and what is made of it: narrowed models and their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from densevision.adapt.inherit import inherit
from densevision.adapt.layers import Geometry, geometry_of
from densevision.adapt.shape import Shape, config_of, shape_of
from densevision.adapt.transplant import Origins, transplant
from densevision.config.load import Config
from densevision.errors import UserError
from densevision.evaluation import build_dataset, read_images
from densevision.export.convert import ExportImages, export_tflite
from densevision.export.exporter import ExportOptions
from densevision.export.job import check_size
from densevision.inference.load import build_model, load_model, model_task
from densevision.stages import quiet

_CALIBRATION = 32  # images that set the ranges of an int8 file that is only timed


@dataclass(frozen=True)
class Seed:
    """A checkpoint's network.

    Attributes:
        config: of its training.
        checkpoint: its file.
        model: in evaluation mode, without parts that exist in training only.
        info: what the checkpoint records of the data.
        shape: its channels.
        options: of the .tflite files; with their size.
    """

    config: Config
    checkpoint: Path
    model: Any
    info: dict
    shape: Shape
    options: ExportOptions

    @cached_property
    def geometry(self) -> Geometry:
        """What else than the shape determines the layers."""
        assert self.options.size is not None
        stride = self.config.model.backbone.get("output_stride", 32)
        return geometry_of(self.model, self.options.size, stride)

    @cached_property
    def _calibration(self) -> list[np.ndarray]:
        if self.options.quantize != "int8":
            return []
        data = build_dataset(self.config, "train_dataloader")
        return read_images(data, min(_CALIBRATION, len(data)), self.options.size)

    def build(self, shape: Shape, weights: Mapping[str, Tensor] | None = None) -> Any:
        """Build a network of this shape, in evaluation mode; without weights they are the same at each call."""
        config = config_of(self.config, shape)
        config.model.pop("auxiliary", None)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = build_model(config, len(self.info["classes"]))
        if weights is not None:
            model.load_state_dict(weights)
        return model.eval()

    def narrowed(self, model: Any, before: Shape, shape: Shape) -> Any:
        """Build a network that inherits from a wider one."""
        return self.build(shape, inherit(model, before, shape))

    def restructured(self, model: Any, before: Shape, shape: Shape, origins: Origins) -> Any:
        """Build a network of another structure that inherits what it can; see ``transplant``."""
        built = self.build(shape)
        built.load_state_dict(transplant(model, before, built, shape, origins))
        return built

    def write(self, model: Any, path: Path) -> Path:
        """Export a network, to time its file; it is not compared with PyTorch."""
        with quiet():
            export_tflite(model, path, self.options, ExportImages(calibration=self._calibration))
        return path


def read_seed(config: Config, checkpoint: Path, options: ExportOptions) -> Seed:
    """Load a trained network.

    Args:
        options: without ``size`` it is the model's ``input_size``, or that of the test images.
    Raises:
        UserError: the checkpoint belongs to another config, or the network can't be narrowed.
    """
    task = model_task(config)
    if task.name not in ("detection", "segmentation"):
        raise UserError(f"{config.filename}: adapt narrows detectors and segmentation models, not a {task.noun}")
    if options.size is not None:
        check_size(options.size)
    model, info = load_model(config, checkpoint)
    if task.fixed_size and options.size not in (None, model.input_size):
        raise UserError("--size: a detector's input is the config's; use --cfg-options model.input_size=(H,W)")
    size = model.input_size if task.fixed_size else options.size
    if size is None:
        height, width = read_images(build_dataset(config, "test_dataloader"), 1)[0].shape[:2]
        size = (height, width)
    return Seed(config, checkpoint, model, info, shape_of(model, config), replace(options, size=size))
