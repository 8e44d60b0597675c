"""Further kinds of damaged files, found by looking for relatives of those in the other tables."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.checkpoint_rows import DET, edit, setting
from tests.faults.data_rows import coco
from tests.faults.row import TRAIN, TRAIN_SEG, Damage, Row, put, remove
from tests.faults.tflite_rows import about_bytes, tflite

_PHOTO = "photos/0.jpg"
_RUN = ("test", "seg.tflite", "--config", "seg.py", "--work-dir", "out")
_RESUME = ("train", "det.py", "--work-dir", "det_run", "--resume", "--cfg-options", "train_cfg.max_iters=3")
_LAST = "det_run/iter_2.pth"
_DEEP = "[" * 100_000


def _postprocess(**changes: object) -> Damage:
    return tflite(outputs="boxes", postprocess=changes)


_TFLITE: dict[str, Damage] = {
    "classes nested": tflite(classes=[[["a"]], "b", "c"]),
    "classes with null": tflite(classes=["a", None, "c"]),
    "classes of a million": tflite(classes=["a"] * 10**6),
    "size of text numbers": tflite(size=["64", "64"]),
    "size with null": tflite(size=[None, 64]),
    "size of 400 digits": tflite(size=[10**400, 64]),
    "size a dict": tflite(size={"height": 64}),
    "outputs nested": tflite(outputs=["logits"]),
    "outputs of scores": tflite(outputs="scores"),
    "input_type a list": tflite(input_type=["uint8"]),
    "quantize a dict": tflite(quantize={"a": 1}),
    "palette of floats": tflite(palette=[[0.5, 0, 0]] * 3),
    "palette with booleans": tflite(palette=[[True, 0, 0]] * 3),
    "palette a dict": tflite(palette={"a": 1}),
    "postprocess of a detector": _postprocess(score_threshold=7),
    "postprocess with other keys": _postprocess(nothing=1),
    "origin text": tflite(origin="x"),
    "padded size of three": tflite(padded_size=[64, 64, 3]),
    "padded size smaller": tflite(padded_size=[8, 8]),
    "threshold infinite": tflite(score_threshold=1e999),
    "threshold a list": tflite(score_threshold=[0.5]),
    "crop of 2": tflite(center_crop=2),
    "crop of text": tflite(center_crop="x"),
    "crop of 0": tflite(center_crop=0),
    "depth in an object": about_bytes(b'{"a":' * 100_000),
    "duplicate of every key": about_bytes(b'{"size": [64, 64], "size": 3}'),
    "a byte order mark alone": about_bytes(b"\xef\xbb\xbf"),
    "UTF-16": about_bytes('{"size": 3}'.encode("utf-16")),
    "text before the json": about_bytes(b"x {}"),
    "two jsons": about_bytes(b"{} {}"),
    "nothing": about_bytes(b""),
}

_CHECKPOINTS: dict[str, tuple[Damage, str]] = {
    "classes of mixed types": (setting(DET, "meta/dataset_meta/classes", ("a", 3)), r"best\.pth"),
    "classes text": (setting(DET, "meta/dataset_meta/classes", "ab"), r"best\.pth"),
    "classes nested": (setting(DET, "meta/dataset_meta/classes", (("a",), ("b",))), r"best\.pth"),
    "palette text": (setting(DET, "meta/dataset_meta/palette", "red"), r"best\.pth"),
    "palette of 300": (setting(DET, "meta/dataset_meta/palette", [(300, 0, 0)]), r"best\.pth"),
    "settings with lists": (setting(DET, "meta/settings", {"backbone.bn_eps": [1]}), r"best\.pth"),
    "meta text": (setting(DET, "meta", "x"), r"best\.pth"),
    "weights a tensor": (edit(DET, lambda c: c.update(state_dict=c["state_dict"].popitem()[1])), r"best\.pth"),
    "config a text": (setting(DET, "meta/stored_config", "x"), r"best\.pth"),
    "config type a number": (setting(DET, "meta/stored_config/content/model/type", 3), "model"),
    "config type a list": (setting(DET, "meta/stored_config/content/model/type", ["SSDLite"]), "model"),
    "config names eval": (setting(DET, "meta/stored_config/content/model/type", "builtins.eval"), "eval"),
    "config names getattr": (setting(DET, "meta/stored_config/content/model/type", "builtins.getattr"), "getattr"),
    "config names torch.load": (setting(DET, "meta/stored_config/content/model/type", "torch.load"), r"torch\.load"),
    "config names a module": (setting(DET, "meta/stored_config/content/model/type", "os"), "os"),
    "config names a hook for a model": (setting(DET, "meta/stored_config/content/model/type", "EMAHook"), "model"),
    "config with numbers as keys": (setting(DET, "meta/stored_config/content/model/backbone", {3: 4}), "backbone"),
    "config with a NaN": (setting(DET, "meta/stored_config/content/model/bn_momentum", float("nan")), "bn_momentum"),
    "config input size text": (setting(DET, "meta/stored_config/content/model/input_size", "64"), "input_size"),
    "config classes of another number": (setting(DET, "meta/stored_config/content/model/num_classes", 7), "."),
}
_RESUMED: dict[str, tuple[Damage, str]] = {
    "optimizer state of text": (setting(_LAST, "optimizer/state", {0: "x"}), r"iter_2\.pth"),
    "optimizer state of another shape": (
        edit(_LAST, lambda c: _shrink(c)),
        r"iter_2\.pth",
    ),
    "one optimizer group too few": (
        edit(_LAST, lambda c: c["optimizer"]["param_groups"].pop() and None),
        r"iter_2\.pth",
    ),
    "iteration of 10**30": (setting(_LAST, "meta/iter", 10**30), r"iter_2\.pth"),
    "iteration None": (setting(_LAST, "meta/iter", None), r"iter_2\.pth"),
    "iteration a bool": (setting(_LAST, "meta/iter", True), r"iter_2\.pth|iteration"),
    "schedules of numbers": (setting(_LAST, "param_schedulers", [3]), r"iter_2\.pth"),
    "schedules of empty dicts": (setting(_LAST, "param_schedulers", [{}]), r"iter_2\.pth"),
    "a schedule too many": (edit(_LAST, lambda c: c["param_schedulers"].append({}) and None), r"iter_2\.pth"),
    "moving average empty": (setting(_LAST, "ema_state_dict", {}), r"iter_2\.pth"),
    "moving average of text": (setting(_LAST, "ema_state_dict", {"x": "y"}), r"iter_2\.pth"),
    "runtime info a list": (setting(_LAST, "message_hub/runtime_info", [1]), r"iter_2\.pth"),
    "scalars of text": (setting(_LAST, "message_hub/log_scalars", {"train/loss": "x"}), r"iter_2\.pth"),
    "made_from settings a list": (setting(_LAST, "meta/made_from", {"settings": [1]}), r"iter_2\.pth"),
    "learning rate text": (
        edit(_LAST, lambda c: c["optimizer"]["param_groups"][0].update(lr="x")),
        r"iter_2\.pth",
    ),
    "learning rate NaN": (
        edit(_LAST, lambda c: c["optimizer"]["param_groups"][0].update(lr=float("nan"))),
        r"iter_2\.pth",
    ),
}


def _shrink(content: dict) -> None:
    for state in content["optimizer"]["state"].values():
        for name, value in state.items():
            if hasattr(value, "shape") and value.ndim:
                state[name] = value[:1].flatten()[:1]


def _many(rows: str, **change: object) -> Damage:
    return coco(lambda content: [row.update(change) for row in content[rows]])


_JSON = "boxes/train.json"
_COCO: dict[str, tuple[Damage, str]] = {
    "a file name that leaves the folder": (_many("images", file_name="../../etc/passwd"), r"train\.json|passwd"),
    "a file name that is a folder": (coco(lambda c: c["images"][0].update(file_name=".")), r"train\.json|images"),
    "a file name that is a list": (coco(lambda c: c["images"][0].update(file_name=["a"])), r"images\[0\].*file_name"),
    "an image id of NaN": (coco(lambda c: c["images"][0].update(id=float("nan"))), r"images\[0\].*id"),
    "an image id that is a bool": (coco(lambda c: c["images"][0].update(id={})), r"images\[0\].*id"),
    "categories null": (coco(lambda c: c.update(categories=None)), r"train\.json.*categories"),
    "categories empty": (coco(lambda c: c.update(categories=[])), r"train\.json.*categories"),
    "a category is text": (coco(lambda c: c["categories"].append("cow")), r"categories\[\d\]"),
    "a category name of blanks": (coco(lambda c: c["categories"][0].update(name="  ")), r"categories\[0\].*name"),
    "a category name is a list": (coco(lambda c: c["categories"][0].update(name=["a"])), r"categories\[0\].*name"),
    "a category id is null": (coco(lambda c: c["categories"][0].update(id=None)), r"categories\[0\].*id"),
    "annotations null": (coco(lambda c: c.update(annotations=None)), r"train\.json.*annotations"),
    "annotations a dict": (coco(lambda c: c.update(annotations={})), r"train\.json.*annotations"),
    "annotations text": (coco(lambda c: c.update(annotations="x")), r"train\.json.*annotations"),
    "an annotation is a list": (coco(lambda c: c["annotations"].append([])), r"annotations\[\d\]"),
    "image_id null": (coco(lambda c: c["annotations"][0].update(image_id=None)), "annotation 0.*image_id"),
    "image_id a dict": (coco(lambda c: c["annotations"][0].update(image_id={})), "annotation 0.*image_id"),
    "image_id as text": (coco(lambda c: c["annotations"][0].update(image_id="x")), "annotation 0.*x"),
    "category_id null": (coco(lambda c: c["annotations"][0].update(category_id=None)), "annotation 0.*category_id"),
    "category_id a list": (coco(lambda c: c["annotations"][0].update(category_id=[1])), "annotation 0.*category_id"),
    "a box of booleans in lists": (coco(lambda c: c["annotations"][0].update(bbox=[[True]] * 4)), "annotation 0.*bbox"),
    "a box of five": (coco(lambda c: c["annotations"][0].update(bbox=[1, 2, 3, 4, 5])), "annotation 0.*bbox"),
    "a box of deep lists": (coco(lambda c: c["annotations"][0].update(bbox=[[[[]]]] * 4)), "annotation 0.*bbox"),
    "iscrowd null": (coco(lambda c: c["annotations"][0].update(iscrowd={})), "annotation 0.*iscrowd"),
    "iscrowd -1": (coco(lambda c: c["annotations"][0].update(iscrowd=-1)), "annotation 0.*iscrowd"),
    "a byte order mark and text": (put(_JSON, b"\xef\xbb\xbfboxes"), r"train\.json"),
    "depth in an object": (put(_JSON, '{"images":' * 50_000), r"train\.json"),
    "depth in an annotation": (put(_JSON, '{"images": [], "annotations": [' + "[" * 50_000), r"train\.json"),
    "two jsons": (put(_JSON, "{} {}"), r"train\.json"),
    "all images missing": (_many("images", file_name="x.png"), r"train\.json"),
}

_MASKS: dict[str, tuple[Damage, str]] = {
    "a mask is a folder": (
        lambda f: [
            ((f / f"masks/train_labels/{n}.png").unlink(), (f / f"masks/train_labels/{n}.png").mkdir()) for n in "01"
        ],
        r"masks/train_labels|\d\.png",
    ),
    "all masks text": (
        lambda f: [(f / f"masks/train_labels/{n}.png").write_bytes(b"x") for n in "01"],
        r"\d\.png|masks/train",
    ),
    "a val mask is text": (put("masks/val_labels/0.png", b"x"), r"0\.png"),
    "a val mask is empty": (put("masks/val_labels/0.png", b""), r"0\.png"),
    "a val image is text": (put("masks/val/0.png", b"x"), r"0\.png"),
    "no val": (lambda f: (f / "masks/val").rename(f / "masks/x"), r"masks/val"),
    "a mask without image": (lambda f: [(f / f"masks/train/{n}.png").unlink() for n in "01"], r"masks/train"),
}


def _report(**changes: object) -> Damage:
    def apply(folder: Path) -> None:
        path = folder / "det_run/report.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | changes))

    return apply


_REPORTS = {
    f"{key} is {value!r}": _report(**{key: value})
    for key, values in {
        "format": (None, "x", [], 10**30),
        "metrics": (3, None, [1]),
        "model": (3, None, []),
        "curves": (3, None, {"loss": "x"}),
        "settings": (3, None),
        "metric": (3, None, []),
        "iterations": ([],),
        "name": (3, None),
    }.items()
    for value in values
}

_EMPTY_BOX = coco(lambda c: c["annotations"][0].update(bbox=[]))
_ABSOLUTE = coco(lambda c: c["images"][0].update(file_name="/etc/passwd"))
_NO_MASK = remove("masks/val_labels/0.png")
ROWS = [
    *(Row("tflite", f"relative: {name}", _RUN, r"seg\.tflite", damage) for name, damage in _TFLITE.items()),
    *(
        Row("checkpoint", f"predict, relative: {name}", ("predict", DET, _PHOTO, "--json", "out.json"), says, damage)
        for name, (damage, says) in _CHECKPOINTS.items()
    ),
    *(Row("resume", f"relative: {name}", _RESUME, says, damage) for name, (damage, says) in _RESUMED.items()),
    *(Row("coco", f"relative: {name}", TRAIN, says, damage) for name, (damage, says) in _COCO.items()),
    *(Row("masks", f"relative: {name}", TRAIN_SEG, says, damage) for name, (damage, says) in _MASKS.items()),
    Row("coco", "a box that is empty", TRAIN, "1 without a box", _EMPTY_BOX, status=0, writes=("out",)),
    Row("coco", "an absolute file name", TRAIN, "passwd", _ABSOLUTE, status=0, writes=("out",)),
    Row("masks", "a val mask is missing", TRAIN_SEG, "have no mask", _NO_MASK, status=0, writes=("out",)),
    *(
        Row("reports", f"relative: {name}", ("compare", "det_run", "seg_run"), r"det_run|report\.json", damage)
        for name, damage in _REPORTS.items()
    ),
]
