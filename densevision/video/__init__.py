"""Frames in, frames out: videos, folders, single images and cameras."""

from densevision.video.pipeline import VideoReport, run_pipeline
from densevision.video.sinks import Sink, open_sink
from densevision.video.sources import Frame, Source, open_source

__all__ = ["Frame", "VideoReport", "Sink", "Source", "open_sink", "open_source", "run_pipeline"]
