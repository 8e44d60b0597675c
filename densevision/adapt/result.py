"""Write what a search has found as an ordinary config, checkpoint and .tflite."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from densevision.adapt.history import Row
from densevision.adapt.search import Search
from densevision.adapt.seed import Seed
from densevision.adapt.shape import Shape, config_of
from densevision.atomic import partial_path, publish, replacing, write_whole
from densevision.checkpoints.config import describe_config
from densevision.checkpoints.settings import settings_of
from densevision.config.dump import printable


@dataclass(frozen=True)
class Result:
    """The files of a finished search: config, checkpoint, and the .tflite that was timed."""

    config: Path
    checkpoint: Path
    tflite: Path


def write_result(search: Search, row: Row) -> Result:
    """Write the network of a row, which has been exported, into the search's folder; see ``write_network``."""
    result = Result(*(search.folder / f"adapted{ending}" for ending in (".py", ".pth", ".tflite")))
    about = f"{Path(search.seed.config.filename).stem}, narrowed by densevision adapt to {search.plan.target}."
    write_network(search.seed, search.shape(row), search.model(row), result.config, about)
    with replacing(result.tflite) as unfinished:
        shutil.copyfile(search.file(row), unfinished)
    return result


def write_network(seed: Seed, shape: Shape, model: Any, config_path: Path, about: str) -> Path:
    """Write a narrowed network as a config, and next to it a checkpoint of the same name, which is returned.

    The config starts a training from the checkpoint; the checkpoint carries the config, without that.

    Args:
        model: of the shape.
        about: the config's first line.
    """
    checkpoint = config_path.with_suffix(".pth")
    config = config_of(seed.config, shape, str(config_path))
    meta = dict(dataset_meta=seed.info, settings=settings_of(model), **describe_config(config))
    partial = partial_path(checkpoint)
    torch.save(dict(meta=meta, state_dict=model.state_dict()), partial)
    publish(partial, checkpoint)
    config.init_from = str(checkpoint.resolve())
    write_whole(config_path, (f'"""{about}"""\n\n' + printable(config).pretty_text).encode())
    return checkpoint
