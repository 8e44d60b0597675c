"""Each fault of label files, planted once, with the finding it must give."""

import json

import numpy as np
import pytest
from PIL import Image

from densevision.cli.main import main
from tests.inspection.conftest import SIZE, brief, pixels


def write_mask(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(path)


def ids():
    mask = np.zeros(SIZE, np.uint8)
    mask[:20] = 1
    return mask


@pytest.fixture
def root(tmp_path):
    for split, seeds in {"train": range(4), "val": range(10, 12)}.items():
        for number, seed in enumerate(seeds):
            path = tmp_path / "images" / split / f"{number}.png"
            write_mask(path, pixels(seed))
            write_mask(tmp_path / "masks" / split / f"{number}.png", ids())
    (tmp_path / "mine.py").write_text(f"""
from mmengine.dataset import DefaultSampler
from densevision.data.sampler import SeededSampler
from densevision.segmentation.masks import MaskDataset

_data = dict(type=MaskDataset, data_root={str(tmp_path)!r}, classes=dict(ground=0, sky=1))
train_dataloader = dict(
    dataset=dict(_data, image_dir="images/train", label_dir="masks/train"), sampler=dict(type=SeededSampler))
val_dataloader = dict(
    dataset=dict(_data, image_dir="images/val", label_dir="masks/val"), sampler=dict(type=DefaultSampler))
""")
    return tmp_path


def check(root):
    status = main(["check", str(root / "mine.py"), "--json", str(root / "found.json")])
    return status, brief(json.loads((root / "found.json").read_text())["findings"])


def test_sound_masks_have_no_finding(root, capsys):
    assert check(root) == (0, [])
    # 20 of 48 rows are sky
    assert "train: 4 images, 12,288 pixels: ground 58 %, sky 42 %" in capsys.readouterr().out


def with_id(id_, rows):
    mask = ids()
    mask[:rows] = id_
    return mask


@pytest.mark.parametrize(
    ("mask", "status", "finding"),
    [
        (ids()[:24], 1, ("error", "train", "mask-size", 1, ["2.png"])),
        (with_id(9, 5), 0, ("warning", "train", "unknown-id", 5 * SIZE[1], ["2.png"])),
        (with_id(255, 5), 0, ("note", "train", "unknown-id", 5 * SIZE[1], ["2.png"])),
        (with_id(255, 48), 1, ("warning", "train", "no-labels", 1, ["2.png"])),
        (pixels(3), 1, ("error", "train", "mask-rgb", 1, ["2.png"])),
        (ids().astype(np.uint16) * 300, 1, ("error", "train", "mask-not-ids", 1, ["2.png"])),
    ],
)
def test_a_mask(root, mask, status, finding):
    write_mask(root / "masks" / "train" / "2.png", mask)
    found_status, findings = check(root)
    assert finding in findings and found_status == status


def test_a_damaged_mask_is_skipped_in_train_and_stops_in_val(root):
    (root / "masks" / "train" / "2.png").write_bytes(b"no image")
    assert check(root) == (0, [("warning", "train", "mask-unreadable", 1, ["2.png"])])
    (root / "masks" / "val" / "1.png").write_bytes(b"no image")
    status, findings = check(root)
    assert status == 1 and findings[0] == ("error", "val", "mask-unreadable", 1, ["1.png"])


def test_a_folder_is_checked_without_a_config(root, capsys):
    (root / "mine.py").unlink()
    write_mask(root / "masks" / "train" / "2.png", ids()[:24])
    assert main(["check", str(root)]) == 1
    printed = capsys.readouterr().out
    assert "1 label files have another size than their image" in printed and "Training would stop." in printed
