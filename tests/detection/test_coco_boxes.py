import json
import os
from pathlib import Path

import numpy as np
import pytest

from densevision.detection.coco import CocoDataset
from densevision.detection.coco_boxes import BOX_FORMATS, overhang, suspect_format, to_xywh
from densevision.detection.coco_json import read_coco
from densevision.errors import UserError

SIZE = np.array([[40, 80]])  # (height, width)
BOX = {  # the same box in every format
    "xywh": [10, 20, 40, 10],
    "xyxy": [10, 20, 50, 30],
    "cxcywh": [30, 25, 40, 10],
    "relative_xywh": [0.125, 0.5, 0.5, 0.25],
    "relative_xyxy": [0.125, 0.5, 0.625, 0.75],
    "relative_cxcywh": [0.375, 0.625, 0.5, 0.25],
    "percent_xywh": [12.5, 50, 50, 25],
    "percent_xyxy": [12.5, 50, 62.5, 75],
    "percent_cxcywh": [37.5, 62.5, 50, 25],
}


@pytest.mark.parametrize("box_format", BOX_FORMATS)
def test_conversion_from_every_format(box_format):
    assert to_xywh(np.array([BOX[box_format]], float), box_format, SIZE).tolist() == [BOX["xywh"]]


def test_overhang_is_that_of_the_worst_side():
    boxes = np.array([[10, 20, 40, 10], [-3, 20, 40, 10], [70, 38, 15, 9], [0, 0, 80, 40]], float)
    assert overhang(boxes, SIZE.repeat(4, 0)).tolist() == [0, 3, 7, 0]


def sample_boxes(count, low=0.05, high=0.4, seed=0):
    """Sample valid boxes in images of 480x640: anywhere inside, with sides of ``low`` to ``high`` of the image's."""
    random = np.random.default_rng(seed)
    extent = random.uniform(low, high, (count, 2)) * (640, 480)
    corner = random.uniform(0, 1, (count, 2)) * ((640, 480) - extent)
    return np.concatenate([corner, extent], axis=1), np.array([[480, 640]]).repeat(count, 0)


def written_as(boxes, sizes, box_format):
    scale = sizes[:, [1, 0, 1, 0]]
    corner, extent = boxes[:, :2], boxes[:, 2:]
    unit, _, layout = box_format.rpartition("_")
    first = corner + extent / 2 if layout == "cxcywh" else corner
    second = corner + extent if layout == "xyxy" else extent
    written = np.concatenate([first, second], axis=1)
    return written / scale * dict(relative=1, percent=100)[unit] if unit else written


@pytest.mark.parametrize("box_format", BOX_FORMATS[1:])
@pytest.mark.parametrize(("low", "high"), [(0.05, 0.4), (0.02, 0.06), (0.5, 0.95)])
def test_other_formats_are_recognized(box_format, low, high):
    boxes, sizes = sample_boxes(300, low, high)
    found = suspect_format(written_as(boxes, sizes, box_format), sizes)
    assert found is not None and found[0] == box_format


def amodal(boxes, sizes, share=0.1):
    """Extend some boxes beyond the edge of the image, as for whole people who are only half in it."""
    boxes = boxes.copy()
    chosen = np.random.default_rng(1).random(len(boxes)) < share
    left = chosen & (np.arange(len(boxes)) % 2 == 0)
    right = chosen & ~left
    boxes[left, 0] = -0.4 * boxes[left, 2]
    boxes[right, 0] = sizes[right, 1] - 0.6 * boxes[right, 2]
    return boxes


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [1, 2, 3, 10, 300])
@pytest.mark.parametrize(("low", "high"), [(0.05, 0.4), (0.005, 0.03), (0.5, 0.95), (0.95, 1.0)])
def test_valid_boxes_are_not_suspected(count, low, high, seed):
    boxes, sizes = sample_boxes(count, low, high, seed)
    jitter = np.random.default_rng(seed).normal(0, 2, boxes.shape)
    for valid in (boxes, boxes + jitter, boxes.round(), amodal(boxes, sizes) if count >= 10 else boxes):
        assert suspect_format(valid, sizes) is None


def test_boxes_that_fill_their_images_are_not_suspected():
    whole = np.array([[0, 0, 640, 480], [1, 1, 640, 480], [0, 0, 641, 481], [-2, -2, 644, 484]], float)
    for count in range(1, 5):
        assert suspect_format(whole[:count], np.array([[480, 640]]).repeat(count, 0)) is None


@pytest.mark.parametrize(
    "path",
    [
        "bccd/annotations/instances_train.json",
        "bccd/annotations/instances_val.json",
        "coco128/annotations/instances_train2017.json",
    ],
)
def test_boxes_of_real_data_sets_are_not_suspected(path):
    path = Path(os.environ.get("DENSEVISION_DATA", ""), path)
    if not path.is_file():
        pytest.skip(f"no {path}")
    table = read_coco(path)
    sizes = table.sizes[table.image_rows]
    assert suspect_format(table.boxes, sizes) is None
    for box_format in BOX_FORMATS[1:]:
        assert suspect_format(written_as(table.boxes, sizes, box_format), sizes)[0] == box_format


def rewrite(root, box_format):
    path = root / "truth.json"
    table = json.loads(path.read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in table["images"]}
    for annotation in table["annotations"]:
        box, size = np.array([annotation["bbox"]], float), np.array([sizes[annotation["image_id"]]])
        annotation["bbox"] = written_as(box, size, box_format)[0].tolist()
    path.write_text(json.dumps(table))


@pytest.mark.parametrize("box_format", ["xyxy", *BOX_FORMATS[3:6]])
@pytest.mark.parametrize("unsized", [False, True])
def test_suggested_option_reads_the_boxes(coco_root, box_format, unsized):
    options = ("truth.json", "images", (20, 40))
    plain = CocoDataset(str(coco_root), *options)
    rewrite(coco_root, box_format)
    if unsized:  # then the sizes are read from the image files
        table = json.loads((coco_root / "truth.json").read_text())
        table["images"] = [dict(id=image["id"], file_name=image["file_name"]) for image in table["images"]]
        (coco_root / "truth.json").write_text(json.dumps(table))
    with pytest.raises(UserError, match="box_format='(relative_)?x") as caught:
        CocoDataset(str(coco_root), *options)
    assert box_format in str(caught.value) and "\n" not in str(caught.value)
    read = CocoDataset(str(coco_root), *options, box_format=box_format)
    assert read.boxes == pytest.approx(plain.boxes) and (read.labels == plain.labels).all()
    assert len(CocoDataset(str(coco_root), *options, box_format="xywh")) == 3  # no check if the format is set


def test_unknown_format_raises_an_error(coco_root):
    with pytest.raises(UserError, match="box_format='yxyx' in the config; it must be one of None, xywh"):
        CocoDataset(str(coco_root), "truth.json", "images", (20, 40), box_format="yxyx")


@pytest.mark.parametrize(("share", "size"), [(0.6, (480, 640)), (1, (480, 640)), (1, (200, 640))])
def test_small_boxes_at_the_corner_of_large_images_are_not_percent(share, size):
    boxes = sample_boxes(300)[0] / (640, 480, 640, 480) * 100 * share + (
        0 if share == 0.6 or size[0] == 200 else (20, 0, 0, 0)
    )
    assert suspect_format(boxes, np.array([size]).repeat(300, 0)) is None


def test_mask_of_another_size_than_its_image_raises_an_error(coco_root):
    table = json.loads((coco_root / "truth.json").read_text())
    table["annotations"][0].update(bbox=None, segmentation=dict(size=[20, 40], counts=[100, 50, 650]))
    (coco_root / "truth.json").write_text(json.dumps(table))
    with pytest.raises(UserError, match=r"annotation 0 has a mask of .* \[20, 40\], and its image is \[40, 80\]"):
        read_coco(coco_root / "truth.json")


def test_malformed_outline_is_counted(coco_root):
    table = json.loads((coco_root / "truth.json").read_text())
    table["annotations"][0].update(bbox=[], segmentation=[[1, 2, 3, 4, 5]])
    table["annotations"][1].update(bbox=[], segmentation=[])
    (coco_root / "truth.json").write_text(json.dumps(table))
    skipped = read_coco(coco_root / "truth.json").skipped
    assert skipped == {"without a box": 1, "whose outline is empty or malformed": 1}


def test_box_format_with_mostly_negative_sizes_raises_an_error(coco_root):
    with pytest.raises(UserError, match="json: 4 of 5 boxes have a negative size .*box_format='xyxy'.*remove it"):
        table = json.loads((coco_root / "truth.json").read_text())
        for annotation in table["annotations"]:
            annotation["bbox"] = [30, 10, 10, 20] if annotation["id"] else [10, 5, 40, 20]
        (coco_root / "truth.json").write_text(json.dumps(table))
        CocoDataset(str(coco_root), "truth.json", "images", (20, 40), box_format="xyxy")
