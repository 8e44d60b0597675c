"""Readers of small text files: work directories, phone logs, names of classes, lists of images, reports."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np

from tests.faults.fuzz.mutate import dumps, mutate_json, mutate_text
from tests.faults.fuzz.targets import Target

_FACTS = """@prop ro.product.model=Pixel 3
@prop ro.soc.model=SDM845
@cores mask=f0 numbers=4 5 6 7 max_khz=2457600
@hash 11aa  /data/local/tmp/densevision/benchmark_model
@hash {hash}  /data/local/tmp/densevision/0.tflite
@flags --graph=/data/local/tmp/densevision/0.tflite --num_threads=4 --num_runs=50
@before governor=schedutil limit_khz=2457600 status=0 battery=285 cpu=41300 throttled=0
"""
_LOG = """STARTING!
INFO: #threads used for CPU inference: [4]
INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate.
count=50 first=9000 curr=7000 min=6500 max=9100 avg=7100.5 std=120 p5=6600 median=7000 p95=7900
Inference timings in us: Init: 1200, First inference: 9000, Warmup (avg): 7200, Inference (avg): 7100.5
Memory footprint delta from the start of the tool (MB): init=3.2 overall=12.5
"""
_END = """@exit 0
@after governor=schedutil limit_khz=1900800 status=2 battery=301 cpu=62 throttled=1
@end
"""


def pointer(folder: Path) -> Target:
    """``last_checkpoint``, next to two checkpoints."""
    from densevision.training.checkpoint_hook import find_last_checkpoint

    for name in ("iter_2.pth", "iter_10.pth"):
        (folder / name).write_bytes(b"")

    def read(content: bytes) -> None:
        (folder / "last_checkpoint").write_bytes(content)
        found = find_last_checkpoint(folder)
        assert found is not None and found.parent == folder and found.name in ("iter_2.pth", "iter_10.pth")

    return Target((b"iter_2.pth", b"iter_10.pth\n"), mutate_text, read)


def curves(folder: Path) -> Target:
    """``curves.csv``, as the hook reads it when a training resumes."""
    from types import SimpleNamespace

    from mmengine.logging import MMLogger

    from densevision.training.curves import CurvesHook, draw_curves, format_table

    seed = b"iteration,loss,lr,loss_cls,coco/AP\n20,1.5,0.1,0.7,\n40,1.25,0.05,0.6,0.125\n60,1,0.01,0.5,0.25\n"
    runner = SimpleNamespace(work_dir=str(folder), iter=60, logger=MMLogger("fuzz", log_level="CRITICAL"))

    def read(content: bytes) -> None:
        (folder / "curves.csv").write_bytes(content)
        hook = CurvesHook()
        hook.before_train(runner)
        format_table(hook.rows)
        if zlib.crc32(content) % 1000 == 0:  # takes a second
            draw_curves(hook.rows, folder / "curves.png")

    return Target((seed,), mutate_text, read)


def phone_log(folder: Path) -> Target:
    """The log of the phone's script."""
    from densevision.benchmark.phone.script import read_phone_log
    from densevision.benchmark.timing import file_hash

    model, path = folder / "0.tflite", folder / "phone.log"
    model.write_bytes(b"model")
    good = (_FACTS.format(hash=file_hash(model)) + _LOG + _END).encode()

    def read(content: bytes) -> None:
        path.write_bytes(content)
        read_phone_log(path, [model])

    return Target((good, good * 2), mutate_text, read)


def class_names(folder: Path) -> Target:
    """Files that name classes, with ids or colors, next to masks; and ``classes.txt`` of a classifier."""
    from densevision.classification.folders import read_classes
    from densevision.data.formats.mask_names import find_class_names

    files = {
        "classes.txt": b"sky\nroad\ncar\n",
        "class_dict.csv": b"name,r,g,b\nsky,0,0,255\nroad,9,9,9\n",
        "labels.json": dumps([dict(name="sky", id=0, color=[0, 0, 255]), dict(name="road", id=1, color=[9, 9, 9])]),
        "label_colors.txt": b"0 0 255 sky\n9 9 9 road\n",
        "labelmap.txt": b"# label:color_rgb:parts:actions\nsky:0,0,255::\nroad:9,9,9::\n",
        "config.json": dumps(dict(labels=[dict(name="sky", color=[0, 0, 255])])),
    }
    seeds = tuple(f"{name}\n".encode() + content for name, content in files.items())

    def mutate(data, draw):
        name, _, content = data.partition(b"\n")
        return name + b"\n" + (mutate_json if name.endswith(b".json") else mutate_text)(content, draw)

    def read(data: bytes) -> None:
        name, _, content = data.partition(b"\n")
        path = folder / (name.decode() if name.decode("latin1") in files else "classes.txt")
        path.write_bytes(content)
        try:
            find_class_names([folder])
            read_classes(folder, ["sky", "road"])
        finally:
            path.unlink()

    return Target(seeds, mutate, read)


def image_list(folder: Path) -> Target:
    """The list of the images of a split."""
    from densevision.data.image_list import select_images

    path = folder / "list.txt"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        select_images(["a/1.jpg", "a/2.jpg", "b/1.png"], path, folder)

    return Target((b"a/1.jpg\na/2.jpg\n", b"1.png 3\n2\n"), mutate_text, read)


def report(folder: Path) -> Target:
    """The ``report.json`` of a run, compared with a good one, as tables and as a page."""
    from densevision.report.compare import compare, read_report, run_names
    from densevision.report.page import render_comparison
    from tests.faults.killing import run_here, write_data

    if not (folder / "run/report.json").is_file():
        write_data(folder)
        run_here(folder, ["train", "seg.py", "--work-dir", "run", "--quiet"])
    (folder / "x").mkdir(exist_ok=True)
    seed, runs = (folder / "run/report.json").read_bytes(), [folder / "run", folder / "x"]

    def read(content: bytes) -> None:
        (folder / "x/report.json").write_bytes(content)
        contents = [read_report(one) for one in runs]
        names = run_names(runs)
        render_comparison(names, contents, compare(contents))

    return Target((seed,), mutate_json, read)


def yolo_names(folder: Path) -> Target:
    """``data.yaml``, which names the classes and the folders."""
    from densevision.data.formats.yolo import class_names, load_yaml

    path = folder / "data.yaml"
    seeds = (
        b"names: [car, person]\ntrain: images\nval: images\nnc: 2\n",
        b"path: ..\nnames:\n  0: car\n  1: person\ntrain: [a, b]\n",
    )

    def read(content: bytes) -> None:
        path.write_bytes(content)
        load_yaml(path)
        class_names(path)

    return Target(seeds, mutate_text, read)


def tensorflow(folder: Path) -> Target:
    """The index of a TensorFlow checkpoint."""
    from densevision.weights.tensorflow_checkpoint import read_tensorflow_checkpoint
    from tests.weights.bundle import write_checkpoint

    variables = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b/c": np.ones(4, np.float32)}
    write_checkpoint(folder / "model.ckpt", variables)
    files = {path: path.read_bytes() for path in folder.glob("model.ckpt*")}
    index = next(path for path in files if path.suffix == ".index")

    def read(content: bytes) -> None:
        index.write_bytes(content)
        read_tensorflow_checkpoint(folder / "model.ckpt")

    return Target((files[index],), mutate_text, read)


def polygons(folder: Path) -> Target:
    """A COCO json with polygons and RLE, drawn as masks."""
    from densevision.segmentation.polygons import PolygonDataset
    from tests.faults.good import write_boxes

    write_boxes(folder)
    tree = json.loads((folder / "train.json").read_text())
    for number, note in enumerate(tree["annotations"]):
        left, top, width, height = note["bbox"]
        corners = [left, top, left + width, top, left + width, top + height + 1]
        note["segmentation"] = [corners] if number != 3 else dict(size=[20, 20], counts=[0, 400])

    def read(content: bytes) -> None:
        (folder / "x.json").write_bytes(content)
        dataset = PolygonDataset(str(folder), "x.json", "images")
        for index in range(len(dataset)):
            dataset[index]

    return Target((dumps(tree),), mutate_json, read)
