"""Write what a search has found as an ordinary config, checkpoint and .tflite."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from densevision.adapt.history import Row
from densevision.adapt.search import Search
from densevision.adapt.shape import config_of
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
    """Write the network of a row, which has been exported, into the search's folder.

    The config starts a training from the checkpoint; the checkpoint carries the config, without that.
    """
    folder, seed = search.folder, search.seed
    result = Result(folder / "adapted.py", folder / "adapted.pth", folder / "adapted.tflite")
    config = config_of(seed.config, search.shape(row))
    config.filename = str(result.config)
    model = search.model(row)
    meta = dict(dataset_meta=seed.info, settings=settings_of(model), **describe_config(config))
    partial = partial_path(result.checkpoint)
    torch.save(dict(meta=meta, state_dict=model.state_dict()), partial)
    publish(partial, result.checkpoint)
    config.init_from = str(result.checkpoint.resolve())
    about = f'"""{Path(seed.config.filename).stem}, narrowed by densevision adapt to {search.plan.target}."""\n\n'
    write_whole(result.config, (about + printable(config).pretty_text).encode())
    with replacing(result.tflite) as unfinished:
        shutil.copyfile(search.file(row), unfinished)
    return result
