import contextlib
import io
import json

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from densevision.errors import UserError
from densevision.images import read_image
from densevision.scenes import CLASSES, render_scene, write_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_dataset(folder, train=2, val=1, video_seconds=0.2, seed=1)
    return folder


def test_files_are_in_the_folders_of_cityscapes(folder):
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == [
        "annotations/instances_train.json",
        "annotations/instances_val.json",
        "drive.mp4",
        "gtFine/train/street/street_000000_000019_gtFine_labelIds.png",
        "gtFine/train/street/street_000001_000019_gtFine_labelIds.png",
        "gtFine/val/street/street_000000_000019_gtFine_labelIds.png",
        "leftImg8bit/train/street/street_000000_000019_leftImg8bit.png",
        "leftImg8bit/train/street/street_000001_000019_leftImg8bit.png",
        "leftImg8bit/val/street/street_000000_000019_leftImg8bit.png",
    ]


def test_images_equal_the_rendered_scene_bit_for_bit(folder):
    scene = render_scene(10_000_001)  # seed 1 starts at ten million; this is its second training scene
    name = "train/street/street_000001_000019"
    assert (read_image(folder / f"leftImg8bit/{name}_leftImg8bit.png") == scene.image).all()
    labels = cv2.imread(str(folder / f"gtFine/{name}_gtFine_labelIds.png"), cv2.IMREAD_UNCHANGED)
    assert (labels == scene.label_ids).all()


@pytest.mark.reference
def test_pycocotools_reads_the_json_and_outlines_match_the_boxes(folder):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / "annotations/instances_train.json"))
    ids = [(category["name"], category["id"]) for category in coco.dataset["categories"]]
    assert ids == list(zip(CLASSES, (1, 3, 6, 10, 13), strict=True))
    assert len(coco.imgs) == 2 and 0 not in coco.anns
    for image in coco.imgs.values():
        assert read_image(folder / "leftImg8bit/train" / image["file_name"]).shape == (360, 640, 3)
    for annotation in coco.anns.values():
        rows, columns = np.nonzero(coco.annToMask(annotation))
        x, y, width, height = annotation["bbox"]
        assert x <= columns.min() and y <= rows.min()
        drawn = (columns.max() + 1 - columns.min()) * (rows.max() + 1 - rows.min())
        assert 0.6 < drawn / (width * height) <= 1  # a sliver of one pixel has no outline
        assert 0 < annotation["area"] <= width * height


def test_splits_do_not_share_scenes(folder):
    boxes = {}
    for split in ("train", "val"):
        table = json.loads((folder / f"annotations/instances_{split}.json").read_text())
        boxes[split] = {tuple(annotation["bbox"]) for annotation in table["annotations"]}
    assert boxes["train"] and boxes["val"] and not boxes["train"] & boxes["val"]


def test_video_has_its_frames_and_size(folder):
    video = cv2.VideoCapture(str(folder / "drive.mp4"))
    shapes = []
    while (frame := video.read())[0]:
        shapes.append(frame[1].shape)
    assert shapes == [(360, 640, 3)] * 5 and video.get(cv2.CAP_PROP_FPS) == 25


def test_folder_that_cannot_be_created_raises_an_error_that_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/below can't be created"):
        write_dataset(tmp_path / "file" / "below", train=1, val=1, video_seconds=0)
