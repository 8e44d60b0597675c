"""Whole configs for layouts written by hand; ``tests/cli/test_new.py`` starts from folders."""

import os
from pathlib import Path

import pytest
from PIL import Image

from densevision.config.load import load_config
from densevision.data.formats.layout import Layout
from densevision.proposal.create import Request, create_config, scratch_advice
from densevision.proposal.start import Start
from tests.five_formats import FORMATS

COCO = "densevision.detection.coco.CocoDataset"
MASKS = "densevision.segmentation.masks.MaskDataset"


def coco(root, name="data", parts=("train", "val")):
    FORMATS["coco"](root / name)
    shared = dict(data_root=str(root / name), image_dir="images", ann_file="annotations.json")
    return Layout("COCO json", "detection", COCO, shared, {part: {} for part in parts})


def palette(root, name="data"):
    FORMATS["palette_masks"](root / name)
    classes = {"background": 0, 'a "disc"': 1, "block\\2": 2}
    shared = dict(data_root=str(root / name), image_dir="images", label_dir="masks", classes=classes)
    return Layout("images and masks", "segmentation", MASKS, shared, {"all": {}}, ("a note",))


def create(layout, folder, **request):
    lines = []
    path = create_config(layout, Request("data", "mine", weights="none", **request), folder, lines.append)
    return load_config(path), lines


def test_a_divided_folder_stays_divided(tmp_path):
    config, lines = create(coco(tmp_path), tmp_path)
    assert not list(tmp_path.glob("*.txt")) and "image_list" not in config.train_dataloader.dataset
    assert "split     12 train, 12 val: as the folder divides them" in lines
    assert config.train_dataloader.batch_size == 12 and config.total_batch == 12
    assert config.optim_wrapper.optimizer.lr == 1.5e-3  # 2e-3 * 12 / 16


def test_masks_are_divided_and_listed(tmp_path):
    config, lines = create(palette(tmp_path), tmp_path)
    train, val = ((tmp_path / f"mine_{part}.txt").read_text().splitlines() for part in ("train", "val"))
    assert sorted(train + val) == [f"photo {number:02}.png" for number in range(12)] and len(val) == 2
    assert config.train_dataloader.dataset.image_list == str(tmp_path / "mine_train.txt")
    assert config.val_dataloader.dataset.classes == {"background": 0, 'a "disc"': 1, "block\\2": 2}
    assert "  a note" in lines and any(line.startswith("balance") for line in lines)


def test_any_folder_name_makes_a_config_that_loads(tmp_path):
    name = "it's \"q\" \\ {x} é '''"
    config, _ = create(coco(tmp_path, name), tmp_path)
    assert config.train_dataloader.dataset.data_root == str(tmp_path / name)


def test_a_test_part_without_labels_is_left_out_and_named(tmp_path):
    layout = palette(tmp_path)
    (tmp_path / "data" / "empty").mkdir()
    parts = {"train": {}, "val": {}, "test": dict(label_dir="empty")}
    layout = Layout(layout.name, layout.task, MASKS, layout.shared, parts)
    config, lines = create(layout, tmp_path)
    assert config.test_dataloader.dataset.label_dir == "masks"
    assert any("the test images are not used" in line for line in lines)


def test_images_of_several_sizes_are_evaluated_one_by_one(tmp_path):
    layout = palette(tmp_path)
    assert create(layout, tmp_path)[0].val_dataloader.batch_size == 2
    for folder in ("images", "masks"):
        path = tmp_path / "data" / folder / "photo 00.png"
        Image.open(path).crop((0, 0, 100, 90)).save(path)
    config = load_config(create_config(layout, Request("data", "other", weights="none"), tmp_path, print))
    assert config.val_dataloader.batch_size == 1


def test_keys_of_val_do_not_reach_the_test_part(tmp_path):
    layout = palette(tmp_path)
    layout = Layout(layout.name, layout.task, MASKS, layout.shared, {"train": {}, "test": {}})
    config, _ = create(layout, tmp_path)
    assert config.val_dataloader.dataset.image_list.endswith("mine_val.txt")
    assert config.test_dataloader.dataset.image_list is None


def test_from_scratch_it_says_what_to_expect_and_the_command_for_later():
    later = Start(None, "no network", later="torchvision:mobilenet_v3_large")
    few, command = scratch_advice(later, 60, Request("my data", "mine", target="accurate"))
    assert few.startswith("expect    little") and "60 are few for a training from scratch" in few
    assert command.endswith(
        "densevision new 'my data' --name mine_pretrained --weights torchvision:mobilenet_v3_large --target accurate"
    )
    assert scratch_advice(Start(Path("w.pth"), ""), 60, Request("d", "m")) == []
    assert scratch_advice(Start(None, "--weights none"), 5000, Request("d", "m")) == []


REAL = Path(os.environ.get("DENSEVISION_DATA", "."))


@pytest.mark.skipif(not (REAL / "bccd").is_dir(), reason="DENSEVISION_DATA has no bccd")
def test_bccd_gets_the_shipped_recipe(tmp_path):
    parts = {part: dict(ann_file=f"annotations/instances_{part}.json", image_dir=part) for part in ("train", "val")}
    layout = Layout("COCO json", "detection", COCO, dict(data_root=str(REAL / "bccd")), parts)
    config, _ = create(layout, tmp_path)
    shipped = load_config("ssdlite_v3_small_reduced_bccd")
    assert config.model.input_size == (320, 320) and config.model.backbone == shipped.model.backbone
    assert config.model.anchors.lowest == shipped.model.anchors.lowest == 0.075
    assert config.model.anchors.scales[0] == shipped.model.anchors.scales[0] == 0.18
    for key in ("train_cfg", "optim_wrapper", "param_scheduler", "default_hooks"):
        assert config[key] == shipped[key], key
    kinds = [{t["type"].__name__ for t in c.train_dataloader.dataset.transforms} for c in (config, shipped)]
    assert kinds[0] == kinds[1] and config.train_dataloader.batch_size == shipped.train_dataloader.batch_size


@pytest.mark.skipif(not (REAL / "camvid").is_dir(), reason="DENSEVISION_DATA has no camvid")
def test_camvid_gets_the_shipped_recipe(tmp_path):
    shipped = load_config("lraspp_v3_small_camvid")
    given = shipped.train_dataloader.dataset
    shared = dict(data_root=str(REAL / "camvid"), image_suffix=given.image_suffix, classes=list(given.classes))
    dataset = "densevision.segmentation.cityscapes.CityscapesDataset"
    layout = Layout(
        "Cityscapes", "segmentation", dataset, shared, {part: dict(split=part) for part in ("train", "val")}
    )
    config, _ = create(layout, tmp_path)
    for key in ("model", "train_cfg", "optim_wrapper", "param_scheduler", "default_hooks", "custom_hooks"):
        assert config[key] == shipped[key], key
    assert [dict(p=0.5) | t for t in config.train_dataloader.dataset.transforms] == [
        dict(p=0.5) | t for t in given.transforms
    ]
    assert config.train_dataloader.batch_size == shipped.train_dataloader.batch_size
