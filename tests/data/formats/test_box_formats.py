"""Every format of boxes gives the same boxes, in training and in the metric, and refuses what is wrong in one line."""

import json

import numpy as np
import pytest

from densevision.data.formats.recognize import recognize
from densevision.detection.coco import CocoDataset
from densevision.detection.coco_reader import CocoReader
from densevision.errors import UserError
from tests.data.formats.box_trees import (
    CAR,
    CVAT,
    FORMATS,
    PERSON,
    boxes,
    image,
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


@pytest.mark.parametrize("name", FORMATS)
def test_boxes_in_pixels(tmp_path, name):
    FORMATS[name](tmp_path)
    dataset = read(tmp_path)
    assert dataset.metainfo["classes"] == ("car", "person")
    assert boxes(dataset) == {"street.jpg": STREET, "empty.jpg": []} and dataset.metainfo["reader"]["format"] == name
    counts = dataset.count()
    assert counts.per_class == {"car": 1, "person": 1} and counts.notes[0] == "images without boxes: 1"
    table = CocoReader(**dataset.metainfo["reader"]).read()  # as the metric does
    np.testing.assert_allclose(table.boxes, [[4, 10, 30, 20], [40, 8, 10, 30]], atol=1e-5)


@pytest.mark.parametrize("name", FORMATS)
def test_image_list_selects_images(tmp_path, name):
    FORMATS[name](tmp_path)
    text(tmp_path / "part.txt", "street\n")
    dataset = read(tmp_path, image_list="part.txt")
    assert boxes(dataset) == {"street.jpg": STREET} and len(CocoReader(**dataset.metainfo["reader"]).read().sizes) == 1
    text(tmp_path / "part.txt", "street\nabsent\n")
    with pytest.raises(UserError, match="1 of 2 images are not in .*'absent'"):
        read(tmp_path, image_list="part.txt")


@pytest.mark.parametrize("name", FORMATS)
def test_a_suffix_in_upper_case_is_found(tmp_path, name):
    FORMATS[name](tmp_path)
    street = next(tmp_path.rglob("street.jpg"))
    street.rename(street.with_suffix(".JPG"))
    assert boxes(read(tmp_path))["street.JPG"] == STREET


def annotation_files(root):
    return [path for path in root.rglob("*") if path.suffix in (".json", ".xml", ".yaml", ".csv", ".txt")]


@pytest.mark.parametrize("name", FORMATS)
def test_byte_order_mark_and_windows_line_ends(tmp_path, name):
    FORMATS[name](tmp_path)
    for path in annotation_files(tmp_path):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert boxes(read(tmp_path)) == {"street.jpg": STREET, "empty.jpg": []}


@pytest.mark.parametrize("name", FORMATS)
def test_latin1_is_refused(tmp_path, name):
    FORMATS[name](tmp_path)
    for path in annotation_files(tmp_path):
        path.write_bytes(path.read_bytes().replace(b"car", b"caf\xe9"))
    with pytest.raises(UserError, match="UTF-8|utf-8|not readable xml"):
        read(tmp_path)


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("coco", "voc")])
@pytest.mark.parametrize("value", ["nan", "inf", "wide"])
def test_what_is_no_number_is_refused(tmp_path, name, value):
    FORMATS[name](tmp_path)
    old = {
        "yolo": "0.703125",
        "cvat": '"50"',
        "csv": ",50,",
        "createml": ": 45",
        "labelme": "50",
        "label_studio": "62.5",
    }
    new = {"yolo": value, "cvat": f'"{value}"', "csv": f",{value},", "createml": f': "{value}"'}
    changed = 0
    for path in annotation_files(tmp_path):
        content = path.read_text()
        changed += old[name] in content
        path.write_text(content.replace(old[name], new.get(name, f'"{value}"')))
    assert changed
    with pytest.raises(UserError, match=f"'{value}'; it must be a number"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["yolo", "voc", "labelme"])
def test_images_without_label_file_and_label_files_without_image(tmp_path, name):
    FORMATS[name](tmp_path)
    (path,) = [path for path in annotation_files(tmp_path) if path.stem == "empty"]
    path.rename(path.with_stem("gone"))
    if name != "yolo":
        path.with_stem("gone").write_text(path.with_stem("gone").read_text().replace("empty.jpg", "gone.jpg"))
    dataset = read(tmp_path)
    assert boxes(dataset) == {"street.jpg": STREET, "empty.jpg": []}
    suffix = path.suffix
    assert any(f"images without a {suffix} file, which count as" in note for note in dataset.count().notes)
    assert any(f"{suffix} files without an image: 1, the first is gone{suffix}" in n for n in dataset.count().notes)


@pytest.mark.parametrize("name", ["cvat", "label_studio", "createml", "csv"])
def test_an_absent_image_is_refused(tmp_path, name):
    FORMATS[name](tmp_path)
    next(tmp_path.rglob("street.jpg")).unlink()
    with pytest.raises(UserError, match="street.jpg"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["yolo", "voc", "labelme"])
def test_equal_names_in_two_folders(tmp_path, name):
    FORMATS[name](tmp_path)
    arguments = read(tmp_path).metainfo["reader"]
    for path in [path for path in tmp_path.rglob("*") if path.stem in ("street", "empty")]:
        folder = path.parent / ("a" if path.stem == "street" else "b")
        folder.mkdir(exist_ok=True)
        path.rename(folder / f"same{path.suffix}")
    options = dict(ann_file=arguments["path"], image_dir=arguments["image_dir"], format=name)
    dataset = CocoDataset(str(tmp_path), input_size=(48, 64), **options)
    assert boxes(dataset) == {"a/same.jpg": STREET, "b/same.jpg": []}


def changed(content):
    """Yield copies of a json, each with another value in one place, or without it."""
    for key in list(content) if isinstance(content, dict) else range(len(content)):
        kept = content[key]
        for value in (None, "x", 5, True, [], {}, [None], 1e400):
            content[key] = value
            yield content
        content[key] = kept
        if isinstance(kept, dict | list):
            yield from (content for _ in changed(kept))


@pytest.mark.parametrize("name", ["labelme", "label_studio", "createml"])
def test_a_json_with_another_value_in_any_place_is_read_or_refused_in_one_line(tmp_path, name):
    FORMATS[name](tmp_path)
    reader = read(tmp_path).metainfo["reader"]
    file = next(path for path in tmp_path.glob("*.json") if path.stem != "empty")
    refused = 0
    for content in changed(json.loads(file.read_text())):
        file.write_text(json.dumps(content))
        try:
            CocoReader(**reader).read()
        except UserError as error:
            refused += 1
            assert "\n" not in str(error) and str(file.parent) in str(error)
    assert refused > 50


# Single formats.


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
            label=[percent("car", CAR)["value"] | dict(original_width=64, original_height=48)],
        )
    ]
    text(tmp_path / "project.json", json.dumps(minimal))
    assert boxes(read(tmp_path)) == {"street.jpg": [("car", *CAR)]}


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
