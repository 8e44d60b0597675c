"""The splits of a config or of a folder of data, each as a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from densevision.config.build_errors import config_errors
from densevision.config.load import load_config
from densevision.config.types import resolve_type
from densevision.data.formats.layout import Layout
from densevision.errors import UserError
from densevision.registry import DATASETS
from densevision.training.splits import align

SPLITS = ("train", "val", "test")
_FOLDER_INPUT = (320, 320)  # where no model says otherwise


@dataclass
class Split:
    """One split.

    Attributes:
        name: "train", "val" or "test"; "all" where a folder does not divide its data.
        arguments: of the data set, with its class as ``type``.
        dataset: None where it can't be built.
        fault: why it can't be built, or can't be used with the training data.
    """

    name: str
    arguments: Mapping[str, Any]
    dataset: Any = None
    fault: str = ""

    @property
    def trains(self) -> bool:
        """Whether the split is trained on."""
        return self.name in ("train", "all")


@dataclass
class Source:
    """A config or a folder.

    Attributes:
        name: as the user gave it.
        splits: in the order train, val, test.
        config: None for a folder.
        notes: about the whole, one line each.
    """

    name: str
    splits: list[Split]
    config: Config | None = None
    notes: tuple[str, ...] = ()


def open_source(where: str | Path, overrides: Iterable[str] = ()) -> Source:
    """Open a config, by path or name, or a folder of images and labels.

    Args:
        overrides: of the config, as for ``load_config``.
    Raises:
        UserError: it is neither, the config is wrong, or the folder's layout is not recognized.
    """
    overrides = list(overrides)
    if Path(where).is_dir() or Path(where).is_file() and Path(where).suffix != ".py":
        if overrides:
            raise UserError(f"--cfg-options: {where} is data, not a config; leave the options out")
        return _open_folder(Path(where))
    source = config_source(load_config(where, overrides), str(where))
    if not source.splits:
        raise UserError(f"{where}: the config has no data set")
    return source


def config_source(config: Config, name: str) -> Source:
    """Build the data sets of a loaded config."""
    source = Source(name, _splits_of(config), config, _same_test(config))
    _build(source.splits)
    return source


def _splits_of(config: Config) -> list[Split]:
    datasets = {name: (config.get(f"{name}_dataloader") or {}).get("dataset") for name in SPLITS}
    if datasets["test"] == datasets["val"]:
        datasets["test"] = None
    return [Split(name, dataset.to_dict()) for name, dataset in datasets.items() if dataset]


def _same_test(config: Config) -> tuple[str, ...]:
    val, test = config.get("val_dataloader"), config.get("test_dataloader")
    return ("test: the same data set as val",) if val and test and val.get("dataset") == test.get("dataset") else ()


def _open_folder(folder: Path) -> Source:
    from densevision.data.formats.recognize import recognize

    layout: Layout = recognize(folder)
    splits = [Split(name, _arguments(layout, part)) for name, part in layout.parts.items()]
    _build(splits)
    return Source(str(folder), splits, notes=(f"format: {layout.name}", *layout.notes))


def _arguments(layout: Layout, part: Mapping[str, Any]) -> dict[str, Any]:
    kind: Any = resolve_type(layout.dataset, DATASETS)
    size = {} if layout.task == "segmentation" else dict(input_size=_FOLDER_INPUT)
    return {"type": kind, **size, **layout.shared, **part}


def _build(splits: Iterable[Split]) -> None:
    """Build each data set, and match its classes to those of the first."""
    classes: tuple[str, ...] = ()
    for split in splits:
        try:
            with config_errors():
                split.dataset = DATASETS.build(dict(split.arguments))
            if classes:
                align(split.dataset, classes, split.name)
        except UserError as error:
            split.fault = str(error)
            continue
        classes = classes or tuple((getattr(split.dataset, "metainfo", None) or {}).get("classes") or ())
