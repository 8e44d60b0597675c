"""Files, options and names that try to run code or to write elsewhere."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.faults.good import about
from tests.faults.payload_texts import BOMB, EPS, MVG, NAMES, PLAYLISTS, SHELL, SVG, XXE, YAML
from tests.faults.row import TRAIN, TRAIN_SEG, Damage, put

_FILES = [name for name in NAMES if "/" not in name]


@dataclass(frozen=True)
class Payload:
    """An attack: what it puts into the good setup, and the command that meets it.

    Attributes:
        name: for the test's name.
        damage: puts it there.
        words: of the command line.
    """

    name: str
    damage: Damage
    words: tuple[str, ...]


class _Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, function: Callable, *arguments: object):
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


def _system() -> _Runs:
    import os

    return _Runs(os.system, SHELL)


def _touches() -> _Runs:
    return _Runs(Path.touch, Path("pwned"))


def _evaluates() -> _Runs:
    return _Runs(eval, f"__import__('os').system({SHELL!r})")


DET = "det_run/best.pth"
_LAST = "det_run/iter_2.pth"
_RESUME = ("train", "det.py", "--work-dir", "det_run", "--resume", "--cfg-options", "train_cfg.max_iters=3")
_READERS = {
    "test": ("test", DET, "--work-dir", "out"),
    "predict": ("predict", DET, "photos/0.jpg", "--json", "out.json"),
    "demo": ("demo", DET, "--input", "photos", "--json", "out.json"),
    "export": ("export", DET, "--out", "m.tflite"),
    "init_from": (*TRAIN, "--cfg-options", f"init_from={DET}"),
}


def in_torch(payload: object, name: str = DET) -> Damage:
    """Save a checkpoint that contains an object."""

    def apply(folder: Path) -> None:
        content = torch.load(folder / name, weights_only=True)
        content["meta"]["x"] = payload
        torch.save(content, folder / name)

    return apply


def in_pickle(payload: object) -> Damage:
    """Replace a checkpoint by a pickle."""
    return lambda folder: (folder / DET).write_bytes(pickle.dumps(dict(state_dict={}, meta=payload)))


def stored(key: str, value: object) -> Damage:
    """Set an entry of the config in a checkpoint."""

    def apply(folder: Path) -> None:
        checkpoint = torch.load(folder / DET, weights_only=True)
        content = checkpoint["meta"]["stored_config"]["content"]
        *parents, last = key.split("/")
        for parent in parents:
            content = content[parent]
        content[last] = value
        torch.save(checkpoint, folder / DET)

    return apply


def coco(key: str, value: object, rows: str = "images") -> Damage:
    """Set a key of the first row of the val json."""

    def apply(folder: Path) -> None:
        for name in ("train", "val"):
            path = folder / f"boxes/{name}.json"
            content = json.loads(path.read_text())
            content[rows][0][key] = value
            path.write_text(json.dumps(content))

    return apply


def tflite(**changes: object) -> Damage:
    """Give the .tflite other metadata."""

    def apply(folder: Path) -> None:
        whole = (folder / "seg.tflite").read_bytes()
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            start = min(entry.header_offset for entry in archive.infolist())
        target = io.BytesIO(whole[:start])
        with zipfile.ZipFile(target, "a") as archive:
            archive.writestr("../../pwned", "x")
            archive.writestr("/tmp/pwned", "x")
            archive.writestr("labels.txt", f"{SHELL}\n")
            archive.writestr("densevision.json", json.dumps(about() | changes))
        (folder / "seg.tflite").write_bytes(target.getvalue())

    return apply


def renamed(source: str, target: str) -> Damage:
    """Give a file of the setup another name."""
    return lambda folder: shutil.copyfile(folder / source, folder / target)


def _photo(name: str) -> Damage:
    return renamed("photos/0.jpg", f"{name}.jpg")


def _folder(name: str) -> Damage:
    return lambda folder: shutil.copytree(folder / "photos", folder / name)


def _voc(content: str) -> Damage:
    return put("photos/0.xml", content)


def _yolo(folder: Path) -> None:
    (folder / "yolo/images").mkdir(parents=True)
    shutil.copyfile(folder / "photos/0.jpg", folder / "yolo/images/0.jpg")
    put("yolo/labels/0.txt", "0 0.5 0.5 0.2 0.2\n")(folder)
    put("yolo/data.yaml", YAML)(folder)


def _mask(content: bytes) -> Damage:
    return put("masks/train_labels/0.png", content)


def _named_class(name: str) -> Damage:
    return coco("name", name, "categories")


PAYLOADS = [
    *(
        Payload(f"a pickle of {name} in a checkpoint: {reader}", in_torch(payload()), words)
        for name, payload in (("os.system", _system), ("Path.touch", _touches), ("eval", _evaluates))
        for reader, words in _READERS.items()
    ),
    *(Payload(f"a raw pickle: {reader}", in_pickle(_system()), words) for reader, words in _READERS.items()),
    Payload("a pickle, resumed", in_torch(_system(), _LAST), _RESUME),
    Payload("last_checkpoint names another place", put("det_run/last_checkpoint", "../seg_run/iter_2.pth"), _RESUME),
    *(
        Payload(f"the config in a checkpoint sets {key}: {reader}", stored(key, value), words)
        for key, value in {
            "model": {"type": "os.system", "command": SHELL},
            "model/type": "subprocess.run",
            "model/backbone": {"type": "builtins.eval", "source": f"open({SHELL!r}, 'w')"},
            "val_evaluator": {"type": "os.system", "command": SHELL},
            "custom_imports": {"imports": ["antigravity"]},
            "work_dir": "../pwned",
            "log_file": "../pwned",
            "load_from": "http://127.0.0.1:9/x.pth",
        }.items()
        for reader, words in (("predict", _READERS["predict"]), ("test", _READERS["test"]))
    ),
    *(
        Payload(f"the option {option[:40]}", lambda folder: None, (*TRAIN, "--cfg-options", option))
        for option in (
            f"model={{'type':'os.system','command':{SHELL!r}}}",
            f"model=__import__('os').system({SHELL!r})",
            f"custom_hooks=[dict(type='os.system',command={SHELL!r})]",
            f"custom_hooks=[dict(type='subprocess.Popen',args=[{SHELL!r}],shell=True)]",
            "custom_imports={'imports':['antigravity']}",
            "train_dataloader.collate_fn='os.system'",
            "train_dataloader.worker_init_fn=dict(type='os.system')",
            "visualizer=dict(type='Visualizer',save_dir='../pwned')",
            "default_hooks.checkpoint.out_dir='../pwned'",
            "experiment_name='../../pwned'",
            "optim_wrapper.optimizer.type='builtins.exec'",
        )
    ),
    *(
        Payload(f"a .tflite of {name}: {reader}", tflite(**changes), words)
        for name, changes in {
            "a config": {"origin": {"config": f"import os\nos.system({SHELL!r})\n"}},
            "classes": {"classes": list(NAMES[:3])},
            "a page": {"classes": ["<img src=x onerror=alert(1)>", "</script>", "{{7*7}}"]},
        }.items()
        for reader, words in {
            "predict": ("predict", "seg.tflite", "photos/0.jpg", "--csv", "out.csv"),
            "demo": ("demo", "seg.tflite", "--input", "video.avi", "--out", "out.mp4"),
            "test": ("test", "seg.tflite", "--config", "seg.py", "--work-dir", "out"),
            "benchmark": ("benchmark", "seg.tflite", "--runs", "1", "--warmup", "0", "--json", "out.json"),
        }.items()
    ),
    *(Payload(f"a class is {name!r}", _named_class(name), TRAIN) for name in NAMES),
    *(
        Payload(f"a file_name is {name}: {words[0]}", coco("file_name", name), words)
        for name in ("../../pwned.png", "/etc/passwd", "$(touch pwned).png", "|touch pwned", "a\0b.png")
        for words in (TRAIN, ("check", "det.py", "--json", "out.json"), ("browse", "det.py", "--out", "out.html"))
    ),
    *(
        Payload(f"an image of {name}: {words[0]}", put("photos/a.jpg", content), words)
        for name, content in (("PostScript", EPS), ("SVG", SVG), ("MVG", MVG))
        for words in (
            ("predict", DET, "photos", "--json", "out.json"),
            ("demo", DET, "--input", "photos", "--json", "o"),
        )
    ),
    *(
        Payload(f"a mask of {name}", _mask(content), TRAIN_SEG)
        for name, content in (("PostScript", EPS), ("SVG", SVG), ("MVG", MVG))
    ),
    *(
        Payload(f"a playlist {name}", put(name, text), ("demo", DET, "--input", name, "--json", "out.json"))
        for name, text in PLAYLISTS.items()
    ),
    *(
        Payload(
            f"an image named {name!r}",
            _photo(name),
            ("predict", "seg.tflite", "--json", "out.json", "--", f"{name}.jpg"),
        )
        for name in _FILES
    ),
    *(
        Payload(
            f"an image named {name!r}: demo",
            _photo(name),
            ("demo", "seg.tflite", f"--input={name}.jpg", "--json=out.json"),
        )
        for name in _FILES
    ),
    *(
        Payload(f"a folder named {name!r}: new", _folder(name), ("new", "--name", "mine", "--", name))
        for name in _FILES
    ),
    *(
        Payload(f"a config named {name!r}", lambda folder: None, ("new", "boxes", "--name", name))
        for name in (
            "../pwned",
            "/tmp/pwned",
            "a\ntouch pwned",
            "-x",
            "$(touch pwned)",
            "a b; touch pwned",
            "import os",
        )
    ),
    Payload("an xml that reads a file: new", _voc(XXE), ("new", "photos", "--name", "mine")),
    Payload("an xml that reads a file: check", _voc(XXE), ("check", "photos", "--json", "out.json")),
    Payload("an xml that grows: new", _voc(BOMB), ("new", "photos", "--name", "mine")),
    Payload("a yaml that runs a command", _yolo, ("new", "yolo", "--name", "mine")),
    Payload("a yaml config that runs a command", put("x.yaml", YAML), ("train", "x.yaml", "--work-dir", "out")),
    Payload(
        "a json config that names os.system",
        put("x.json", json.dumps({"model": {"type": "os.system"}})),
        ("train", "x.json", "--work-dir", "out"),
    ),
    Payload(
        "a report that names another place",
        put("det_run/report.json", json.dumps({"title": "<script>", "examples": ["../../x"]})),
        ("compare", "det_run", "seg_run", "--html", "out.html"),
    ),
    Payload(
        "a phone log of a command",
        put("phone.log", f"@prop x=$({SHELL})\n@end\n"),
        ("benchmark", "seg.tflite", "--log", "phone.log"),
    ),
]
