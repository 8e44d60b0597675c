"""Folders of boxes are recognized, and what a folder lacks is named."""

import json

import pytest

from densevision.data.formats.recognize import recognize
from densevision.errors import UserError
from tests.data.formats.box_trees import (
    CAR,
    FORMATS,
    PERSON,
    boxes,
    image,
    read,
    text,
    voc,
    write_voc,
    write_yolo,
)

STREET = [("car", *CAR), ("person", *PERSON)]


@pytest.mark.parametrize("name", ["coco", "voc", "createml", "csv", "yolo"])
def test_roboflow_has_a_folder_per_part(tmp_path, name):
    for part in ("train", "valid"):
        FORMATS[name](tmp_path / part)
        if name == "coco":
            for path in (tmp_path / part / "images").iterdir():
                path.rename(tmp_path / part / path.name)
            (tmp_path / part / "annotations.json").rename(tmp_path / part / "_annotations.coco.json")
        if name == "voc":
            for path in [*(tmp_path / part).glob("*/*")]:
                path.rename(tmp_path / part / path.name)
        (tmp_path / part / "data.yaml").unlink(missing_ok=True)
    if name == "yolo":
        text(tmp_path / "data.yaml", "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['car', 'person']\n")
    assert set(recognize(tmp_path).parts) == {"train", "val"}
    assert boxes(read(tmp_path, "val"))["street.jpg"] == boxes(read(tmp_path, "train"))["street.jpg"] == STREET


def test_the_project_of_roboflow_is_no_class(tmp_path):
    FORMATS["coco"](tmp_path)
    content = json.loads((tmp_path / "annotations.json").read_text())
    first = min(row["id"] for row in content["categories"])
    children = [row | dict(supercategory="street-signs") for row in content["categories"]]
    content["categories"] = [dict(id=first - 1, name="street-signs", supercategory="none"), *children]

    def classes(**changes):
        text(tmp_path / "annotations.json", json.dumps(content | changes))
        layout = recognize(tmp_path)
        return layout.shared.get("classes"), len(layout.notes)

    assert classes() == (tuple(row["name"] for row in children), 1)
    assert boxes(read(tmp_path, "all"))["street.jpg"] == STREET
    used = [*content["annotations"], content["annotations"][0] | dict(id=99, category_id=first - 1)]
    assert classes(annotations=used) == (None, 0)
    others = [
        dict(id=first - 1, name="street-signs", supercategory="none"),
        *children[:-1],
        children[-1] | {"supercategory": "x"},
    ]
    assert classes(categories=others) == (None, 0)
    for broken in (None, 5, [5], [dict(id=[], name="a")], [dict(id=1, name=2), dict(id=2, name=3)]):
        assert classes(categories=broken) == (None, 0)


def test_near_misses_say_what_is_missing(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(UserError, match=r"2 \.txt files, but no data.yaml .* names: \[first, second\]"):
        recognize(tmp_path)
    text(tmp_path / "classes.txt", "car\nperson\n")
    assert boxes(read(tmp_path))["street.jpg"] == STREET
    text(tmp_path / "annotations.json", json.dumps(dict(images=[], annotations=[], categories=[])))
    with pytest.raises(UserError, match="labels in two formats, COCO json and YOLO txt"):
        recognize(tmp_path)
    text(tmp_path / "data.zip", "")
    with pytest.raises(UserError, match="is an archive; unpack it"):
        recognize(tmp_path / "data.zip")
    text(tmp_path / "labels_only/Annotations/x.xml", voc("x.jpg", []))
    with pytest.raises(UserError, match=r"no images found \(its files: 1 .xml\); give the folder that has images"):
        recognize(tmp_path / "labels_only")
    with pytest.raises(UserError, match="no such file or folder"):
        recognize(tmp_path / "absent")
    image(tmp_path / "only/x.jpg")
    with pytest.raises(UserError, match="no labeled images found.*1 .jpg"):
        recognize(tmp_path / "only")
    (tmp_path / "annotations.json").unlink()
    write_yolo(tmp_path / "only/one")
    (tmp_path / "only/x.jpg").unlink()
    assert recognize(tmp_path / "only").shared["data_root"] == str(tmp_path / "only/one")


def test_yolo_parts_of_several_folders_and_lists(tmp_path):
    for part in ("train/a", "train/b", "test/c"):
        write_yolo(tmp_path / part)
    folders = "train: [train/a/images, train/b/images]\n"
    text(tmp_path / "data.yaml", folders + "val: list.txt\nnames: {0: car, 1: person}\n")
    text(tmp_path / "list.txt", "./test/c/images/street.jpg\n")
    assert recognize(tmp_path).parts["train"] == dict(image_dir="train")
    assert boxes(read(tmp_path, "train"))["b/images/street.jpg"] == STREET
    assert boxes(read(tmp_path, "val")) == {"test/c/images/street.jpg": STREET}
    text(tmp_path / "data.yaml", "train: [train/a/images, test/c/images]\nnames: [car, person]\n")
    with pytest.raises(UserError, match="several folders, with other images"):
        recognize(tmp_path)


def test_boxes_are_no_masks(tmp_path):
    write_voc(tmp_path)
    with pytest.raises(UserError, match="has labels for detection, none for segmentation"):
        recognize(tmp_path, "segmentation")
    with pytest.raises(UserError, match="must be one of detection, segmentation"):
        recognize(tmp_path, "depth")


def test_a_yolo_part_without_labels_is_named(tmp_path):
    write_yolo(tmp_path / "train")
    image(tmp_path / "test/images/x.jpg")
    text(tmp_path / "data.yaml", "train: train/images\ntest: test/images\nnames: [car, person]\n")
    layout = recognize(tmp_path)
    assert list(layout.parts) == ["all"] and layout.notes == ("not used, as no image has a label file: test",)
