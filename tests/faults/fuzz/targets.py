"""What is fuzzed: each reader of files, with good files to damage and the exceptions that it documents."""

from __future__ import annotations

import copy
import functools
import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch

from densevision.errors import UserError
from tests.faults.fuzz.mutate import (
    ODD,
    dumps,
    mutate_bytes,
    mutate_json,
    mutate_png,
    mutate_text,
    mutate_tree,
    mutate_zip,
)


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        seeds: contents of good files.
        mutate: damages one of them.
        read: reads a content; it writes it to a file first.
        documented: exceptions that the reader documents.
    """

    seeds: tuple[bytes, ...]
    mutate: Callable[[bytes, Random], bytes]
    read: Callable[[bytes], object]
    documented: tuple[type[BaseException], ...] = (UserError,)

    def case(self, draw: Random) -> bytes:
        return self.mutate(draw.choice(self.seeds), draw)

    def run(self, content: bytes) -> bool:
        """Read a content; return whether it was accepted. What is not documented is raised."""
        try:
            self.read(content)
        except self.documented:
            return False
        return True


def options(folder: Path) -> Target:
    """``--cfg-options`` applied to a config."""
    from densevision.checkpoints.config import as_config
    from densevision.config.load import load_config

    config = load_config(_good(folder) / "det.py")
    seeds = (
        b"model.input_size=(64,96)",
        b"optim_wrapper.optimizer=dict(type='SGD',lr=0.1,momentum=0.9)",
        b"param_scheduler.0.end=3",
        b"custom_hooks=[dict(type='EMAHook')]",
        b"train_dataloader.dataset.transforms={'a':[1,2.5,None,True]}",
        b"model.backbone.name=mobilenet_v3_large",
    )
    return Target(seeds, mutate_text, lambda content: as_config(config, [content.decode("utf-8", "replace")]))


def config_in_checkpoint(folder: Path) -> Target:
    """The config in a checkpoint."""
    from densevision.checkpoints.config import stored_config
    from densevision.config.load import load_config
    from densevision.config.stored import to_plain

    seeds = tuple(dumps(to_plain(load_config(_good(folder) / f"{name}.py"))) for name in ("det", "seg"))

    def read(content: bytes) -> None:
        try:
            tree = json.loads(content)
        except ValueError:  # only a guided case is no JSON
            return
        stored_config(dict(meta=dict(stored_config=dict(name="a.py", content=tree))), "a.pth")

    return Target(seeds, lambda data, draw: dumps(mutate_tree(json.loads(data), draw)), read)


def checkpoint(folder: Path) -> Target:
    """A checkpoint: read, compared with a model, searched for NaN, and asked for its threshold and config."""
    from densevision.checkpoints.config import checkpoint_config
    from densevision.checkpoints.reading import check_finite, check_weights, read_checkpoint, stored_threshold
    from densevision.config.load import load_config
    from densevision.config.stored import to_plain

    parts = dict(backbone=torch.nn.Conv2d(1, 1, 1), extra=torch.nn.BatchNorm2d(1), head=torch.nn.Linear(1, 1))
    model = torch.nn.ModuleDict(parts)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model.head(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    content = dict(to_plain(load_config(_good(folder) / "det.py")))
    content = {name: content[name] for name in ("model", "test_dataloader", "default_scope") if name in content}
    good = dict(
        state_dict=model.state_dict(),
        ema_state_dict={f"module.{name}": value for name, value in model.state_dict().items()},
        optimizer=optimizer.state_dict(),
        param_schedulers=[dict(last_step=2, base_values=[0.1])],
        message_hub=dict(log_scalars={"train/loss": [[1.0], [1]]}, runtime_info=dict(best_score=0.5), resumed_keys={}),
        meta=dict(
            iter=2, epoch=0, draws=4, score_threshold=0.4, stored_config=dict(name="det.py", content=content),
            dataset_meta=dict(classes=["dog", "cat"], palette=[[1, 2, 3], [4, 5, 6]]), settings={"head.in_features": 1},
            made_from=dict(settings={"a": 1}),
        ),
    )  # fmt: skip
    odd = (
        *(*ODD, torch.zeros(2, 2), torch.tensor(float("nan")), torch.zeros(2).to_sparse(), torch.empty(0)),
        *(torch.zeros(size, dtype=kind) for kind in (torch.int64, torch.complex64, torch.float16) for size in (2, 4)),
    )
    seed, path = _saved(good), folder / "x.pth"

    def mutate(data: bytes, draw: Random) -> bytes:
        if draw.random() < 0.5:
            return _saved(mutate_tree(copy.deepcopy(good), draw, odd))
        return mutate_zip(data, draw, lambda name, member, inner: mutate_bytes(member, inner))

    def read(content: bytes) -> None:
        path.write_bytes(content)
        found = read_checkpoint(path)
        stored_threshold(path)
        check_weights(model, found, path)
        check_finite(model, found, path)
        checkpoint_config(path, only_model=True)

    return Target((seed,), mutate, read)


def tflite(folder: Path) -> Target:
    """A ``.tflite``: its metadata, compared with its graph, which stays as it is."""
    from densevision.inference.metadata import read_model_info
    from densevision.inference.tflite_backend import load_tflite

    path = folder / "x.tflite"
    seed = (_good(folder) / "seg.tflite").read_bytes()
    graph = seed.index(b"PK\x03\x04")  # its bytes

    def mutate(data: bytes, draw: Random) -> bytes:
        change = lambda name, member, inner: (mutate_json if name.endswith("json") else mutate_text)(member, inner)  # noqa: E731
        return data[:graph] + mutate_zip(data, draw, change)[graph:]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        read_model_info(path)
        load_tflite(path)

    return Target((seed,), mutate, read)


def tflite_bytes(folder: Path) -> Target:
    """A ``.tflite`` whose metadata alone are read; the graph may be anything."""
    from densevision.inference.metadata import read_model_info

    path = folder / "y.tflite"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        read_model_info(path)

    return Target(((_good(folder) / "seg.tflite").read_bytes(),), mutate_bytes, read)


def coco(folder: Path) -> Target:
    """A COCO json as data set, with its counts and its ground truth for the metric."""
    from densevision.detection.coco import CocoDataset

    root = _good(folder) / "boxes"
    tree = json.loads((root / "train.json").read_text())
    tree["annotations"][0]["segmentation"] = [[10, 5, 50, 5, 50, 25]]
    tree["annotations"][3]["segmentation"] = dict(size=[20, 20], counts=[0, 400])

    def read(content: bytes) -> None:
        (root / "x.json").write_bytes(content)
        dataset = CocoDataset(data_root=str(root), ann_file="x.json", image_dir="images", input_size=(64, 64))
        dataset.count()
        dataset[0]

    return Target((dumps(tree),), mutate_json, read)


def label_format(name: str, folder: Path) -> Target:
    """The files of a labeling tool, one damaged: as a config names them; one of eight as ``new`` finds them."""
    from densevision.data.formats.recognize import recognize
    from densevision.detection.coco import CocoDataset
    from tests.data.formats import box_trees

    root = folder / name
    box_trees.FORMATS[name](root)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix not in (".jpg", ".png")]
    contents = {path: path.read_bytes() for path in files}
    seeds = tuple(f"{index}\n".encode() + content for index, content in enumerate(contents.values()))
    layout = recognize(root)
    named = {**layout.shared, **layout.parts["all"]}

    def mutate(data: bytes, draw: Random) -> bytes:
        index, _, content = data.partition(b"\n")
        change = (
            mutate_json if content[:1] in b"[{" and files[int(index)].suffix == ".json" and content else mutate_text
        )
        return index + b"\n" + change(content, draw)

    def read(data: bytes) -> None:
        index, _, content = data.partition(b"\n")
        path = files[int(index) % len(files) if index.isdigit() else 0]
        path.write_bytes(content)
        try:
            found = zlib.crc32(data) % 8 == 0
            dataset = box_trees.read(root) if found else CocoDataset(**named, input_size=(48, 64))
            dataset.count()
        finally:
            path.write_bytes(contents[path])

    return Target(seeds, mutate, read)


def image(folder: Path) -> Target:
    """An image: its header and its pixels."""
    from densevision.images import read_header, read_image

    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    seeds = tuple(_encoded(pixels, kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"))
    path = folder / "x.img"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            read_header(path)
        finally:
            read_image(path)

    return Target((*seeds, seeds[0], seeds[1]), mutate_png, read, (UserError, OSError))


def mask(folder: Path) -> Target:
    """A mask: its header, its ids and its colors."""
    from densevision.data.label_files import read_label_colors, read_label_header, read_label_ids

    ids = np.random.default_rng(0).integers(0, 3, (24, 32), np.uint8)
    seeds = (_encoded(ids, "PNG"), _encoded(np.stack([ids] * 3, 2), "PNG"), _encoded(ids.astype(np.uint16), "PNG"))
    seeds += _palette(ids), _encoded(ids, "TIFF"), _encoded(ids, "BMP")
    path, readers = folder / "x.png", (read_label_header, read_label_ids, read_label_colors)

    def read(content: bytes) -> None:
        path.write_bytes(content)
        fault = None
        for reader in readers:
            try:
                reader(path)
            except (UserError, OSError) as error:
                fault = error
        if fault is not None:
            raise fault

    return Target(seeds, mutate_png, read, (UserError, OSError))


def _saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _encoded(pixels: np.ndarray, kind: str) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def _palette(ids: np.ndarray) -> bytes:
    from PIL import Image

    file, image = io.BytesIO(), Image.fromarray(ids, "P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(file, "PNG")
    return file.getvalue()


@functools.cache
def _good(folder: Path) -> Path:
    """Write data, configs and a .tflite below a folder, once."""
    from tests.faults.good import DETECTOR, SEGMENTOR, write_boxes, write_masks, write_tflite

    place = folder / "good"
    write_boxes(place / "boxes")
    write_masks(place / "masks")
    (place / "det.py").write_text(DETECTOR)
    (place / "seg.py").write_text(SEGMENTOR)
    write_tflite(place / "seg.tflite")
    return place
