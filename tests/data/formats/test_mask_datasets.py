"""The folders of published segmentation data sets."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from densevision.data.formats.mask_datasets import (
    _CITYSCAPES,
    SEGMENTATION_FORMATS,
    recognize_ade20k,
    recognize_camvid,
    recognize_cityscapes,
    recognize_voc_masks,
)
from densevision.data.formats.mask_folders import recognize_mask_folders
from densevision.segmentation.labels import CITYSCAPES_LABELS
from tests.data.formats.mask_trees import PALETTE, write_image, write_mask, write_pairs
from tests.data.formats.test_mask_folders import read


def first_of(root):
    """Return the name of the first format that recognizes a folder."""
    return next(layout.name for recognize in SEGMENTATION_FORMATS if (layout := recognize(root)))


def test_voc(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    write_pairs(root, "JPEGImages", "SegmentationClass", 0, 1, 3, 255, palette=PALETTE + [224] * 756, count=3)
    write_image(root / "JPEGImages/only_boxes.jpg")
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("street_0\nstreet_1\n")
    (lists / "val.txt").write_text("street_2\n")
    (lists / "trainval.txt").write_text("street_0\nstreet_1\nstreet_2\n")
    layout = recognize_voc_masks(tmp_path)
    assert layout.shared["classes"]["aeroplane"] == 1 and len(layout.shared["classes"]) == 21
    assert {part: len(read(layout, part)) for part in layout.parts} == {"train": 2, "val": 1}
    assert np.bincount(read(layout).read_labels(0).ravel(), minlength=256)[[0, 1, 3, 255]].tolist() == [16] * 4
    assert first_of(tmp_path) == "Pascal VOC masks"


def test_masks_of_cvat(tmp_path):
    """CVAT's "Segmentation mask": VOC's folders, colors, labelmap.txt, and one list."""
    write_pairs(tmp_path, "JPEGImages", "SegmentationClass", (0, 0, 0), (250, 50, 83))
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\n")
    (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/default.txt").write_text("street_0\n")
    layout = recognize_voc_masks(tmp_path)
    assert layout.shared["colors"] == {"background": (0, 0, 0), "cat": (250, 50, 83)}
    assert list(layout.parts) == ["all"] and len(read(layout)) == 4


def test_ade20k(tmp_path):
    root = tmp_path / "ADEChallengeData2016"
    write_pairs(root, "images/training", "annotations/training", 0, 1, 2, 150)
    write_pairs(root, "images/validation", "annotations/validation", 0, 1, count=1)
    rows = [f"{i}\t0.1\t1\t1\t1\tname {i}, other" for i in range(1, 149)]
    rows += ["149\t0.1\t1\t1\t1\tscreen, big", "150\t0.1\t1\t1\t1\tscreen, small"]
    (root / "objectInfo150.txt").write_text("\n".join(["Idx\tRatio\tTrain\tVal\tStuff\tName", *rows]) + "\n")
    layout = recognize_ade20k(root)
    classes = layout.shared["classes"]
    assert len(classes) == 150 and classes["name 1"] == 1 and classes["screen, small"] == 150
    assert any("ignored: void" in note for note in layout.notes)
    assert np.bincount(read(layout).read_labels(0).ravel(), minlength=256)[[255, 0, 1, 149]].tolist() == [16] * 4
    assert list(layout.parts) == ["train", "val"] and first_of(root) == "ADE20K"
    (root / "objectInfo150.txt").unlink()
    assert recognize_ade20k(root).shared["classes"]["class_150"] == 150


def test_camvid_of_segnet(tmp_path):
    for part in ("train", "val", "test"):
        write_pairs(tmp_path, part, f"{part}annot", 0, 3, 8, 11, ends=(".png", ".png"), count=2)
        (tmp_path / f"{part}.txt").write_text(
            f"/SegNet/CamVid/{part}/street_0.png /SegNet/CamVid/{part}annot/street_0.png"
        )
    layout = recognize_camvid(tmp_path)
    assert list(layout.parts) == ["train", "val", "test"]
    assert layout.shared["classes"]["bicyclist"] == 10 and 11 not in layout.shared["classes"].values()
    assert np.bincount(read(layout).read_labels(0).ravel(), minlength=256)[[0, 3, 8, 255]].tolist() == [16] * 4


def test_camvid_as_published(tmp_path):
    write_pairs(
        tmp_path, "701_StillsRaw_full", "LabeledApproved_full", (0, 0, 0), (128, 64, 128), ends=(".png", "_L.png")
    )
    (tmp_path / "label_colors.txt").write_text("0 0 0\tVoid\n128 64 128\t\tRoad\n64 128 64\tAnimal\n")
    layout = recognize_camvid(tmp_path)
    assert layout.shared["classes"] == ["Road", "Animal"] and layout.shared["may_lack"] == ["Animal"]
    assert layout.parts["all"]["label_suffix"] == "_L.png"


def test_cityscapes_with_few_classes_and_own_ids(tmp_path):
    for part in ("train", "val"):
        write_image(tmp_path / f"leftImg8bit/{part}/a/x_leftImg8bit.png")
        write_mask(tmp_path / f"gtFine/{part}/a/x_gtFine_labelIds.png", 0, 7, 23, 26)
        write_mask(tmp_path / f"gtFine/{part}/a/x_gtFine_color.png", (0, 0, 0), (128, 64, 128))
    layout = recognize_cityscapes(tmp_path)
    assert layout.shared["classes"] == ["road", "sky", "car"]
    assert layout.parts == {"train": dict(split="train"), "val": dict(split="val")}
    assert len(read(layout)) == 1 and first_of(tmp_path) == "Cityscapes"
    for part in ("train", "val"):
        write_mask(tmp_path / f"gtFine/{part}/a/x_gtFine_labelIds.png", 0, 255)
    assert read(recognize_cityscapes(tmp_path)).metainfo["label_ids"] == [0, 255]


def test_classes_of_cityscapes_are_those_of_its_table():
    assert {label.name: label.id for label in CITYSCAPES_LABELS if 0 <= label.train_id < 255} == _CITYSCAPES


@pytest.mark.skipif("DENSEVISION_DATA" not in os.environ, reason="DENSEVISION_DATA is not set")
def test_real_camvid_as_a_palette_folder_has_the_same_labels(tmp_path):
    tree = read(recognize_cityscapes(Path(os.environ["DENSEVISION_DATA"]) / "camvid"), "val")
    names = [Path(path).name for path in tree.images]
    indices = [index for index in range(len(names)) if index % 40 == 0]
    for index in indices:
        labels = tree.read_labels(index)
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / names[index]).symlink_to(tree.images[index])
        image = Image.fromarray(labels)
        image.putpalette([channel for color in tree.metainfo["palette"] for channel in color] + [0] * 735)  # 256 colors
        (tmp_path / "masks").mkdir(exist_ok=True)
        image.save(tmp_path / "masks" / names[index].replace("_leftImg8bit.jpg", "_mask.png"))
    (tmp_path / "classes.txt").write_text("\n".join(tree.metainfo["classes"]))
    data = read(recognize_mask_folders(tmp_path))
    assert data.metainfo["classes"] == tree.metainfo["classes"]
    for row, index in enumerate(indices):
        assert (data.read_labels(row) == tree.read_labels(index)).all()
