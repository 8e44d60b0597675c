"""Files next to masks that name their classes, ids or colors."""

import json

import pytest

from densevision.data.formats.mask_folders import recognize_mask_folders
from densevision.data.formats.mask_names import find_class_names, ids_by_names
from tests.data.formats.mask_trees import PALETTE, write_mask, write_pairs
from tests.data.formats.test_mask_folders import read

BLACK, RED, GREEN = (0, 0, 0), (128, 0, 0), (0, 128, 0)
CVAT = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:128,0,0::\nroad:0,128,0::\n"
COLORS = {"background": BLACK, "car": RED, "road": GREEN}


@pytest.mark.parametrize(
    "name, text",
    [
        ("labelmap.txt", CVAT),
        ("label_colors.txt", "0 0 0\t\tbackground\n128 0 0\t\tcar\n0 128 0\t\troad\n"),
        ("class_dict.csv", "name,r,g,b\nbackground,0,0,0\ncar,128,0,0\nroad,0,128,0\n"),
        ("classes.csv", "name, red, green, blue\nbackground,0,0,0\ncar,128,0,0\nroad,0,128,0\n"),
        ("classes.json", json.dumps({"background": BLACK, "car": RED, "road": GREEN})),
        ("meta.json", json.dumps({"classes": [dict(title=n, color=f"#{bytes(c).hex()}") for n, c in COLORS.items()]})),
    ],
)
def test_color_tables(tmp_path, name, text):
    write_pairs(tmp_path, "images", "masks", BLACK, RED, GREEN)
    (tmp_path / name).write_text(text)
    layout = recognize_mask_folders(tmp_path)
    assert layout.shared["colors"] == COLORS
    assert read(layout).metainfo["palette"] == [BLACK, RED, GREEN]


@pytest.mark.parametrize(
    "name, text",
    [
        ("classes.txt", "background\ncar\nroad\n"),
        ("classes.txt", "\ufeffcar\r\nroad\r\n"),  # the background has no line
        ("labels.txt", "__ignore__\nbackground\ncar\nroad\n"),
        ("classes.txt", "0: background\n1: car\n2: road\n"),
        ("classes.txt", "background 0\ncar 1\nroad 2\n"),
        ("data.yaml", "names: [background, car, road]\n"),
        ("data.yaml", "names:\n  0: background\n  1: car\n  2: road\n"),
        ("_classes.csv", "Pixel Value, Class\n0, background\n1, car\n2, road\n"),
        ("classes.json", '["background", "car", "road"]'),
        ("label_map.json", '{"background": 0, "car": 1, "road": 2}'),
        ("label_map.json", '{"1": "car", "2": "road"}'),
        ("classes.json", '[{"name": "car", "id": 1}, {"name": "road", "id": 2}]'),
        ("masks/classes.txt", "background\ncar\nroad\n"),
    ],
)
def test_names_of_ids(tmp_path, name, text):
    write_pairs(tmp_path, "images", "masks", 0, 1, 2)
    (tmp_path / name).write_text(text)
    assert recognize_mask_folders(tmp_path).shared["classes"] == {"background": 0, "car": 1, "road": 2}


@pytest.mark.parametrize(
    "text, high, classes",
    [
        ("background\nroad", 255, {"background": 0, "road": 255}),
        ("road", 255, {"background": 0, "road": 255}),
        ("road", 1, {"background": 0, "road": 1}),
        ("0 background\n1 road", 255, {"background": 0, "road": 255}),
        ("0 background\n255 road", 255, {"background": 0, "road": 255}),
    ],
)
def test_names_of_binary_masks(tmp_path, text, high, classes):
    write_pairs(tmp_path, "images", "masks", 0, high)
    (tmp_path / "classes.txt").write_text(text)
    assert recognize_mask_folders(tmp_path).shared["classes"] == classes


def test_a_file_may_say_that_255_is_a_class(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 1, 255)
    (tmp_path / "classes.json").write_text('{"background": 0, "car": 1, "sky": 255}')
    assert recognize_mask_folders(tmp_path).shared["classes"]["sky"] == 255


def test_void_is_ignored_and_said(tmp_path):
    write_pairs(tmp_path, "images", "masks", BLACK, RED, GREEN)
    (tmp_path / "label_colors.txt").write_text("0 0 0 Void\n128 0 0 car\n0 128 0 road\n9 9 9 sky\n")
    layout = recognize_mask_folders(tmp_path)
    assert layout.shared["classes"] == ["car", "road", "sky"] and layout.shared["may_lack"] == ["sky"]
    assert layout.notes[0].endswith("label_colors.txt; ignored: Void")
    data = read(layout)
    assert sorted(set(data.read_labels(0).ravel().tolist())) == [0, 1, 255]


def test_a_color_table_explains_palette_masks(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 1, 2, palette=PALETTE)
    (tmp_path / "labelmap.txt").write_text(CVAT)
    assert recognize_mask_folders(tmp_path).shared["colors"] == COLORS


def test_names_that_do_not_fit_are_not_used_and_said(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 1, 7)
    (tmp_path / "classes.txt").write_text("a\nb\n")
    layout = recognize_mask_folders(tmp_path)
    assert layout.shared["classes"] == {"background": 0, "class_1": 1, "class_7": 7}
    assert "does not fit the ids of the masks, 0, 1, 7" in layout.notes[0]


def test_files_of_other_purposes_are_not_read(tmp_path):
    for name, text in {
        "classes.json": "[1, 2]",
        "labels.csv": "a,b\n1,2\n",
        "data.yaml": "names: 3",
        "dataset.yaml": "names: [[1], [2]]",
        "labels.txt": "car " + "1 " * 20_000,
        "classes.txt": "",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "labelmap.txt").write_bytes(b"\xff\xfe\x00")
    assert find_class_names([tmp_path]) is None


def test_ids_without_a_name_in_the_file_get_one(tmp_path):
    (tmp_path / "classes.json").write_text('{"car": 1}')
    found = find_class_names([tmp_path])
    assert ids_by_names(found, [0, 1, 4]) == {"background": 0, "class_4": 4, "car": 1}


def test_rare_classes_may_lack(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 1, count=12)
    write_mask(tmp_path / "masks/street_0.png", 0, 1, 2)
    assert recognize_mask_folders(tmp_path).shared["may_lack"] == ["class_2"]
