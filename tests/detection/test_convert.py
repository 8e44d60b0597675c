"""A detection data set written as COCO json has the same images and boxes."""

import json

import pytest

from densevision.cli.main import main
from tests.data.formats.box_trees import CAR, FORMATS, PERSON, boxes, read, write_voc, write_yolo
from tests.data.formats.mask_trees import write_pairs


@pytest.mark.parametrize("name", FORMATS)
def test_boxes_stay_the_same(tmp_path, name, capsys):
    FORMATS[name](tmp_path / "data")
    assert main(["convert-data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--copy"]) == 0
    assert boxes(read(tmp_path / "out")) == {"street.jpg": [("car", *CAR), ("person", *PERSON)], "empty.jpg": []}
    assert f"image_dir {tmp_path / 'out' / 'all'}" in capsys.readouterr().out


def test_images_stay_where_they_are_without_copy(tmp_path, capsys):
    write_voc(tmp_path / "data")
    assert main(["convert-data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 0
    assert f"image_dir {tmp_path / 'data/JPEGImages'}" in capsys.readouterr().out
    content = json.loads((tmp_path / "out/annotations/all.json").read_text())
    assert content["images"][1] == dict(id=2, file_name="street.jpg", width=64, height=48)
    assert [annotation["bbox"] for annotation in content["annotations"]] == [[4, 10, 30, 20], [40, 8, 10, 30]]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["annotations"]


def test_masks_become_a_cityscapes_tree(tmp_path, capsys):
    write_pairs(tmp_path / "data", "images", "masks", 0, 1)
    assert main(["convert-data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/gtFine").is_dir() and "CityscapesDataset(" in capsys.readouterr().out


def test_a_folder_with_content_is_refused(tmp_path, capsys):
    write_yolo(tmp_path / "data")
    for out in (tmp_path, tmp_path / "data/new"):
        assert main(["convert-data", str(tmp_path / "data"), "--out", str(out)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
