"""Kinds of bad input of a classifier: its config, class folders, images, and a checkpoint of other classes."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.classification.conftest import write_tree
from tests.faults.checkpoint_rows import edit, setting
from tests.faults.row import Damage, Row, append, both, mark_quick, put, remove, without_data

_TRAIN = ("train", "cls.py", "--work-dir", "out")
_BEST = "cls_run/best.pth"
_TEST = ("test", _BEST, "--work-dir", "out")
_PREDICT = ("predict", _BEST, "photos/0.jpg", "--json", "out.json")

_OPTIONS = {
    "model.num_classes=0": r"model\.num_classes",
    "model.num_classes=x": r"model\.num_classes",
    "model.num_clases=3": r"num_classes",
    "model.input_size=32": r"model\.input_size",
    "model.input_size=(32,)": r"model\.input_size",
    "model.center_crop=0": r"center_crop",
    "model.center_crop=2": r"center_crop",
    "model.center_crop=x": r"center_crop",
    "model.center_crop=nan": r"center_crop",
    "model.dropout=2": r"dropout",
    "model.dropout=-1": r"dropout",
    "model.dropout=x": r"dropout",
    "model.dropot=0.1": r"dropout",
    "model.label_smoothing=1": r"label_smoothing",
    "model.label_smoothing=x": r"label_smoothing",
    "model.label_smoothing=True": r"label_smoothing",
    "model.label_smothing=0.1": r"label_smoothing",
    "model.backbone=3": r"model\.backbone",
    "model.backbone.name=mobilenet_v3_tiny": r"mobilenet_v3",
    "model.backbone.output_stride=16": r"output_stride",
    "model.backbone.frozen_stages=-1": r"frozen_stages",
    "model.backbone.frozen_stages=99": r"frozen_stages",
    "model.backbone.frozen_stages=x": r"frozen_stages",
    "model.backbone.freeze_norm_statistics=x": r"freeze_norm_statistics",
    "model.head=dict(type='LRASPPHead')": r"head",
    "model.type=ImageClasifier": r"ImageClassifier",
    "model.type=os.system": r"os\.system",
    "train_dataloader.dataset.type=ImageFoldr": r"ImageFolder",
    "train_dataloader.dataset.type=CocoDataset": r"train_dataloader\.dataset",
    "train_dataloader.dataset.center_crop=0.5": r"center_crop",
    "train_dataloader.dataset.input_size=(64,64)": r"input_size",
    "train_dataloader.dataset.image_dir=None": r"image_dir",
    "train_dataloader.dataset.image_dir=3": r"image_dir",
    "train_dataloader.dataset.ann_file=x.json": r"ann_file",
    "train_dataloader.dataset.classes=red": r"classes",
    "train_dataloader.dataset.classes=[1,2]": r"classes",
    "train_dataloader.dataset.transforms=[dict(type='InceptionCrop',scale=3)]": r"scale|InceptionCrop",
    "train_dataloader.dataset.transforms=[dict(type='InceptionCrop',scale=(2,3))]": r"scale|InceptionCrop",
    "train_dataloader.dataset.transforms=[dict(type='InceptionCrop',scal=(0.5,1))]": r"scal",
    "val_evaluator=dict(type='CocoMetric')": r"CocoMetric",
    "val_evaluator=dict(type='TopKMetrc')": r"TopKMetric",
    "val_evaluator.topk=(1,5)": r"topk",
    "param_scheduler=[dict(type='StepLR',step_epochs=-1)]": r"step_epochs",
    "param_scheduler=[dict(type='StepLR',step_epoch=1)]": r"step_epochs",
    "optim_wrapper.paramwise_cfg=dict(custom_keys=dict(hed=dict(lr_mult=1)))": r"hed",
}
_LINES = {
    "del model": "model",
    "model['type'] = 'os.system'": r"os\.system",
    "model.update(num_classes='three')": r"num_classes",
    "train_dataloader.dataset.image_dir = ['train']": "image_dir",
    "val_evaluator = dict(metrics=3)": "val_evaluator",
}


def _folder(name: str, change: str = "") -> Damage:
    """Rename a folder of the data, or delete it."""

    def apply(folder: Path) -> None:
        if change:
            (folder / "cells" / name).rename(folder / "cells" / change)
        else:
            shutil.rmtree(folder / "cells" / name)

    return apply


def _emptied(name: str) -> Damage:
    return lambda folder: [path.unlink() for path in (folder / "cells" / name).iterdir()]


def _more(split: str, name: str) -> Damage:
    return lambda folder: write_tree(folder / "cells", {split: {name: 2}})


def _only(split: str, name: str) -> Damage:
    others = [other for other in ("blue", "green", "red") if other != name]
    return both(*(_folder(f"{split}/{other}") for other in others))


_DATA: dict[str, tuple[Damage, str]] = {
    "no folder": (lambda f: shutil.rmtree(f / "cells"), "cells"),
    "no train folder": (_folder("train"), r"cells/train"),
    "no val folder": (_folder("val"), r"cells/val"),
    "train is a file": (both(_folder("train"), put("cells/train", b"")), r"cells/train"),
    "an empty class folder": (_emptied("train/red"), r"cells/train.*red"),
    "all class folders empty": (both(*map(_emptied, ("train/red", "train/green", "train/blue"))), r"cells/train"),
    "one class": (_only("train", "red"), r"cells/train.*one class"),
    "no class folder": (
        both(_only("train", "red"), _folder("train/red"), put("cells/train/a.png", b"")),
        "cells/train",
    ),
    "splits in place of classes": (
        both(_only("train", "red"), _folder("train/red", "train/val")),
        r"cells/train.*splits",
    ),
    "a class in val that train lacks": (_more("val", "pink"), r"cells/val.*pink"),
    "a class in val in another case": (_folder("val/red", "val/Red"), r"cells/val.*Red.*red"),
    "val without images": (both(*map(_emptied, ("val/red", "val/green", "val/blue"))), r"cells/val"),
    "an unreadable image in val": (put("cells/val/red/0.png", b"not an image"), r"red/0\.png"),
    "an empty image in val": (put("cells/val/red/0.png", b""), r"red/0\.png"),
    "all training images unreadable": (
        lambda f: [path.write_bytes(b"x") for path in (f / "cells/train").rglob("*.png")],
        r"cells/train|\d\.png",
    ),
    "classes.txt is empty": (put("cells/classes.txt", b""), r"classes\.txt"),
    "classes.txt names a class twice": (put("cells/classes.txt", "red\nred\ngreen\nblue\n"), r"classes\.txt.*red"),
    "classes.txt lacks a folder": (put("cells/classes.txt", "red\ngreen\n"), r"classes\.txt.*blue"),
    "classes.txt has a folder too many": (put("cells/classes.txt", "red\ngreen\nblue\npink\n"), r"pink"),
    "classes.txt is not text": (put("cells/classes.txt", b"\xff\xfe\x00"), r"classes\.txt"),
    "classes.txt is a json": (put("cells/classes.txt", '["red", "green", "blue"]'), r"classes\.txt"),
}
_GOES_ON: dict[str, tuple[Damage, str]] = {
    "an unreadable training image": (put("cells/train/red/0.png", b"not an image"), r"can't be read|skipped"),
    "an image outside of the class folders": (
        lambda f: shutil.copy(f / "cells/train/red/0.png", f / "cells/train/loose.png"),
        "in no class folder",
    ),
    "a class missing in val": (_folder("val/red"), "red"),
    "a text file in a class folder": (put("cells/train/red/notes.txt", "x"), "other formats"),
}
_WITH_DATA = {
    "train_dataloader.dataset.classes=()": "classes|cells/train",
    "train_dataloader.dataset.classes=('red','red')": "red",
    "train_dataloader.dataset.classes=('rd','green')": "rd|red",
    "train_dataloader.dataset.classes=('red',)": "one class",
    "model.num_classes=5": "num_classes|classes",
    "model.num_classes=2": "num_classes|classes",
    "train_dataloader.dataset.transforms=[dict(type='SSDCrop')]": r"SSDCrop|bboxes",
    "train_dataloader.dataset.image_list=nowhere.txt": r"nowhere\.txt",
    "default_hooks.checkpoint.save_best=coco/AP": r"save_best",
}
_CLASSES = "meta/dataset_meta/classes"
_CHECKPOINTS: dict[str, tuple[tuple[str, ...], Damage, str]] = {
    "one class too few": (_TEST, setting(_BEST, _CLASSES, ("blue", "green")), r"best\.pth|green|red"),
    "one class too many": (_TEST, setting(_BEST, _CLASSES, ("blue", "green", "red", "pink")), r"best\.pth|pink"),
    "another name": (_TEST, setting(_BEST, _CLASSES, ("blue", "green", "rot")), "red"),
    "classes a number": (_PREDICT, setting(_BEST, _CLASSES, 3), r"best\.pth"),
    "no weights": (_PREDICT, edit(_BEST, lambda c: c.pop("state_dict") and None), r"best\.pth"),
    "of a detector": (
        ("test", "cls.py", "det_run/best.pth", "--work-dir", "out"),
        None,
        r"best\.pth|no class",
    ),
    "config of a detector": (("test", "det.py", _BEST, "--work-dir", "out"), None, r"best\.pth|no class"),
    "missing": (_TEST, remove(_BEST), r"best\.pth"),
    "a class of the data is new": (_TEST, _more("val", "pink"), r"cells/val.*pink"),
    "demo with classes": (("demo", _BEST, "--input", "photos", "--json", "o.json", "--classes", "cow"), None, "cow"),
    "demo with nms": (("demo", _BEST, "--input", "photos", "--json", "o.json", "--nms", "per-class"), None, "nms"),
    "export with nms": (("export", _BEST, "--out", "m.tflite", "--nms", "per-class"), None, "--nms"),
    "export with labels": (("export", _BEST, "--out", "m.tflite", "--labels", "logits"), None, "--labels"),
    "resume with another class": (
        ("train", "cls.py", "--work-dir", "cls_run", "--resume", "--cfg-options", "train_cfg.max_iters=3"),
        both(_folder("train/red", "train/pink"), _folder("val/red", "val/pink")),
        "pink|red",
    ),
}
# Names decide, not positions: another order of the classes is mapped.
_ORDERED = Row(
    "classification",
    "another order of the classes than the checkpoint's",
    _TEST,
    r"top-?1|accuracy",
    put("cells/classes.txt", "red\ngreen\nblue\n"),
    status=0,
    writes=("out",),
)

ROWS = mark_quick(
    [
        *(
            Row("classification", option, (*_TRAIN, "--cfg-options", option), says, without_data)
            for option, says in _OPTIONS.items()
        ),
        *(
            Row("classification", line, _TRAIN, says, both(append("cls.py", line), without_data))
            for line, says in _LINES.items()
        ),
        *(Row("classification", name, _TRAIN, says, damage) for name, (damage, says) in _DATA.items()),
        *(
            Row("classification", name, _TRAIN, says, damage, status=0, writes=("out",))
            for name, (damage, says) in _GOES_ON.items()
        ),
        *(Row("classification", o, (*_TRAIN, "--cfg-options", o), says) for o, says in _WITH_DATA.items()),
        Row(
            "classification",
            "a selection of the classes in val",
            (*_TRAIN, "--cfg-options", "val_dataloader.dataset.classes=('red',)"),
            "2 images of classes that are left out",
            status=0,
            writes=("out",),
        ),
        *(
            Row("classification", f"checkpoint: {name}", words, says, damage)
            for name, (words, damage, says) in _CHECKPOINTS.items()
        ),
        _ORDERED,
    ],
    ["an empty class folder", "one class", "a class in val that train lacks", "model.label_smoothing=1"],
)
