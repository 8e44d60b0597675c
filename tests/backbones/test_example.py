"""Run the examples of docs/backbones.md and the user-defined table of docs/paper.md."""

import re
import sys
from pathlib import Path

import pytest
import torch

from densevision.backbones import BACKBONES, Tap, build_backbone
from densevision.cli.main import main
from tests.detection.conftest import write_coco

ROOT = Path(__file__).parents[2]


def examples(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """Write the documented module to a folder on the import path."""
    (tmp_path / "my_backbones.py").write_text(examples("backbones.md")[0])
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    BACKBONES.pop("tiny", None)
    sys.modules.pop("my_backbones", None)


def test_documented_backbone_trains(own_module):
    torch.manual_seed(0)
    names = {}
    exec(examples("backbones.md")[2], names)
    assert names["losses"][-1] < 0.8 * names["losses"][0]


def test_documented_config_trains(own_module, monkeypatch):
    monkeypatch.setenv("DENSEVISION_DATA", str(write_coco(own_module / "data")))
    config = own_module / "tiny.py"
    config.write_text(examples("backbones.md")[1])
    options = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "train_dataloader.batch_size=2"]
    for loader in ("train_dataloader", "val_dataloader"):
        options += [
            f"{loader}.dataset.data_root=.",
            f"{loader}.dataset.ann_file=truth.json",
            f"{loader}.dataset.image_dir=images",
            f"{loader}.num_workers=0",
        ]
    assert main(["train", str(config), "--work-dir", str(own_module / "run"), "--cfg-options", *options]) == 0
    weights = torch.load(own_module / "run" / "iter_2.pth", weights_only=True)["state_dict"]
    assert weights["backbone.blocks.3.expansion.0.weight"].shape == (240, 40, 1, 1)


def test_documented_combination_of_ablations_builds():
    try:
        exec(examples("paper.md")[0], {})
        assert build_backbone("bare").taps["c5"] == Tap(1280, 32)
    finally:
        BACKBONES.pop("bare", None)
