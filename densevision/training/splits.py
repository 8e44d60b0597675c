"""The Runner's data: brought to the model's classes, counted, and printed before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.runner import BaseLoop
from torch.utils.data import Dataset

from densevision.checkpoints.reading import read_checkpoint
from densevision.data.check import check_counts, count_lines
from densevision.errors import UserError, listed


class Splits:
    """The part of ``DenseRunner`` that looks after its data sets."""

    _classes_in: dict[str, Sequence[str]]  # path of a checkpoint -> its classes, once read

    def _data_classes(self) -> Sequence[str]:
        split = "train" if self._train_dataloader is not None else "test"
        dataset = self._dataset(split)
        if dataset is None:
            raise UserError(f"{self.cfg.filename}: model.num_classes is None, and there is no {split} data set to ask")
        return _classes_of(dataset)

    def _dataset(self, split: str) -> Dataset | None:
        """Return a split's data set, built where that is still to be done; None if the config has none."""
        loop = getattr(self, f"_{split}_loop")
        if isinstance(loop, BaseLoop):  # it may have built a loader of its own
            return loop.dataloader.dataset
        name = f"_{split}_dataloader"
        if isinstance(getattr(self, name), dict):
            setattr(self, name, self.build_dataloader(getattr(self, name), seed=self.seed))
        loader = getattr(self, name)
        return None if loader is None else loader.dataset

    def _check_data(self, *splits: str) -> None:
        """Bring the splits to the model's classes, count what they hold, print it, and stop where that can't work.

        Raises:
            UserError: classes that differ, or data that lack what is needed.
        """
        classes = self._model_classes()
        for split in splits:
            dataset = self._dataset(split)
            if dataset is None:
                continue
            if not len(dataset):
                raise UserError(f"{split}: the data set holds no image")
            if classes:
                align(dataset, classes, split)
            self._check_number_of_classes(split, _classes_of(dataset))
            if hasattr(dataset, "count"):
                counts = dataset.count(split)
                self._say([*count_lines(split, counts), *shared_images(split, dataset, self._dataset("train"))])
                check_counts(split, counts)
            if split != "train" and hasattr(dataset, "check_batch"):
                dataset.check_batch(getattr(self, f"_{split}_dataloader").batch_size)

    def _check_number_of_classes(self, split: str, classes: Sequence[str]) -> None:
        number = (self.cfg.get("model") or {}).get("num_classes")
        if isinstance(number, int) and classes and number != len(classes):
            raise UserError(
                f"model.num_classes is {number}, and the {split} data have {len(classes)} classes "
                f"({listed(classes, 8)}); leave num_classes at None, or choose the data's classes"
            )

    def _model_classes(self) -> Sequence[str]:
        """Names of the model's classes in label order: the checkpoint's that is loaded, else the training data's.

        Raises:
            UserError: the training data have other classes than the checkpoint.
        """
        theirs = self._checkpoint_classes()
        if self._train_dataloader is None:
            return theirs
        ours = self._data_classes()
        if theirs and set(theirs) != set(ours):
            raise UserError(
                f"{self._load_from} knows the classes {listed(theirs, 8)}, the training data have {listed(ours, 8)}; "
                "take the same classes, or start a new training from its weights with init_from"
            )
        return theirs or ours

    def _checkpoint_classes(self) -> Sequence[str]:
        path = self._load_from
        if not path or not Path(path).is_file():  # said when it is loaded
            return ()
        if path not in self._classes_in:
            meta = read_checkpoint(path).get("meta", {})
            self._classes_in[path] = tuple((meta.get("dataset_meta") or {}).get("classes") or ())
        return self._classes_in[path]


def shared_images(split: str, dataset: Dataset, train: Dataset | None) -> list[str]:
    """Say how many images of an evaluation's split are training images too, by their paths."""
    if split == "train" or not hasattr(dataset, "image_paths") or not hasattr(train, "image_paths"):
        return []
    paths = dataset.image_paths()
    shared = len(set(paths) & set(train.image_paths()))
    if not shared:
        return []
    return [f"  {shared:,} of {len(paths):,} images are training images too: the metric is not that of new images"]


def align(dataset: Dataset, classes: Sequence[str], split: str) -> None:
    """Bring a data set to the model's classes, by name.

    Raises:
        UserError: it has others, or another order that it can't change.
    """
    if hasattr(dataset, "align_classes"):
        dataset.align_classes(tuple(classes))
    elif (own := _classes_of(dataset)) and tuple(own) != tuple(classes):
        raise UserError(
            f"{split}: the model's classes are {listed(classes, 8)}, the data's {listed(own, 8)}; "
            "they must be the same in the same order"
        )


def _classes_of(dataset: Dataset) -> Sequence[str]:
    return tuple((getattr(dataset, "metainfo", None) or {}).get("classes") or ())
