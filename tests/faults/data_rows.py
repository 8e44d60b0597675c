"""Kinds of bad labels and images, outputs and environments."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.faults.good import SIDE, write_mask
from tests.faults.row import TRAIN, TRAIN_SEG, Damage, Row, mark_quick, put

_TRAIN_JSON, _VAL_JSON = "boxes/train.json", "boxes/val.json"


def coco(change: Callable[[dict], object], name: str = _TRAIN_JSON) -> Damage:
    """Change the content of a COCO json."""

    def apply(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return apply


def field(key: str, value: object, rows: str = "annotations", name: str = _TRAIN_JSON) -> Damage:
    """Set a key of the first row of a list of a COCO json."""
    return coco(lambda content: content[rows][0].__setitem__(key, value), name)


def dropped(key: str, rows: str) -> Damage:
    """Remove a key of the first row of a list of the train json."""
    return coco(lambda content: content[rows][0].pop(key))


def _both_rows(rows: str, **change: object) -> Damage:
    return coco(lambda content: content[rows].append({**content[rows][0], **change}))


_COCO: dict[str, tuple[Damage, str]] = {
    "empty": (put(_TRAIN_JSON, b""), r"train\.json"),
    "text": (put(_TRAIN_JSON, "boxes"), r"train\.json"),
    "zeros": (put(_TRAIN_JSON, bytes(100)), r"train\.json"),
    "a list": (put(_TRAIN_JSON, "[]"), r"train\.json"),
    "a number": (put(_TRAIN_JSON, "3"), r"train\.json"),
    "null": (put(_TRAIN_JSON, "null"), r"train\.json"),
    "deep": (put(_TRAIN_JSON, "[" * 100_000), r"train\.json"),
    "a number of 5000 digits": (put(_TRAIN_JSON, '{"images": ' + "9" * 5000 + "}"), r"train\.json"),
    "no UTF-8": (put(_TRAIN_JSON, b'{"images": "\xff"}'), r"train\.json"),
    "cut": (lambda f: put(_TRAIN_JSON, (f / _TRAIN_JSON).read_bytes()[:-30])(f), r"train\.json"),
    "missing": (lambda f: (f / _TRAIN_JSON).unlink(), r"train\.json"),
    "a folder": (lambda f: ((f / _TRAIN_JSON).unlink(), (f / _TRAIN_JSON).mkdir()), r"train\.json"),
    "no images": (coco(lambda c: c.pop("images")), r"train\.json.*images"),
    "no categories": (coco(lambda c: c.pop("categories")), r"train\.json.*categories"),
    "images a number": (coco(lambda c: c.update(images=3)), r"train\.json.*images"),
    "annotations a number": (coco(lambda c: c.update(annotations=3)), r"train\.json.*annotations"),
    "categories a dict": (coco(lambda c: c.update(categories={})), r"train\.json.*categories"),
    "an image is null": (coco(lambda c: c["images"].append(None)), r"images\[3\]"),
    "an image without id": (dropped("id", "images"), r"images\[0\].*id"),
    "an image without name": (dropped("file_name", "images"), r"images\[0\].*file_name"),
    "an image id is a list": (field("id", [1], "images"), r"images\[0\].*id"),
    "an image id is null": (field("id", None, "images"), r"images\[0\].*id"),
    "a file name is a number": (field("file_name", 3, "images"), r"images\[0\].*file_name"),
    "a file name is empty": (field("file_name", "", "images"), r"images\[0\].*file_name"),
    "a file name with a null byte": (field("file_name", "a\0.png", "images"), r"train\.json"),
    "a file name of 300 characters": (field("file_name", "a" * 300 + ".png", "images"), r"a{20}|train\.json"),
    "a missing image": (field("file_name", "nowhere.png", "images"), r"nowhere\.png"),
    "two images with one id": (_both_rows("images", file_name="z.png"), r"images have the id"),
    "two images with one name": (_both_rows("images", id=99), r"images have the file_name"),
    "a category without id": (dropped("id", "categories"), r"categories\[0\].*id"),
    "a category without name": (dropped("name", "categories"), r"categories\[0\].*name"),
    "a category name is null": (field("name", None, "categories"), r"categories\[0\].*name"),
    "a category id is a dict": (field("id", {}, "categories"), r"categories\[0\].*id"),
    "two categories with one id": (_both_rows("categories", name="cow"), "categories have the id"),
    "two categories with one name": (_both_rows("categories", id=99), "categories have the name"),
    "an annotation is a number": (coco(lambda c: c["annotations"].append(3)), r"annotations\[5\]"),
    "two annotations with one id": (_both_rows("annotations"), "annotations have the id"),
    "an annotation id is a list": (field("id", [1]), r"train\.json.*id"),
    "an unknown image": (field("image_id", 77), "annotation 0.*77"),
    "an image_id is a list": (field("image_id", [1]), "annotation 0.*image_id"),
    "no image_id": (dropped("image_id", "annotations"), "annotation 0.*image_id"),
    "an unknown category": (field("category_id", 77), r"train\.json.*77"),
    "a category_id is NaN": (field("category_id", float("nan")), r"train\.json.*category_id"),
    "a category_id of 400 digits": (field("category_id", 10**400), r"train\.json.*category_id"),
    "no category_id": (dropped("category_id", "annotations"), "annotation 0.*category_id"),
    "a box of three numbers": (field("bbox", [1, 2, 3]), "annotation 0.*bbox"),
    "a box is a number": (field("bbox", 3), "annotation 0.*bbox"),
    "a box is text": (field("bbox", "1 2 3 4"), "annotation 0.*bbox"),
    "a box is a dict": (field("bbox", {"x": 1}), "annotation 0.*bbox"),
    "a box of words": (field("bbox", ["a", "b", "c", "d"]), "annotation 0.*bbox"),
    "a box of lists": (field("bbox", [[1], [2], [3], [4]]), "annotation 0.*bbox"),
    "iscrowd is text": (field("iscrowd", "maybe"), "annotation 0.*iscrowd"),
    "iscrowd is 2": (field("iscrowd", 2), "annotation 0.*iscrowd"),
    "iscrowd is a list": (field("iscrowd", [1]), "annotation 0.*iscrowd"),
    "no boxes": (coco(lambda c: c.update(annotations=[])), "train"),
    "no images in the list": (coco(lambda c: c.update(images=[], annotations=[])), "train"),
    "val: iscrowd is text": (field("iscrowd", "x", name=_VAL_JSON), r"val\.json.*annotation 0.*iscrowd"),
    "val: an unknown category": (field("category_id", 77, name=_VAL_JSON), r"val\.json.*77"),
    "val: another class": (coco(lambda c: c["categories"][0].update(name="cow"), _VAL_JSON), "cow"),
}
# What is counted or replaced, and said, before the training goes on.
_COCO_GOES_ON: dict[str, tuple[Damage, str]] = {
    "a box of nulls": (field("bbox", [None] * 4), "without a box"),
    "a box is NaN": (field("bbox", [float("nan"), 2, 3, 4]), "infinite or missing"),
    "a box is infinite": (field("bbox", [1e999, 2, 3, 4]), "infinite or missing"),
    "a box of 400 digits": (field("bbox", [10**400, 2, 3, 4]), "infinite or missing"),
    "a box of negative size": (field("bbox", [10, 10, -5, 5]), "of negative size"),
    "val: no boxes": (coco(lambda c: c.update(annotations=[]), _VAL_JSON), "can't be measured|undefined"),
    "an area is null": (field("area", None, name=_VAL_JSON), "trained"),
    "an area is text": (field("area", "x", name=_VAL_JSON), "trained"),
    "an area of 400 digits": (field("area", 10**400, name=_VAL_JSON), "trained"),
}


def mask(ids: np.ndarray, names: tuple[str, ...] = ("0", "1")) -> Damage:
    """Replace train masks."""
    return lambda folder: [write_mask(folder / "masks/train_labels" / f"{name}.png", ids) for name in names]


def _filled(value: int, side: int = SIDE) -> np.ndarray:
    return np.full((side, side), value, np.uint8)


_MASKS: dict[str, tuple[Damage, str]] = {
    "ids without a class": (mask(_filled(77)), "77"),
    "all ignored": (mask(_filled(255)), "train"),
    "one class": (mask(_filled(1)), "train"),
    "of another size": (mask(_filled(1, 32)), r"0\.png|size"),
    "of three channels": (mask(np.zeros((SIDE, SIDE, 3), np.uint8)), "train"),
    "of two channels": (mask(np.zeros((SIDE, SIDE, 2), np.uint8)), r"0\.png"),
    "missing": (lambda f: [(f / "masks/train_labels" / n).unlink() for n in ("0.png", "1.png")], "train_labels"),
    "no folder": (lambda f: (f / "masks/train_labels").rename(f / "masks/elsewhere"), "train_labels"),
    "no images": (lambda f: [path.unlink() for path in (f / "masks/train").iterdir()], r"masks/train"),
}


_MASKS_GO_ON: dict[str, tuple[Damage, str]] = {
    "empty": (put("masks/train_labels/0.png", b""), r"skipped damaged image.*0\.png"),
    "text": (put("masks/train_labels/0.png", "mask"), r"skipped damaged image.*0\.png"),
    "cut": (
        lambda f: put("masks/train_labels/0.png", (f / "masks/train_labels/0.png").read_bytes()[:60])(f),
        r"skipped damaged image.*0\.png",
    ),
    "PostScript": (
        put("masks/train_labels/0.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n"),
        r"skipped damaged image.*0\.png",
    ),
}


def _unreadable(path: Path) -> None:
    path.write_bytes(b"not an image")


_IMAGES: dict[str, tuple[Damage, str]] = {
    "all training images are text": (lambda f: [_unreadable(p) for p in (f / "boxes/images").iterdir()], r"[abc]\.png"),
    "a val image is empty": (put("boxes/images/a.png", b""), r"a\.png"),
    "a PNG of a size in its header": (
        put("boxes/images/a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\x86\xa0\0\1\x86\xa0\x08\2\0\0\0\0\0\0\0"),
        r"a\.png",
    ),
    "an SVG": (put("boxes/images/a.png", "<svg xmlns='http://www.w3.org/2000/svg'/>"), r"a\.png"),
    "no folder": (lambda f: (f / "boxes/images").rename(f / "boxes/elsewhere"), "images"),
    "no data": (lambda f: (f / "boxes").rename(f / "elsewhere"), "boxes"),
}

DET = "det_run/best.pth"
_PHOTO = "photos/0.jpg"


def _demo(*words: str) -> tuple[str, ...]:
    return ("demo", DET, *words)


_DEMO: dict[str, tuple[tuple[str, ...], str, Damage | None]] = {
    "no output": (_demo("--input", _PHOTO), "--out", None),
    "no input": (_demo("--json", "o.json"), "--input", None),
    "a missing input": (_demo("--input", "nowhere.mp4", "--json", "o.json"), r"nowhere\.mp4", None),
    "an empty folder": (_demo("--input", "void", "--json", "o.json"), "void", lambda f: (f / "void").mkdir()),
    "an input of text": (_demo("--input", "a.mp4", "--json", "o.json"), r"a\.mp4", put("a.mp4", "film")),
    "an input of nothing": (_demo("--input", "a.mp4", "--json", "o.json"), r"a\.mp4", put("a.mp4", "")),
    "an image of text": (_demo("--input", "a.jpg", "--json", "o.json"), r"a\.jpg", put("a.jpg", "photo")),
    "a playlist": (_demo("--input", "a.m3u8", "--json", "o.json"), r"a\.m3u8", put("a.m3u8", "#EXTM3U\nvideo.avi\n")),
    "a camera of 30 digits": (_demo("--input", "9" * 30, "--json", "o.json"), "9999", None),
    "a camera that is not there": (_demo("--input", "77", "--json", "o.json"), "77", None),
    "a pattern without files": (_demo("--input", "photos/*.bmp", "--json", "o.json"), r"\*\.bmp", None),
    "json onto the input": (_demo("--input", "video.avi", "--json", "video.avi"), r"video\.avi", None),
    "output onto the input": (_demo("--input", "video.avi", "--out", "video.avi"), r"video\.avi", None),
    "json onto the output": (_demo("--input", "video.avi", "--out", "o.mp4", "--json", "o.mp4"), r"o\.mp4", None),
    "json onto the checkpoint": (_demo("--input", _PHOTO, "--json", DET), r"best\.pth", None),
    "json onto a device": (_demo("--input", _PHOTO, "--json", "/dev/full"), "/dev/full", None),
    "json onto a folder": (_demo("--input", _PHOTO, "--json", "photos"), "photos", None),
    "json onto a link": (
        _demo("--input", _PHOTO, "--json", "l.json"),
        r"l\.json",
        lambda f: os.symlink("det.py", f / "l.json"),
    ),
    "json onto a COCO json": (_demo("--input", _PHOTO, "--json", "boxes/train.json"), r"train\.json", None),
    "an output name of 300 characters": (_demo("--input", _PHOTO, "--json", "a" * 300), "aaa", None),
    "an unknown video format": (_demo("--input", "video.avi", "--out", "o.xyz"), r"o\.xyz|xyz", None),
    "a threshold of 2": (_demo("--input", _PHOTO, "--json", "o.json", "--score-threshold", "2"), "threshold", None),
    "a threshold of NaN": (_demo("--input", _PHOTO, "--json", "o.json", "--score-threshold", "nan"), "threshold", None),
    "a threshold of text": (_demo("--input", _PHOTO, "--json", "o.json", "--score-threshold", "x"), "threshold", None),
    "every 0": (_demo("--input", "video.avi", "--json", "o.json", "--every", "0"), "--every", None),
    "an unknown class": (_demo("--input", _PHOTO, "--json", "o.json", "--classes", "cow"), "cow", None),
    "an unknown nms": (_demo("--input", _PHOTO, "--json", "o.json", "--nms", "soft"), "--nms", None),
    "a missing checkpoint": (("demo", "nowhere.pth", "--input", _PHOTO, "--json", "o.json"), r"nowhere\.pth", None),
    "a config as checkpoint": (("demo", "det.py", "--input", _PHOTO, "--json", "o.json"), r"det\.py", None),
    "two checkpoints": (("demo", DET, "seg_run/best.pth", "--input", _PHOTO, "--json", "o.json"), r"best\.pth", None),
    "another task's config": (("demo", "seg.py", DET, "--input", _PHOTO, "--json", "o.json"), r"best\.pth", None),
}


def _export(*words: str) -> tuple[str, ...]:
    return ("export", DET, "--out", "m.tflite", *words)


_EXPORT: dict[str, tuple[tuple[str, ...], str]] = {
    "no output": (("export", DET), "--out"),
    "output of another ending": (("export", DET, "--out", "m.bin"), r"m\.bin"),
    "output onto a folder": (("export", DET, "--out", "photos"), "photos"),
    "output onto the checkpoint": (("export", DET, "--out", DET), r"best\.pth"),
    "output below a file": (("export", DET, "--out", "det.py/m.tflite"), r"det\.py"),
    "size 0": (_export("--size", "0", "0"), "--size"),
    "size -1": (_export("--size", "-1", "64"), "--size"),
    "size text": (_export("--size", "x", "y"), "--size"),
    "size of one number": (_export("--size", "64"), "--size"),
    "size of 20000": (_export("--size", "20000", "20000"), "--size"),
    "calibration without int8": (_export("--calibration", "3"), "--calibration"),
    "calibration 0": (_export("--quantize", "int8", "--calibration", "0"), "--calibration"),
    "calibration -1": (_export("--quantize", "int8", "--calibration", "-1"), "--calibration"),
    "calibration of too many": (_export("--quantize", "int8", "--calibration", "99"), "--calibration"),
    "quantize int4": (_export("--quantize", "int4"), "--quantize"),
    "max-drop NaN": (_export("--max-drop", "nan"), "--max-drop"),
    "max-drop -1": (_export("--max-drop", "-1"), "--max-drop"),
    "labels of a detector": (_export("--labels", "logits"), "--labels"),
    "upsample of a detector": (_export("--upsample", "2"), "--upsample"),
    "nms of a segmenter": (("export", "seg_run/best.pth", "--out", "m.tflite", "--nms", "per-class"), "--nms"),
    "a .tflite": (("export", "seg.tflite", "--out", "m.tflite"), r"seg\.tflite"),
    "a missing checkpoint": (("export", "nowhere.pth", "--out", "m.tflite"), r"nowhere\.pth"),
    "an option that names os.system": (_export("--cfg-options", "model.type=os.system"), r"os\.system"),
}


def _folder_is_a_file(folder: Path) -> None:
    (folder / "out").write_text("")


_PLACES: dict[str, tuple[tuple[str, ...], str, Damage | None]] = {
    "train: the work dir is a file": (TRAIN, "out", _folder_is_a_file),
    "train: the work dir is below a file": (("train", "det.py", "--work-dir", "det.py/out"), r"det\.py", None),
    "train: the work dir is in /proc": (("train", "det.py", "--work-dir", "/proc/densevision"), "/proc", None),
    "train: the work dir has a null byte": (("train", "det.py", "--work-dir", "a\0b"), "--work-dir", None),
    "train: a name of 300 characters": (("train", "det.py", "--work-dir", "a" * 300), "aaa", None),
    "train: the config would be overwritten": (
        ("train", "det.py", "--work-dir", "seg"),
        r"seg",
        lambda f: ((f / "seg").mkdir(), put("seg/det.py", "# mine\n")(f)),
    ),
    "test: the work dir is a file": (("test", DET, "--work-dir", "out"), "out", _folder_is_a_file),
    "test: json onto a device": (("test", DET, "--work-dir", "out", "--json", "/dev/full"), "/dev/full", None),
    "test: json onto a folder": (("test", DET, "--work-dir", "out", "--json", "photos"), "photos", None),
    "predict: json onto a device": (("predict", DET, _PHOTO, "--json", "/dev/null"), "/dev/null", None),
    "summary: a missing config": (("summary", "nowhere.py"), r"nowhere\.py", None),
    "summary: size 0": (("summary", "det.py", "--size", "0", "0"), "size", None),
    "benchmark: json onto a device": (("benchmark", "seg.tflite", "--json", "/dev/full"), "/dev/full", None),
    "benchmark: runs 0": (("benchmark", "seg.tflite", "--runs", "0"), "--runs", None),
    "no such command": (("trian", "det.py"), "train", None),
    "an option before the command": (("--quiet", "train"), "--quiet", None),
}


ROWS = mark_quick(
    [
        *(Row("coco", name, TRAIN, says, damage) for name, (damage, says) in _COCO.items()),
        *(
            Row("coco", name, TRAIN, says, damage, status=0, writes=("out",))
            for name, (damage, says) in _COCO_GOES_ON.items()
        ),
        *(Row("masks", name, TRAIN_SEG, says, damage) for name, (damage, says) in _MASKS.items()),
        *(
            Row("masks", name, TRAIN_SEG, says, damage, status=0, writes=("out",))
            for name, (damage, says) in _MASKS_GO_ON.items()
        ),
        *(Row("images", name, TRAIN, says, damage) for name, (damage, says) in _IMAGES.items()),
        *(Row("demo", name, words, says, damage) for name, (words, says, damage) in _DEMO.items()),
        *(Row("export", name, words, says) for name, (words, says) in _EXPORT.items()),
        *(Row("environment", name, words, says, damage) for name, (words, says, damage) in _PLACES.items()),
    ],
    [
        *("deep", "two images with one id", "a box of lists", "iscrowd is text", "val: another class"),
        *("ids without a class", "PostScript", "no data", "json onto the input", "json onto a device"),
        *("size of 20000", "train: the work dir is a file", "train: the work dir is in /proc"),
    ],
)
