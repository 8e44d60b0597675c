import json

import numpy as np
import pytest
import torch
from albumentations import HorizontalFlip

from densevision.data.sampler import SampleKey
from densevision.detection.coco import CocoDataset
from densevision.errors import UserError


def dataset(root, **options):
    return CocoDataset(
        **(dict(data_root=str(root), ann_file="truth.json", image_dir="images", input_size=(20, 40)) | options)
    )


def test_default_classes_are_sorted_by_category_id(coco_root):
    data = dataset(coco_root)
    assert data.metainfo["classes"] == ("cat", "dog") and data.metainfo["category_ids"] == (2, 30)
    assert len(data) == 3


def test_class_names_select_and_order_categories(coco_root):
    data = dataset(coco_root, classes=["dog"])
    assert data.metainfo["category_ids"] == (30,)
    assert [len(data[i]["data_samples"].gt.labels) for i in range(3)] == [1, 0, 0]


def test_number_of_classes_creates_a_class_for_every_id(coco_root):
    data = dataset(coco_root, classes=31)
    assert data.metainfo["category_ids"] == tuple(range(1, 32))
    assert data.metainfo["classes"][:3] == ("N/A 1", "cat", "N/A 3") and data.metainfo["classes"][29] == "dog"
    assert data[0]["data_samples"].gt.labels.tolist() == [29, 1]


def test_sample_is_resized_with_its_boxes(coco_root):
    item = dataset(coco_root)[0]
    sample = item["data_samples"]
    assert item["inputs"].shape == (3, 20, 40) and item["inputs"].dtype == torch.uint8
    # 40x80 -> 20x40 halves: x 10..50 -> 5..25, y 5..25 -> 2.5..12.5
    assert sample.gt.boxes.tolist() == [[5, 2.5, 25, 12.5], [30, 10, 40, 20]]
    assert sample.gt.labels.tolist() == [1, 0]
    assert (sample.img_id, sample.ori_size, sample.input_size) == (4, (40, 80), (20, 40))


def test_float_resize_keeps_unrounded_pixels(coco_root):
    from densevision.images import write_image

    rows = np.zeros((40, 80, 3), np.uint8)
    rows[1::2] = 5  # 40 rows alternating between 0 and 5 become 20 rows of 2.5
    write_image(coco_root / "images" / "a.png", rows)
    inputs = dataset(coco_root, float_resize=True)[0]["inputs"]
    assert inputs.dtype == torch.float32 and inputs.unique().tolist() == [2.5]
    assert dataset(coco_root)[0]["inputs"].dtype == torch.uint8
    assert dataset(coco_root, float_resize=True)[SampleKey(0, 1)]["inputs"].dtype == torch.uint8


def test_crowds_and_degenerate_boxes_are_not_trained_on(coco_root):
    assert dataset(coco_root)[2]["data_samples"].gt.boxes.tolist() == [[0, 0, 20, 10]]
    assert dataset(coco_root)[1]["data_samples"].gt.boxes.shape == (0, 4)


def test_sample_is_a_function_of_index_and_seed(coco_root):
    data = dataset(coco_root, transforms=[dict(type=HorizontalFlip, p=0.5)])
    boxes = [data[SampleKey(0, seed)]["data_samples"].gt.boxes.tolist() for seed in range(20)]
    assert boxes == [data[SampleKey(0, seed)]["data_samples"].gt.boxes.tolist() for seed in range(20)]
    flipped = [[15, 2.5, 35, 12.5], [0, 10, 10, 20]]
    kept = [[5, 2.5, 25, 12.5], [30, 10, 40, 20]]
    assert 4 < boxes.count(flipped) < 16 and boxes.count(flipped) + boxes.count(kept) == 20


def test_damaged_image_is_replaced_in_training_and_an_error_in_evaluation(coco_root):
    (coco_root / "images" / "a.png").write_bytes(b"not an image")
    data = dataset(coco_root)
    assert data[SampleKey(0, 5)]["data_samples"].img_id in (7, 9)
    with pytest.raises(UserError, match="a.png"):
        data[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.update(annotations={}), "has no list 'annotations'"),
        (lambda t: t["images"][1].pop("file_name"), r"images\[1\] has no 'file_name'"),
        (lambda t: t["annotations"][1].update(image_id=99), "annotation 3 has image_id 99"),
        (lambda t: t["annotations"][0].update(bbox=[1, 2, 3]), r"annotation 0 has bbox \[1, 2, 3\]"),
        (lambda t: t.update(categories=[]), "has no categories"),
        (lambda t: t.update(images=[], annotations=[]), "list of images is empty"),
        (lambda t: t["images"][0].update(file_name="gone.png"), "1 of 3 images .* the first is gone.png"),
    ],
)
def test_invalid_json_raises_a_one_line_error(coco_root, change, words):
    path = coco_root / "truth.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))
    with pytest.raises(UserError, match=words) as caught:
        dataset(coco_root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(data_root="/nowhere"), "/nowhere does not exist; change data_root"),
        (dict(ann_file="gone.json"), "gone.json does not exist; set ann_file"),
        (dict(ann_file="images/a.png"), "not readable json"),
        (dict(classes=["cow"]), "class 'cow' .* its classes are: cat, dog"),
        (dict(classes=20), "classes=20 in the config: .*truth.json has the category ids 2 to 30"),
        (dict(image_dir="photos"), "3 of 3 images .* check image_dir"),
        (dict(transforms=[dict(type=HorizontalFlip, prob=1)]), "HorizontalFlip .*'prob'"),
    ],
)
def test_invalid_config_raises_a_one_line_error(coco_root, options, words):
    with pytest.raises(UserError, match=words):
        dataset(coco_root, **options)


def test_relative_data_root_is_below_the_environment_variable(coco_root, monkeypatch):
    monkeypatch.setenv("DENSEVISION_DATA", str(coco_root.parent))
    assert len(dataset(coco_root.name)) == 3


def test_pixels_are_rgb(coco_root):
    from densevision.images import write_image

    write_image(coco_root / "images" / "a.png", np.tile(np.array([200, 100, 0], np.uint8), (40, 80, 1)))
    assert dataset(coco_root)[0]["inputs"][:, 0, 0].tolist() == [200, 100, 0]
