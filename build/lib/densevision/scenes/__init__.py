"""Rendered driving scenes with exact boxes and label maps: a small data set that needs no download."""

from densevision.scenes.render import CLASSES, Scene, render_frame, render_scene
from densevision.scenes.write import write_dataset

__all__ = ["CLASSES", "Scene", "render_frame", "render_scene", "write_dataset"]
