"""Kinds of images that must not be decoded, values of options, and places that can't be written to."""

from __future__ import annotations

from tests.faults.row import TRAIN, Row, put
from tests.test_image_formats import HOLLOW, HUGE, NO_IMAGES

_DET = "det_run/best.pth"
_DEMO = ("demo", _DET, "--input", "a.png", "--json", "o.json")
_KINDS = {"huge": HUGE, "hollow": HOLLOW, "no image": NO_IMAGES}
_VALUES = {
    ("demo", _DET, "--input", "photos", "--json", "o.json", "--threshold", "2"): "--threshold",
    ("demo", _DET, "--input", "photos", "--json", "o.json", "--threshold", "x"): "--threshold",
    ("benchmark", "seg.tflite", "--runs", "-1"): "--runs",
    ("benchmark", "seg.tflite", "--runs", "1e9"): "--runs",
    ("benchmark", "seg.tflite", "--threads", "0"): "--threads",
    ("benchmark", "seg.tflite", "--threads", "two"): "--threads",
    ("summary", "det.py", "--size", "-64", "64"): "size",
    ("summary", "det.py", "--size", "64"): "--size",
}
_PLACES = {
    "predict: json below a file": ("predict", _DET, "photos", "--json", "det.py/o.json"),
    "predict: json in /proc": ("predict", _DET, "photos", "--json", "/proc/o.json"),
    "check: json onto a folder": ("check", "det.py", "--json", "photos"),
    "check: json onto a device": ("check", "det.py", "--json", "/dev/full"),
    "export: the file is a folder": ("export", _DET, "--out", "photos"),
    "export: the file is below a file": ("export", _DET, "--out", "det.py/m.tflite"),
}

ROWS = [
    *(
        Row("images", f"{what}: {name}", _DEMO, r"a\.png", put("a.png", content))
        for what, contents in _KINDS.items()
        for name, content in contents.items()
    ),
    *(Row("values", " ".join(words), words, says) for words, says in _VALUES.items()),
    *(Row("environment", name, words, words[-1].partition("/o.")[0]) for name, words in _PLACES.items()),
    Row("environment", "train: a name with a line break", (*TRAIN[:3], "a\n/b\0"), "--work-dir"),
]
