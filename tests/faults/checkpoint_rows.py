"""Kinds of damaged checkpoints and work directories."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import torch

from tests.faults.row import Damage, Row, both, change_bytes, mark_quick, put, remove

DET, SEG = "det_run/best.pth", "seg_run/best.pth"
_DEMO = ("demo", DET, "--input", "photos", "--json", "out.json")
_TEST = ("test", DET, "--work-dir", "out")
_EXPORT = ("export", DET, "--out", "m.tflite")
_PREDICT = ("predict", DET, "photos/0.jpg", "--json", "out.json")
_RESUME = ("train", "det.py", "--work-dir", "det_run", "--resume", "--cfg-options", "train_cfg.max_iters=3")


def edit(name: str, change: Callable[[dict], object]) -> Damage:
    """Change the content of a checkpoint; what ``change`` returns replaces it, unless that is None."""

    def apply(folder: Path) -> None:
        content = torch.load(folder / name, weights_only=True)
        found = change(content)
        torch.save(content if found is None else found, folder / name)

    return apply


def _set(content: dict, key: str, value: object) -> None:
    *parents, last = key.split("/")
    for parent in parents:
        content = content[parent]
    content[last] = value


def setting(name: str, key: str, value: object) -> Damage:
    """Set an entry of a checkpoint, by a path such as "meta/dataset_meta/classes"."""
    return edit(name, lambda content: _set(content, key, value))


def without(name: str, *keys: str) -> Damage:
    """Remove entries of a checkpoint."""
    return edit(name, lambda content: [content.pop(key, None) for key in keys] and None)


class _Payload:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("pwned"),))


def _zeroed(content: bytes) -> bytes:
    place = len(content) // 2
    return content[:place] + bytes(64) + content[place + 64 :]


def _fill(value: float) -> Callable[[dict], None]:
    def change(content: dict) -> None:
        next(t for t in content["state_dict"].values() if t.is_floating_point())[:] = value

    return change


def _weights(value: object) -> Callable[[dict], None]:
    def change(content: dict) -> None:
        name = next(iter(content["state_dict"]))
        content["state_dict"][name] = value

    return change


def _stored(key: str, value: object) -> Callable[[dict], None]:
    return lambda content: _set(content["meta"]["stored_config"]["content"], key, value)


def _in_pickle(folder: Path) -> None:
    torch.save(dict(state_dict={}, meta=dict(x=_Payload())), folder / DET)


def _deflated(folder: Path) -> None:
    source = zipfile.ZipFile(folder / DET)
    with zipfile.ZipFile(folder / "other", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    (folder / "other").replace(folder / DET)


_CHECKPOINTS: dict[str, tuple[Damage, str]] = {
    "empty": (put(DET, b""), r"best\.pth"),
    "zeros": (put(DET, bytes(5000)), r"best\.pth"),
    "text": (put(DET, "weights"), r"best\.pth"),
    "json": (put(DET, "{}"), r"best\.pth"),
    "a web page": (put(DET, "<!doctype html>"), r"best\.pth.*web page"),
    "a Git LFS pointer": (put(DET, "version https://git-lfs.github.com/spec/v1"), "git lfs"),
    "a zip of something else": (lambda f: zipfile.ZipFile(f / DET, "w").writestr("a.txt", "x"), r"best\.pth"),
    "cut in half": (change_bytes(DET, lambda c: c[: len(c) // 2]), r"best\.pth"),
    "cut by a byte": (change_bytes(DET, lambda c: c[:-1]), r"best\.pth"),
    "without its first byte": (change_bytes(DET, lambda c: c[1:]), r"best\.pth"),
    "64 zeroed bytes": (change_bytes(DET, _zeroed), r"best\.pth.*checksum"),
    "one changed bit": (change_bytes(DET, lambda c: c[:900000] + bytes([c[900000] ^ 1]) + c[900001:]), r"best\.pth"),
    "compressed": (_deflated, r"best\.pth"),
    "a pickle that runs code": (_in_pickle, r"best\.pth.*more than"),
    "a list": (edit(DET, lambda c: [1, 2]), r"best\.pth"),
    "a tensor": (edit(DET, lambda c: torch.zeros(3)), r"best\.pth"),
    "an empty dict": (edit(DET, lambda c: {}), r"best\.pth"),
    "weights alone": (edit(DET, lambda c: c["state_dict"]), r"best\.pth"),
    "no weights": (without(DET, "state_dict"), r"best\.pth"),
    "weights None": (setting(DET, "state_dict", None), r"best\.pth"),
    "weights a list": (setting(DET, "state_dict", [1]), r"best\.pth"),
    "weights empty": (setting(DET, "state_dict", {}), r"best\.pth"),
    "a weight is a number": (edit(DET, _weights(3)), r"best\.pth"),
    "a weight is None": (edit(DET, _weights(None)), r"best\.pth"),
    "a weight is text": (edit(DET, _weights("x")), r"best\.pth"),
    "a weight is a list": (edit(DET, _weights([1.0])), r"best\.pth"),
    "a weight of another shape": (edit(DET, _weights(torch.zeros(2, 2))), r"best\.pth"),
    "a sparse weight": (edit(DET, _weights(torch.zeros(16, 3, 3, 3).to_sparse())), r"best\.pth"),
    "a complex weight": (edit(DET, lambda c: _complex(c)), r"best\.pth"),
    "a weight with a number as name": (edit(DET, lambda c: _set(c, "state_dict", {3: torch.zeros(2)})), r"best\.pth"),
    "NaN": (edit(DET, _fill(float("nan"))), r"best\.pth.*not finite"),
    "infinity": (edit(DET, _fill(float("inf"))), r"best\.pth.*not finite"),
    "no meta": (without(DET, "meta"), r"best\.pth"),
    "meta None": (setting(DET, "meta", None), r"best\.pth"),
    "meta a list": (setting(DET, "meta", [1]), r"best\.pth"),
    "no classes": (setting(DET, "meta/dataset_meta/classes", ()), r"best\.pth"),
    "classes a number": (setting(DET, "meta/dataset_meta/classes", 3), r"best\.pth"),
    "classes numbers": (setting(DET, "meta/dataset_meta/classes", (1, 2)), r"best\.pth"),
    "one class too many": (setting(DET, "meta/dataset_meta/classes", ("a", "b", "c")), r"best\.pth"),
    "dataset_meta a list": (setting(DET, "meta/dataset_meta", [1]), r"best\.pth"),
    "settings a list": (setting(DET, "meta/settings", [1]), r"best\.pth"),
    "settings of another network": (setting(DET, "meta/settings", {"backbone.bn_eps": 7.0}), r"best\.pth"),
    "no config": (setting(DET, "meta/stored_config", None), r"best\.pth"),
    "config a list": (setting(DET, "meta/stored_config", [1]), r"best\.pth"),
    "config without content": (setting(DET, "meta/stored_config", {}), r"best\.pth"),
    "config content text": (setting(DET, "meta/stored_config/content", "import os"), r"best\.pth"),
    **{
        f"{name} a tensor": (setting(DET, f"meta/{name}", torch.zeros(2, 2)), r"best\.pth")
        for name in ("stored_config", "stored_config/content", "settings", "dataset_meta", "dataset_meta/classes")
    },
    "a learning rate of 400 digits": (
        edit(DET, lambda c: c.setdefault("optimizer", dict(state={}, param_groups=[dict(lr=10**400)]))),
        r"best\.pth",
    ),
    "config with a tensor in it": (edit(DET, _stored("test_dataloader", torch.zeros(2, 2))), r"best\.pth"),
    "file names in no encoding": (
        change_bytes(DET, lambda c: c.replace(b"data.pkl", b"\xc1ata.pkl")),
        r"best\.pth",
    ),
    "config names os.system": (edit(DET, _stored("model", {"type": "os.system"})), r"best\.pth.*os\.system"),
    "config names Popen": (edit(DET, _stored("model/type", "subprocess.Popen")), r"best\.pth.*Popen"),
    "config names exec": (edit(DET, _stored("model/backbone", {"type": "builtins.exec"})), r"best\.pth.*exec"),
    "config with a scope": (edit(DET, _stored("model/_scope_", "antigravity")), r"best\.pth.*_scope_"),
    "config without model": (edit(DET, _stored("model", None)), "model"),
    "config model a number": (edit(DET, _stored("model", 3)), "model"),
    "config of another width": (edit(DET, _stored("model/backbone/width", 0.5)), r"best\.pth"),
    "config with a huge width": (edit(DET, _stored("model/backbone/width", 1e9)), r"SSDLite|model\.backbone\.width"),
    "config with an unknown key": (edit(DET, _stored("model/widht", 3)), "widht"),
}


def _complex(content: dict) -> None:
    name = next(iter(content["state_dict"]))
    content["state_dict"][name] = content["state_dict"][name].to(torch.complex64)


_LAST = "det_run/iter_2.pth"
_RESUMED: dict[str, tuple[Damage, str]] = {
    "without optimizer": (without(_LAST, "optimizer"), r"iter_2\.pth"),
    "best.pth in its place": (lambda f: (f / DET).replace(f / _LAST), r"iter_2\.pth"),
    "without the optimizer's state": (setting(_LAST, "optimizer/state", {}), r"iter_2\.pth.*optimizer state"),
    "without schedules": (without(_LAST, "param_schedulers"), r"iter_2\.pth.*param_schedulers"),
    "without the moving average": (without(_LAST, "ema_state_dict"), r"iter_2\.pth.*ema_state_dict"),
    "without message hub": (without(_LAST, "message_hub"), r"iter_2\.pth"),
    "optimizer a list": (setting(_LAST, "optimizer", [1]), r"iter_2\.pth"),
    "optimizer groups a number": (setting(_LAST, "optimizer/param_groups", 3), r"iter_2\.pth"),
    "optimizer groups of numbers": (setting(_LAST, "optimizer/param_groups", [3, 4]), r"iter_2\.pth"),
    "schedules a number": (setting(_LAST, "param_schedulers", 3), r"iter_2\.pth"),
    "meta without iteration": (edit(_LAST, lambda c: c["meta"].pop("iter") and None), r"iter_2\.pth"),
    "iteration text": (setting(_LAST, "meta/iter", "x"), r"iter_2\.pth"),
    "iteration negative": (setting(_LAST, "meta/iter", -3), r"iter_2\.pth"),
    "made_from a list": (setting(_LAST, "meta/made_from", [1]), r"iter_2\.pth"),
    "message hub a list": (setting(_LAST, "message_hub", [1]), r"iter_2\.pth"),
    "log_scalars a list": (setting(_LAST, "message_hub/log_scalars", [1]), r"iter_2\.pth"),
    "moving average a list": (setting(_LAST, "ema_state_dict", [1]), r"iter_2\.pth"),
    "NaN, and nothing earlier": (edit(_LAST, _fill(float("nan"))), r"iter_2\.pth.*not finite"),
    "cut, and nothing earlier": (change_bytes(_LAST, lambda c: c[:-100]), r"iter_2\.pth"),
    "no checkpoint": (remove(_LAST, "det_run/last_checkpoint"), "no checkpoint in det_run"),
}


def _earlier(folder: Path) -> None:
    content = torch.load(folder / _LAST, weights_only=True)
    content["meta"]["iter"] = 1
    torch.save(content, folder / "det_run/iter_1.pth")


_GOES_ON: dict[str, tuple[Damage, str]] = {
    "junk in last_checkpoint": (
        put("det_run/last_checkpoint", b"\xff\x00junk"),
        r"resuming from .*iter_2\.pth, iteration 2 of 3",
    ),
    "last_checkpoint is empty": (put("det_run/last_checkpoint", b""), r"resuming from .*iter_2\.pth, iteration 2 of 3"),
    "last_checkpoint names a missing file": (
        put("det_run/last_checkpoint", "iter_7.pth"),
        r"resuming from .*iter_2\.pth, iteration 2 of 3",
    ),
    "last_checkpoint names another folder": (
        put("det_run/last_checkpoint", "../../etc/passwd"),
        r"resuming from .*iter_2\.pth",
    ),
    "junk in curves.csv": (
        put("det_run/curves.csv", b"\xff\xfe\x00\x00,"),
        r"resuming from .*iter_2\.pth, iteration 2 of 3",
    ),
    "curves.csv of another program": (
        put("det_run/curves.csv", "a;b\n1;x\n"),
        r"resuming from .*iter_2\.pth, iteration 2 of 3",
    ),
    "the last file is cut, an earlier one is good": (
        both(_earlier, change_bytes(_LAST, lambda c: c[:-100])),
        r"resuming from iter_1\.pth",
    ),
    "the last file has NaN, an earlier one is good": (
        both(_earlier, edit(_LAST, _fill(float("nan")))),
        r"resuming from iter_1\.pth",
    ),
}


ROWS = mark_quick(
    [
        *(
            Row("checkpoint", f"predict: {name}", _PREDICT, says, damage)
            for name, (damage, says) in _CHECKPOINTS.items()
        ),
        *(
            Row("checkpoint", f"test: {name}", _TEST, rf"{says}|the model has no class", damage)
            for name, (damage, says) in _CHECKPOINTS.items()
            if name not in ("NaN", "no classes")  # a test takes the classes of its data
        ),
        Row("checkpoint", "test: NaN", _TEST, r"best\.pth.*not finite", _CHECKPOINTS["NaN"][0]),
        Row("checkpoint", "demo: NaN", _DEMO, r"best\.pth.*not finite", _CHECKPOINTS["NaN"][0]),
        Row("checkpoint", "export: NaN", _EXPORT, r"best\.pth.*not finite", _CHECKPOINTS["NaN"][0]),
        Row("checkpoint", "demo: cut", _DEMO, r"best\.pth", _CHECKPOINTS["cut in half"][0]),
        Row("checkpoint", "export: cut", _EXPORT, r"best\.pth", _CHECKPOINTS["cut in half"][0]),
        *(Row("resume", name, _RESUME, says, damage) for name, (damage, says) in _RESUMED.items()),
        *(
            Row("resume", name, _RESUME, says, damage, status=0, writes=("det_run",))
            for name, (damage, says) in _GOES_ON.items()
        ),
    ],
    [
        *("predict: empty", "predict: cut in half", "predict: 64 zeroed bytes", "predict: a pickle that runs code"),
        *("predict: a weight is a number", "predict: NaN", "predict: meta None", "predict: config names os.system"),
        *("test: NaN", "without schedules", "without the moving average", "junk in last_checkpoint"),
    ],
)
