"""What only one labeling tool writes: shapes, sizes, names and rows, and those that are refused."""

import json

import pytest

from densevision.data.formats.yolo import class_names
from densevision.detection.coco_reader import CocoReader
from densevision.errors import UserError
from tests.data.formats.box_trees import (
    CAR,
    CVAT,
    PERSON,
    boxes,
    images,
    labelme,
    percent,
    read,
    rectangle,
    task,
    text,
    voc,
    write_cvat,
    write_label_studio,
    write_voc,
    write_yolo,
)

STREET = [("car", *CAR), ("person", *PERSON)]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("2 0.5 0.5 0.1 0.1", "class index 2, but .* names 2 classes, 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "class index -1"),
        ("0.5 0.5 0.5 0.1 0.1", "line 1: the class index is 0.5"),
        ("\n0 0.5 0.5 0.1", "line 2: 4 values"),
        ("0 10 10 5 5", "5 to 10; YOLO's boxes are fractions"),
    ],
)
def test_yolo_rows_that_are_refused(tmp_path, rows, fault):
    write_yolo(tmp_path)
    text(tmp_path / "labels/street.txt", rows)
    with pytest.raises(UserError, match=fault):
        read(tmp_path)


def test_yolo_polygons_and_turned_boxes_take_the_box_around_them(tmp_path):
    write_yolo(tmp_path)
    text(tmp_path / "labels/street.txt", "0 0.25 0.5 0.5 0.25 0.75 0.5\n1 0.5 0.25 0.75 0.5 0.5 0.75 0.25 0.5\n")
    # x 0.25 to 0.75 of 64, y 0.25 to 0.5 and 0.25 to 0.75 of 48
    assert boxes(read(tmp_path))["street.jpg"] == [("car", 16, 12, 48, 24), ("person", 16, 12, 48, 36)]


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ("names: [car, car]", "names the class 'car' twice"),
        ("names: {0: car, 2: person}", "must count from 0 without gaps"),
        ("nc: 3\nnames: [car, person]", "nc is 3, but names has 2 classes"),
        ("names: []", "names no classes"),
        ("names: [car, '']", "no class name"),
        ("names: [car", "not readable yaml"),
    ],
)
def test_yolo_names_that_are_refused(tmp_path, names, fault):
    write_yolo(tmp_path)
    text(tmp_path / "data.yaml", names)
    with pytest.raises(UserError, match=fault):
        read(tmp_path)


def test_voc_sizes_floats_and_difficult_objects(tmp_path):
    write_voc(tmp_path)
    content = voc("street.jpg", [("car", CAR), ("person", PERSON)], size=False).replace(">5<", ">5.0<")
    text(tmp_path / "Annotations/street.xml", content.replace("<bndbox>", "<difficult>1</difficult><bndbox>", 1))
    dataset = read(tmp_path)
    assert boxes(dataset)["street.jpg"] == STREET[1:]
    assert dataset.count().untrained == {"marked as crowd": 1}  # neither right nor wrong in the evaluation
    text(tmp_path / "Annotations/street.xml", voc("street.jpg", [("car", [-1, 10, 34, 30])]))  # counts from 0
    assert boxes(read(tmp_path))["street.jpg"] == [("car", 0, 11, 34, 30)]


def test_voc_boxes_of_zero_size_and_drawn_backward(tmp_path):
    write_voc(tmp_path)
    rows = voc("street.jpg", [("car", [4, 10, 4, 30]), ("person", [49, 37, 41, 9])])  # last pixel first, from (50, 38)
    text(tmp_path / "Annotations/street.xml", rows)
    dataset = read(tmp_path)
    assert boxes(dataset)["street.jpg"] == [("person", *PERSON)]
    assert dataset.count().untrained == {"of zero size": 1}


@pytest.mark.parametrize("declaration", ['<!DOCTYPE a [<!ENTITY x "y">]>', "<!DOCTYPE annotation>"])
def test_xml_entities_are_refused(tmp_path, declaration):
    write_voc(tmp_path)
    text(tmp_path / "Annotations/street.xml", declaration + voc("street.jpg", []))
    with pytest.raises(UserError, match="declares entities or a document type"):
        read(tmp_path)


def test_labelme_shapes(tmp_path):
    images(tmp_path)
    circle = dict(label="wheel", points=[[20, 20], [23, 24]], shape_type="circle")  # radius 5
    polygon = dict(label="car", points=[[4, 10], [34, 20], [10, 30]], shape_type="polygon")
    point = dict(label="car", points=[[4, 10]], shape_type="point")
    text(tmp_path / "street.json", labelme("street.jpg", [circle, polygon, point]))
    dataset = read(tmp_path)
    assert boxes(dataset)["street.jpg"] == [("wheel", 15, 15, 25, 25), ("car", *CAR)]
    assert "LabelMe shapes that are no boxes, left out: 1 point" in dataset.count().notes
    text(tmp_path / "street.json", labelme("street.jpg", [rectangle("car", CAR) | dict(points=[[1, 2]])]))
    with pytest.raises(UserError, match="rectangle 'car' has 1 points"):
        read(tmp_path)


def test_cvat_shapes_and_tracks(tmp_path):
    write_cvat(tmp_path)
    # 30x20 around (19, 20), turned by a quarter: 20x30
    turned = CVAT.replace('xbr="34" ybr="30"', 'xbr="34" ybr="30" rotation="90"')
    shapes = '<polygon label="car" points="1,2;11,2;5,8"/><points label="car" points="1,1"/></image>'
    text(tmp_path / "annotations.xml", turned.replace("</image>", shapes, 1))
    dataset = read(tmp_path)
    assert boxes(dataset)["street.jpg"] == [("car", 9, 5, 29, 35), ("person", *PERSON), ("car", 1, 2, 11, 8)]
    assert "CVAT shapes that are no boxes, left out: 1 points" in dataset.count().notes
    text(tmp_path / "annotations.xml", "<annotations><meta/><track id='0' label='car'/></annotations>")
    with pytest.raises(UserError, match="tracks of a video"):
        CocoReader(str(tmp_path / "annotations.xml"), str(tmp_path / "images"), format="cvat").read()


def test_label_studio_takes_the_latest_annotation_that_is_not_canceled(tmp_path):
    write_label_studio(tmp_path)
    old = dict(result=[percent("car", PERSON)], updated_at="2024-01-01")
    new = dict(result=[percent("car", CAR)], updated_at="2024-02-01")
    canceled = dict(result=[], was_cancelled=True, updated_at="2024-03-01")
    turned = percent("person", CAR)
    turned["value"]["rotation"] = 90  # around its corner (4, 10): x 4 - 20 to 4, y 10 to 10 + 30
    tasks = [task(1, "street.jpg", new, old, canceled), task(2, "empty.jpg", dict(result=[turned])), task(3, "x.jpg")]
    text(tmp_path / "project.json", json.dumps(tasks))
    dataset = read(tmp_path)
    assert boxes(dataset)["street.jpg"] == [("car", *CAR)]
    assert boxes(dataset)["empty.jpg"] == [("person", 0, 10, 4, 40)]
    assert "Label Studio: tasks without an annotation, left out: 1" in dataset.count().notes
    minimal = [
        dict(
            id=1,
            image="/data/local-files/?d=images/street.jpg",
            label=[percent("car", CAR)["value"] | dict(original_width=64, original_height=48), 3, None],
        )
    ]
    text(tmp_path / "project.json", json.dumps(minimal))
    assert boxes(read(tmp_path)) == {"street.jpg": [("car", *CAR)]}


def test_names_that_yaml_takes_for_other_values_are_names(tmp_path):
    (tmp_path / "data.yaml").write_text("nc: 4\nnames: {0: yes, 1: 007, 2: null, 3: 'cat: big'}\n")
    assert class_names(tmp_path / "data.yaml") == ["yes", "007", "null", "cat: big"]
