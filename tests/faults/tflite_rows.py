"""Kinds of damaged .tflite files, reports and phone logs."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from tests.faults.good import about
from tests.faults.row import Damage, Row, both, change_bytes, mark_quick, put

_RUN = ("test", "seg.tflite", "--config", "seg.py", "--work-dir", "out")


def tflite(**changes: object) -> Damage:
    """Write the .tflite with other metadata."""

    def apply(folder: Path) -> None:
        _with_about(folder, json.dumps(about() | changes).encode())

    return apply


def _with_about(folder: Path, content: bytes, method: int = zipfile.ZIP_STORED) -> None:
    whole = io.BytesIO((folder / "seg.tflite").read_bytes())
    with zipfile.ZipFile(whole) as archive:
        start = min(entry.header_offset for entry in archive.infolist())
    graph = whole.getvalue()[:start]
    target = io.BytesIO(graph)
    with zipfile.ZipFile(target, "a", method) as archive:
        archive.writestr("labels.txt", "sky\nroad\ncar\n")
        archive.writestr("densevision.json", content)
    (folder / "seg.tflite").write_bytes(target.getvalue())


def about_bytes(content: bytes, method: int = zipfile.ZIP_STORED) -> Damage:
    """Write the .tflite with these bytes as metadata."""
    return lambda folder: _with_about(folder, content, method)


def _method_99(folder: Path) -> None:
    content = (folder / "seg.tflite").read_bytes()
    place = content.index(b"PK\x01\x02")
    content = bytearray(content)
    while place != -1:
        content[place + 10 : place + 12] = (99).to_bytes(2, "little")
        place = content.find(b"PK\x01\x02", place + 4)
    (folder / "seg.tflite").write_bytes(bytes(content))


_TFLITE: dict[str, Damage] = {
    "empty": put("seg.tflite", b""),
    "text": put("seg.tflite", "model"),
    "a header alone": put("seg.tflite", b"\x1c\0\0\0TFL3"),
    "cut in half": change_bytes("seg.tflite", lambda c: c[: len(c) // 2]),
    "cut by a byte": change_bytes("seg.tflite", lambda c: c[:-1]),
    "a damaged graph": change_bytes("seg.tflite", lambda c: c[:8] + bytes(80) + c[88:]),
    "without metadata": lambda f: (f / "seg.tflite").write_bytes(
        (f / "seg.tflite").read_bytes().split(b"PK\x03\x04")[0]
    ),
    "an unknown compression": _method_99,
    "no json": about_bytes(b"densevision"),
    "json of a list": about_bytes(b"[]"),
    "json of a number": about_bytes(b"3"),
    "json null": about_bytes(b"null"),
    "deep json": about_bytes(b"[" * 100_000),
    "no UTF-8": about_bytes(b'{"outputs": "\xff"}'),
    "huge number": about_bytes(b'{"size": ' + b"9" * 5000 + b"}"),
    "64 MB of blanks": about_bytes(b" " * 2**26, zipfile.ZIP_DEFLATED),
    "no key": about_bytes(b"{}"),
    "an unknown key": tflite(nothing=3),
    **{
        f"{key} is {value!r}": tflite(**{key: value})
        for key, values in {
            "outputs": (3, None, "masks", [], {}, "detections", "boxes"),
            "classes": (
                3,
                None,
                "abc",
                [],
                {},
                [1, 2, 3],
                ["a"],
                ["a", "b", "c", "d"],
                [["a"], ["b"], ["c"]],
                ["", "", ""],
            ),
            "size": (
                3,
                None,
                "64",
                [],
                [64],
                [64, 64, 3],
                [0, 0],
                [-64, -64],
                [64.0, 64.0],
                [128, 128],
                [10**9, 64],
                True,
            ),
            "input_type": (3, None, "int8", "float32", []),
            "quantize": (3, None, "int4", []),
            "palette": (
                3,
                None,
                "red",
                [[1, 2, 3]],
                [[1, 2]] * 3,
                [[300, 0, 0]] * 3,
                [[-1, 0, 0]] * 3,
                [["r"] * 3] * 3,
                [1, 2, 3],
            ),
            "postprocess": (3, None, [], "x"),
            "origin": (3, None, []),
            "padded_size": (3, "x", [], [0, 0], [64.5, 64], [-1, 64]),
            "align_corners": (3, None, "x", []),
            "score_threshold": ("x", [], 7, -1, True),
        }.items()
        for value in values
    },
}

_LOG = (
    b"@prop ro.product.model=x\nSTARTING!\n" + 2 * b"count=5 curr=7 min=1 max=9 avg=5 std=1\n"
    b"Inference timings in us: Init: 1, First inference: 1, Warmup (avg): 5, Inference (avg): 7\n@exit 0\n@end\n"
)
_MIXED = [
    Row("reports", "compare an empty folder", ("compare", "photos", "boxes"), "photos"),
    *(
        Row(
            "reports",
            f"compare a report with {name}",
            ("compare", "det_run", "seg_run"),
            r"det_run.*report\.json|report",
            put("det_run/report.json", content),
        )
        for name, content in {
            "nothing in it": b"",
            "text": b"report",
            "a list": b"[]",
            "null": b"null",
            "a number": b"3",
            "an empty object": b"{}",
            "depth": b"[" * 100_000,
            "no UTF-8": b"\xff\xfe",
            "a huge number": b'{"metrics": ' + b"9" * 5000 + b"}",
        }.items()
    ),
    Row("phone", "a missing log", ("benchmark", "seg.tflite", "--log", "nowhere.log"), r"nowhere\.log"),
    *(
        Row(
            "phone",
            f"a log of {name}",
            ("benchmark", "seg.tflite", "--log", "phone.log"),
            r"phone\.log",
            put("phone.log", content),
        )
        for name, content in {
            "nothing": b"",
            "text": b"hello",
            "zeros": bytes(100),
            "one property": b"@prop ro.product.model=x\n",
            "an end without a run": b"@prop ro.product.model=x\n@end\n",
            "no exit": _LOG.replace(b"@exit 0\n", b""),
            "no cores": _LOG,
            "a number with two points": _LOG.replace(b"7", b"1.2.3"),
        }.items()
    ),
    Row(
        "payloads",
        "a newline in a file's name",
        ("benchmark", "x\ntouch pwned #.tflite", "--device", "adb", "--binary", "tool"),
        "control characters",
        both(
            put("tool", b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\xb7\0" + bytes(44)),
            lambda f: (f / "x\ntouch pwned #.tflite").write_bytes((f / "seg.tflite").read_bytes()),
        ),
    ),
]

ROWS = mark_quick(
    [
        *(Row("tflite", name, _RUN, r"seg\.tflite", damage) for name, damage in _TFLITE.items()),
        *_MIXED,
    ],
    [
        *("no json", "deep json", "64 MB of blanks", "classes is ['a']", "size is [128, 128]"),
        *("palette is [[1, 2, 3]]", "an unknown compression", "a log of no exit", "a newline in a file's name"),
    ],
)
