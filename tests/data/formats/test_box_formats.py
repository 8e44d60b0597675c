"""Every format of boxes gives the same boxes, in training and in the metric, and refuses what is wrong in one line."""

import json

import numpy as np
import pytest

from densevision.detection.coco import CocoDataset
from densevision.detection.coco_reader import CocoReader
from densevision.errors import UserError
from tests.data.formats.box_trees import (
    CAR,
    FORMATS,
    PERSON,
    boxes,
    read,
    text,
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


@pytest.mark.parametrize("name", ["createml", "label_studio"])
def test_a_file_name_that_no_file_can_have_is_refused(tmp_path, name):
    FORMATS[name](tmp_path)
    file = next(tmp_path.glob("*.json"))
    file.write_text(file.read_text().replace("street.jpg", f"{'a' * 5000}.jpg"))
    with pytest.raises(UserError, match=str(tmp_path)):
        read(tmp_path)


# Single formats.
