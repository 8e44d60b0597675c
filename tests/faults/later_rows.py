"""Kinds of wrong use of what came later: adapt, the paper's plots, teachers, --amp, int8 searches, class folders."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests.faults.checkpoint_rows import DET, SEG
from tests.faults.row import TRAIN, TRAIN_SEG, Damage, Row, both, put

CLS = "cls_run/best.pth"
_DEEP = "[" * 100_000
_TARGET = ("--target-latency", "0.7x", "--work-dir", "out")
_EXPORT = ("export", DET, "--out", "m.tflite")
_TEACHER = "--cfg-options", f"teacher={SEG}"


def _adapt(*words: str) -> tuple[str, ...]:
    return ("adapt", DET, *_TARGET, *words)


def _target(value: str) -> tuple[str, ...]:
    return ("adapt", DET, f"--target-latency={value}", "--work-dir", "out")


def _option(text: str) -> tuple[str, ...]:
    return (*TRAIN, "--cfg-options", text)


def _many(folder: Path) -> None:
    """Repeat the training images until there are enough for adapt."""
    for name, labels in (("boxes", "train.json"), ("masks", "")):
        if labels:
            table = json.loads((folder / name / labels).read_text())
            for copy in range(1, 6):
                table["images"] += [
                    one | dict(id=100 * copy + one["id"], file_name=f"{copy}{one['file_name']}")
                    for one in table["images"][:3]
                ]
                for one in table["images"][:3]:
                    shutil.copy(
                        folder / "boxes/images" / one["file_name"], folder / f"boxes/images/{copy}{one['file_name']}"
                    )
            (folder / name / labels).write_text(json.dumps(table))
            continue
        for path in [*(folder / "masks/train").iterdir(), *(folder / "masks/train_labels").iterdir()]:
            for copy in range(1, 7):
                shutil.copy(path, path.with_name(f"{copy}{path.name}"))


def _history(text: str) -> Damage:
    return both(lambda folder: (folder / "out").mkdir(), put("out/state.json", text))


def _cells(change: str) -> Damage:
    """Change the folder of classes in one way."""

    def apply(folder: Path) -> None:
        train = folder / "cells/train"
        if change == "deep":
            shutil.move(train / "red", folder / "kept")
            (train / "red/more").mkdir(parents=True)
            shutil.move(folder / "kept", train / "red/more/red")
        elif change == "link to itself":
            os.symlink(train, train / "red/again")
        elif change == "name with a newline":
            (train / "red").rename(train / "re\nd")
        elif change == "name that is no text":
            os.rename(bytes(train / "red"), bytes(train) + b"/re\xff")
        elif change == "pipe":
            os.mkfifo(train / "red/9.png")
        elif change == "damaged":
            for path in train.rglob("*.png"):
                path.write_bytes(b"\x89PNG")

    return apply


_COMMANDS: dict[str, tuple[tuple[str, ...], str, Damage | None]] = {
    "adapt: nothing": (("adapt",), "FILE|--target-latency", None),
    "adapt: no target": (("adapt", DET), "--target-latency", None),
    **{
        f"adapt: target {value!r}": (_target(value), "--target-latency", None)
        for value in (
            "",
            "x",
            "ms",
            "0ms",
            "-1ms",
            "0x",
            "1x",
            "1.5x",
            "nan",
            "nanms",
            "infx",
            "1e999ms",
            "5s",
            "0.7X ms",
        )
    },
    "adapt: no such file": (("adapt", "nowhere.pth", *_TARGET), r"nowhere\.pth", None),
    "adapt: a .tflite": (("adapt", "seg.tflite", *_TARGET), r"seg\.tflite", None),
    "adapt: a config alone": (("adapt", "det.py", *_TARGET), r"det\.py|checkpoint", None),
    "adapt: three files": (("adapt", "det.py", DET, SEG, *_TARGET), "FILE|three|CHECKPOINT|best.pth", None),
    "adapt: another task's config": (("adapt", "seg.py", DET, *_TARGET), r"best\.pth", None),
    "adapt: an image": (("adapt", "photos/0.jpg", *_TARGET), r"0\.jpg", None),
    "adapt: a damaged checkpoint": (_adapt(), r"best\.pth", put(DET, b"PK\x03\x04")),
    **{
        f"adapt: step {value}": (_adapt("--step", value), "--step", None)
        for value in ("0", "-1", "1", "x", "nan", "inf")
    },
    **{
        f"adapt: short-iters {value}": (_adapt("--short-iters", value), "--short-iters", None)
        for value in ("-1", "x", "1.5")
    },
    **{
        f"adapt: threads {value}": (_adapt("--threads", value), "--threads", None)
        for value in ("0", "-1", "x", "100000")
    },
    **{
        f"adapt: w {value}": (_adapt("--reward", "product", "--w", value), "--w", None) for value in ("x", "nan", "inf")
    },
    "adapt: w without product": (_adapt("--w", "-0.5"), "--w|--reward", None),
    "adapt: w with slope": (_adapt("--w", "-0.5", "--reward", "slope"), "--w|--reward", None),
    "adapt: a long name": (("adapt", "a" * 5000 + ".pth", *_TARGET), "aaa", None),
    "adapt: an unknown reward": (_adapt("--reward", "x"), "--reward", None),
    "adapt: an unknown quantize": (_adapt("--quantize", "int4"), "--quantize", None),
    "adapt: size 0 of a segmenter": (("adapt", SEG, *_TARGET, "--size", "0", "64"), "size", _many),
    "adapt: size of a detector": (_adapt("--size", "96", "128"), "size", _many),
    "adapt: a huge size": (("adapt", SEG, *_TARGET, "--size", "1000000", "1000000"), "size", _many),
    "adapt: work dir is a file": (("adapt", DET, "--target-latency", "0.7x", "--work-dir", "det.py"), r"det\.py", None),
    "adapt: resume of nothing": (_adapt("--resume"), "out|--resume", _many),
    "adapt: a wrong option": (_adapt("--cfg-options", "modle.width=1"), "modle", None),
    "adapt: os.system": (_adapt("--cfg-options", "model.type=os.system"), r"os\.system", None),
    "adapt: no data": (_adapt(), "boxes", lambda folder: shutil.rmtree(folder / "boxes")),
    "paper: no such table": (("paper", "--table", "99"), "--table", None),
    "paper: table x": (("paper", "--table", "x"), "--table", None),
    "paper: no such figure": (("paper", "--figure", "99"), "--figure", None),
    "paper: a figure without plot": (("paper", "--figure", "9"), "--plot|--figure", None),
    "paper: components and a table": (("paper", "--components", "--table", "6"), "--components|--table", None),
    "paper: components and a figure": (
        ("paper", "--components", "--figure", "9"),
        "--components|--figure|--plot",
        None,
    ),
    "paper: components into a folder": (("paper", "--components", "--json", "photos"), "photos", None),
    "paper: components onto a config": (("paper", "--components", "--json", "det.py"), r"det\.py", None),
    "paper: plot onto an image": (("paper", "--plot", "photos/0.jpg"), r"0\.jpg", None),
    "paper: plot into no folder": (("paper", "--plot", "nowhere/p.png"), "nowhere", None),
    "paper: plot of another kind": (("paper", "--plot", "p.exe"), r"p\.exe|--plot", None),
    "paper: plot without a suffix": (("paper", "--plot", "p"), "--plot", None),
    "paper: plot and json the same": (("paper", "--plot", "p.png", "--json", "p.png"), r"p\.png", None),
    "paper: plot to a device": (("paper", "--plot", "/dev/full"), "/dev/full", None),
    "paper: ours is an image": (("paper", "--ours", "photos/0.jpg"), r"0\.jpg", None),
    "paper: ours is a folder of images": (("paper", "--ours", "photos"), "photos", None),
    "paper: ours is a detector": (("paper", "--ours", "det_run"), "det_run", None),
    **{
        f"paper: ours {name}": (("paper", "--ours", "own.json"), r"own\.json", put("own.json", text))
        for name, text in {
            "is empty": "",
            "is deep": _DEEP,
            "is a number": "5",
            "is a list of numbers": "[5]",
            "has no accuracy": '[{"table": 6, "row": "x"}]',
            "has accuracy nan": '[{"table": 6, "row": "V3-Large 1.0", "accuracy": NaN}]',
            "has accuracy 1e400": '[{"table": 6, "row": "V3-Large 1.0", "accuracy": 1e400}]',
            "has a list as row": '[{"table": 6, "row": ["x"], "accuracy": 70}]',
            "has an unknown row": '[{"table": 6, "row": "x", "accuracy": 70}]',
            "has a table of text": '[{"table": "six", "row": "x", "accuracy": 70}]',
        }.items()
    },
    "amp: fp8": ((*TRAIN, "--amp", "fp8"), "--amp", None),
    "amp: fp8 before the config": (("train", "--amp", "fp8", "det.py", "--work-dir", "out"), "--amp", None),
    "amp: empty": ((*TRAIN, "--amp="), "--amp", None),
    "amp: fp16 without a GPU": ((*TRAIN, "--amp", "fp16"), "--amp", None),
    "amp: twice": ((*TRAIN, "--amp", "fp16", "--amp", "int8"), "--amp", None),
    "amp: an option": (_option("optim_wrapper.amp=fp8"), r"optim_wrapper\.amp", None),
    "amp: a number": (_option("optim_wrapper.amp=16"), r"optim_wrapper\.amp", None),
    "teacher: another task": ((*TRAIN, *_TEACHER), r"teacher|best\.pth", None),
    "teacher: a detector": ((*TRAIN_SEG, "--cfg-options", f"teacher={DET}"), r"teacher|best\.pth", None),
    "teacher: no such file": (_option("teacher=nowhere.pth"), r"nowhere\.pth", None),
    "teacher: an image": (_option("teacher=photos/0.jpg"), r"0\.jpg", None),
    "teacher: a .tflite": (_option("teacher=seg.tflite"), r"seg\.tflite", None),
    "teacher: a folder": (_option("teacher=det_run"), "det_run", None),
    "teacher: a number": (_option("teacher=5"), "teacher", None),
    "teacher: a list": (_option(f"teacher=['{DET}']"), "teacher", None),
    "teacher: a misspelt key": (_option(f"teacher=dict(chekpoint='{DET}')"), "teacher", None),
    "teacher: no checkpoint": (_option("teacher=dict(loss=dict(type='AnchorDistillation'))"), "teacher", None),
    "teacher: a loss of another task": (
        _option(f"teacher=dict(checkpoint='{DET}',loss=dict(type='PixelDistillation'))"),
        "teacher|PixelDistillation",
        None,
    ),
    "teacher: os.system as loss": (
        _option(f"teacher=dict(checkpoint='{DET}',loss=dict(type='os.system'))"),
        r"os\.system",
        None,
    ),
    "teacher: an unknown loss": (
        _option(f"teacher=dict(checkpoint='{DET}',loss=dict(type='AnchorDistilation'))"),
        "AnchorDistillation",
        None,
    ),
    "teacher: a loss with an unknown key": (
        _option(f"teacher=dict(checkpoint='{DET}',loss=dict(type='AnchorDistillation',wait=1))"),
        "wait",
        None,
    ),
    "teacher: a damaged file": (_option("teacher=t.pth"), r"t\.pth", put("t.pth", b"PK\x03\x04" + bytes(99))),
    "teacher: a long name": (_option(f"teacher={'a' * 5000}"), "teacher|aaa", None),
    "search: without int8": ((*_EXPORT, "--search"), "--search", None),
    "search: of float16": ((*_EXPORT, "--search", "--quantize", "float16"), "--search", None),
    "search: max-drop nan": ((*_EXPORT, "--search", "--quantize", "int8", "--max-drop", "nan"), "--max-drop", None),
    "search: max-drop -1": ((*_EXPORT, "--search", "--quantize", "int8", "--max-drop", "-1"), "--max-drop", None),
    "search: max-drop x": ((*_EXPORT, "--search", "--quantize", "int8", "--max-drop", "x"), "--max-drop", None),
    "search: calibration 0": (
        (*_EXPORT, "--search", "--quantize", "int8", "--calibration", "0"),
        "--calibration",
        None,
    ),
    "search: no val data": (
        (*_EXPORT, "--search", "--quantize", "int8", "--cfg-options", "val_dataloader=None", "test_dataloader=None"),
        "val|data",
        None,
    ),
    "search: no training data": (
        (*_EXPORT, "--search", "--quantize", "int8"),
        "boxes",
        lambda folder: (folder / "boxes/train.json").unlink(),
    ),
    "search: onto the checkpoint": (
        ("export", DET, "--search", "--quantize", "int8", "--out", DET),
        r"best\.pth|\.tflite",
        None,
    ),
    "new: one class folder": (
        ("new", "cells/train", "--name", "n"),
        "cells",
        lambda folder: [shutil.rmtree(folder / "cells/train" / name) for name in ("red", "green")],
    ),
    "new: class folders that are empty": (
        ("new", "cells", "--name", "n"),
        "cells",
        lambda folder: [path.unlink() for path in (folder / "cells").rglob("*.png")],
    ),
    "new: class folders as detection": (("new", "cells", "--task", "detection", "--name", "n"), "--task|cells", None),
    "new: boxes as classification": (("new", "boxes/train.json", "--task", "classification"), "--task|train", None),
    "new: a name with a newline": (("new", "cells", "--name", "a\nb"), "--name", None),
    "new: a name of a keyword": (("new", "cells", "--name", "class"), "--name", None),
    "new: weights of a detector": (("new", "cells", "--name", "n", "--weights", "det.py"), r"--weights|det\.py", None),
    "new: weights that are missing": (("new", "cells", "--name", "n", "--weights", "x.pth"), r"x\.pth", None),
    "new: a class folder with a newline": (("new", "cells", "--name", "n"), "re", _cells("name with a newline")),
    "new: a class folder that is no text": (("new", "cells", "--name", "n"), "re", _cells("name that is no text")),
    "browse: no such class of a folder": (("browse", "cells", "--class", "pink", "--out", "p.png"), "pink", None),
    "test: scales of a classifier": (("test", CLS, "--work-dir", "out", "--scales", "0.5"), "--scales", None),
    "export: nms of a classifier": (("export", CLS, "--out", "m.tflite", "--nms", "per-class"), "--nms", None),
    "export: labels of a classifier": (("export", CLS, "--out", "m.tflite", "--labels", "logits"), "--labels", None),
    "export: full size of a classifier": (("export", CLS, "--out", "m.tflite", "--full-size"), "--full-size", None),
    "compare: a report of other types": (
        ("compare", "det_run", "seg_run"),
        r"report\.json",
        lambda folder: _other_types(folder / "seg_run/report.json"),
    ),
}


def _other_types(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metric": {"name": [], "is_share": 0}}))


ROWS: list[Row] = [
    *(Row("later", name, words, says, damage) for name, (words, says, damage) in _COMMANDS.items()),
    *(
        Row("later", f"check: class folders, {change}", ("check", "cells"), says, _cells(change), status)
        for change, says, status in (
            ("deep", "red 2", 0),
            ("name with a newline", "reading", 1),  # the errors are on standard output
            ("name that is no text", "reading", 1),
            ("damaged", "reading", 1),
            ("pipe", "a device or a pipe", 0),
            ("link to itself", "in the folders of two classes", 0),
        )
    ),
    *(
        Row(
            "later",
            f"browse: class folders, {change}",
            ("browse", "cells", "--out", "p.png"),
            r"wrote p\.png",
            _cells(change),
            0,
            writes=("p.png",),
        )
        for change in ("deep", "name with a newline", "name that is no text", "damaged", "pipe", "link to itself")
    ),
    Row("later", "adapt: history of junk", _adapt("--resume"), "out", both(_many, _history("\0\xff"))),
    Row("later", "adapt: a deep history", _adapt("--resume"), "out", both(_many, _history(_DEEP))),
]
