"""The runner's data sets: matched to the model's classes, counted and reported before they are used."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.runner import BaseLoop, Runner

from densevision.checkpoints.reading import read_checkpoint
from densevision.data.check import check_counts, count_lines
from densevision.errors import UserError, listed


class SplitsRunner(Runner):
    """The part of ``DenseRunner`` that builds and checks its data sets."""

    data_lines: list[str]  # what was reported on the data
    _classes_in: dict[str, Sequence[str]]  # checkpoint path -> class names, filled on first use

    def _data_classes(self) -> Sequence[str]:
        split = "train" if self._train_dataloader is not None else "test"
        dataset = self._dataset(split)
        if dataset is None:
            raise UserError(
                f"{self.cfg.filename}: model.num_classes is None, and there is no {split} data set to take it from"
            )
        return _classes_of(dataset)

    def _dataset(self, split: str) -> Any:
        """Return a split's data set, built on first use; None if the config has none."""
        loop = getattr(self, f"_{split}_loop")
        if isinstance(loop, BaseLoop):  # it may have built its own loader
            return loop.dataloader.dataset
        name = f"_{split}_dataloader"
        if isinstance(getattr(self, name), dict):
            setattr(self, name, self.build_dataloader(getattr(self, name), seed=self.seed))
        loader = getattr(self, name)
        return None if loader is None else loader.dataset

    def _check_data(self, *splits: str) -> None:
        """Match the splits to the model's classes, then count and report their content.

        Raises:
            UserError: the classes differ, or a split lacks what a training or an evaluation needs.
        """
        classes = self._model_classes()
        for split in splits:
            dataset = self._dataset(split)
            if dataset is None:
                continue
            if not len(dataset):
                raise UserError(f"{split}: the data set has no images")
            if classes:
                align(dataset, classes, split)
            self._check_number_of_classes(split, _classes_of(dataset))
            if hasattr(dataset, "count"):
                counts = dataset.count(split)
                lines = [*count_lines(split, counts), *shared_images(split, dataset, self._dataset("train"))]
                self._report(lines)
                self.data_lines += lines
                check_counts(split, counts)
            if split != "train" and hasattr(dataset, "check_batch"):
                dataset.check_batch(getattr(self, f"_{split}_dataloader").batch_size)

    def _check_number_of_classes(self, split: str, classes: Sequence[str]) -> None:
        number = (self.cfg.get("model") or {}).get("num_classes")
        if isinstance(number, int) and classes and number != len(classes):
            raise UserError(
                f"model.num_classes is {number}, but the {split} data have {len(classes)} classes "
                f"({listed(classes, 8)}); leave num_classes at None, or select the classes of the data set"
            )

    def _model_classes(self) -> Sequence[str]:
        """Return the class names in label order: of the checkpoint that is loaded, else of the training data.

        Raises:
            UserError: the checkpoint and the training data have different classes.
        """
        in_checkpoint = self._checkpoint_classes()
        if self._train_dataloader is None:
            return in_checkpoint
        in_data = self._data_classes()
        if in_checkpoint and set(in_checkpoint) != set(in_data):
            raise UserError(
                f"{self._load_from} has the classes {listed(in_checkpoint, 8)}, the training data have "
                f"{listed(in_data, 8)}; use the same classes, or start a new training from its weights with init_from"
            )
        return in_checkpoint or in_data

    def _checkpoint_classes(self) -> Sequence[str]:
        path = self._load_from
        if not path or not Path(path).is_file():  # reported when it is loaded
            return ()
        if path not in self._classes_in:
            meta = read_checkpoint(path).get("meta", {})
            self._classes_in[path] = tuple((meta.get("dataset_meta") or {}).get("classes") or ())
        return self._classes_in[path]


def shared_images(split: str, dataset: Any, train: Any) -> list[str]:
    """Report how many images of an evaluation split are also training images, by path, links followed."""
    if split == "train" or not hasattr(dataset, "image_paths") or not hasattr(train, "image_paths"):
        return []
    paths = _real_paths(dataset)
    shared = len(set(paths) & set(_real_paths(train)))
    if not shared:
        return []
    return [
        f"  {shared:,} of {len(paths):,} images are also training images: the metric does not measure generalization"
    ]


def _real_paths(dataset: Any) -> list[str]:
    folder = functools.cache(os.path.realpath)  # of few folders; to resolve each path would ask for all its parts
    paths = [os.path.realpath(path) if os.path.islink(path) else path for path in dataset.image_paths()]
    return [os.path.join(folder(os.path.dirname(path)), os.path.basename(path)) for path in paths]


def align(dataset: Any, classes: Sequence[str], split: str) -> None:
    """Map a data set's labels to the model's classes, by name.

    Args:
        dataset: of the package, with ``align_classes``, or any other with ``metainfo``.
    Raises:
        UserError: it has other classes, or a different order that it can't change.
    """
    if hasattr(dataset, "align_classes"):
        dataset.align_classes(tuple(classes))
    elif (own := _classes_of(dataset)) and tuple(own) != tuple(classes):
        raise UserError(
            f"{split}: the model's classes are {listed(classes, 8)}, the data's {listed(own, 8)}; "
            "they must be the same in the same order"
        )


def _classes_of(dataset: object) -> Sequence[str]:
    return tuple((getattr(dataset, "metainfo", None) or {}).get("classes") or ())
