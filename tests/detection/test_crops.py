"""Objects of a detection data set as images in a folder per class."""

import numpy as np

from densevision.cli.main import main
from densevision.detection.crops import enlarged
from densevision.images import read_image
from tests.detection.conftest import write_coco


def test_a_box_gets_a_tenth_on_each_side_within_the_image():
    assert enlarged(np.array([10.0, 20, 30, 60]), (100, 100)) == (8, 16, 32, 64)
    assert enlarged(np.array([0.0, 0, 10, 10]), (10, 10)) == (0, 0, 10, 10)


def test_objects_are_cut_out_by_class(tmp_path, capsys):
    write_coco(tmp_path / "data")
    assert main(["convert-data", str(tmp_path / "data"), "--crops", "--out", str(tmp_path / "out")]) == 0
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg"))
    # the crowd and the box without width are not used
    assert files == ["train/cat/000000_a_1.jpg", "train/cat/000002_c_0.jpg", "train/dog/000000_a_0.jpg"]
    assert read_image(tmp_path / "out" / files[2]).shape == (24, 48, 3)  # 40x20 with a tenth on each side
    assert "train: " in (said := capsys.readouterr().out) and "3 images: cat 2, dog 1" in said


def test_crops_are_for_boxes_and_into_a_new_folder(tmp_path, capsys):
    write_coco(tmp_path / "data")
    words = ["convert-data", str(tmp_path / "data"), "--crops", "--out"]
    assert main([*words, str(tmp_path / "out"), "--copy"]) == 2
    assert "leave --copy or --crops out" in capsys.readouterr().err
    assert main([*words, str(tmp_path)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
