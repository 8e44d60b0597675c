"""Each config of Tables 6 to 8 takes two steps, is evaluated and exported, on made-up images in its data's format."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from densevision.cli.main import main
from densevision.config.find import shipped_configs
from densevision.config.load import load_config

COCO_IDS = [1, 2, 3, 90]  # as COCO's, not in one run
NOT_EXPORTED = ("espnet_v2_cityscapes_testsplit",)  # its pools take operators that phones lack, docs/paper.md
CITYSCAPES_IDS = list(range(34))


def write_image(path: Path, size, generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = generator.integers(0, 256, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(noise, size[::-1]))


def write_coco(root: Path, images: int = 4) -> None:
    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        listed, annotations = [], []
        for number in range(images):
            name = f"{number:012}.jpg"
            write_image(root / f"{split}2017" / name, (240, 320), generator)
            listed.append(dict(id=number + 1, file_name=name, width=320, height=240))
            for kind in COCO_IDS:
                box = [*map(float, generator.integers(0, 120, 2)), *map(float, generator.integers(40, 110, 2))]
                annotations.append(
                    dict(id=len(annotations) + 1, image_id=number + 1, category_id=kind, bbox=box, iscrowd=0)
                    | dict(area=box[2] * box[3])
                )
        content = dict(images=listed, annotations=annotations)
        content["categories"] = [dict(id=kind, name=f"class {kind}") for kind in COCO_IDS]
        path = root / "annotations" / f"instances_{split}2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


def write_cityscapes(root: Path, images: int = 2) -> None:
    generator = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for number in range(images):
            stem = f"bern_{number:06}_000019"
            write_image(root / "leftImg8bit" / split / "bern" / f"{stem}_leftImg8bit.png", (256, 512), generator)
            labels = generator.choice(CITYSCAPES_IDS, (16, 32)).astype(np.uint8)
            path = root / "gtFine" / split / "bern" / f"{stem}_gtFine_labelIds.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), labels.repeat(16, 0).repeat(16, 1))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A DENSEVISION_DATA folder with both data sets."""
    root = tmp_path_factory.mktemp("data")
    write_coco(root / "coco")
    write_cityscapes(root / "cityscapes")
    return root


GRID = [name for name, path in shipped_configs().items() if "\npaper = dict(table=" in path.read_text()]


@pytest.mark.slow
def test_the_grid_is_complete():
    rows = {(row["table"], row["row"]) for row in (load_config(name).paper for name in GRID)}
    assert len(rows) == len(GRID) == 11 + 11 + 7


@pytest.mark.slow
@pytest.mark.parametrize("name", GRID)
def test_a_config_trains_is_evaluated_and_exported(name, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DENSEVISION_DATA", str(data))
    work_dir, file = tmp_path / "run", tmp_path / "model.tflite"
    settings = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "train_dataloader.batch_size=2"]
    workers = [f"{split}_dataloader.num_workers=0" for split in ("train", "val")]
    assert main(["train", name, "--work-dir", str(work_dir), "--cfg-options", *settings, *workers]) == 0
    printed = capsys.readouterr().out
    assert "iter 2/2  loss" in printed and "iter 2/2  evaluation: " in printed and "not finite" not in printed
    status = main(["export", name, str(work_dir / "iter_2.pth"), "--out", str(file)])
    captured = capsys.readouterr()
    if name in NOT_EXPORTED:
        assert status == 2 and "which phones refuse" in captured.err and not file.exists()
        return
    assert status == 0, captured.err
    assert f"wrote {file}: " in captured.out and file.stat().st_size > 100_000
