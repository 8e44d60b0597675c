"""Label maps drawn from the polygons and RLE masks of a COCO json."""

import json

import numpy as np
import pytest

from densevision.data.formats.recognize import recognize
from densevision.errors import UserError
from densevision.segmentation.polygons import PolygonDataset
from tests.data.formats.mask_trees import write_image
from tests.segmentation.conftest import check, fault_of, lines

CATEGORIES = [{"id": 7, "name": "road"}, {"id": 3, "name": "car"}]


def square(x, y, side):
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def write(root, *segmentations, size=(8, 8), categories=CATEGORIES, **image):
    """Write one image and objects, (category_id, segmentation)."""
    write_image(root / "images/a.jpg", size)
    row = dict(id=1, file_name="a.jpg", height=size[0], width=size[1]) | image
    annotations = [
        dict(id=i, image_id=1, category_id=category, segmentation=segmentation)
        for i, (category, segmentation) in enumerate(segmentations, 1)
    ]
    content = dict(images=[row], categories=categories, annotations=annotations)
    (root / "a.json").write_text(json.dumps(content))
    return root


def polygons(root, **options):
    return PolygonDataset(str(root), "a.json", "images", **options)


def error_of(root, **options):
    with pytest.raises(UserError) as caught:
        polygons(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_polygons_are_drawn_over_the_background(tmp_path):
    # Ids follow the category ids: background 0, car (3) 1, road (7) 2. The road covers rows 4 to 7.
    data = polygons(write(tmp_path, (7, [[0, 4, 8, 4, 8, 8, 0, 8]]), (3, [square(1, 1, 2)])))
    assert data.metainfo["classes"] == ("background", "car", "road")
    expected = np.zeros((8, 8), int)
    expected[4:] = 2
    expected[1:3, 1:3] = 1
    assert data.read_labels(0).tolist() == expected.tolist()
    assert check(data).per_class == dict(background=28, car=4, road=32)


@pytest.mark.parametrize("order", [1, -1])
def test_the_smaller_object_is_on_top_in_any_order(tmp_path, order):
    objects = [(7, [square(0, 0, 8)]), (3, [square(2, 2, 3)])][::order]
    assert np.bincount(polygons(write(tmp_path, *objects)).read_labels(0).ravel()).tolist() == [0, 9, 55]


def test_an_object_of_several_polygons_and_rle_of_both_kinds(tmp_path):
    counts = [8, 8, 48]  # column-major: the second column
    several = [square(4, 0, 2), square(4, 6, 2)]
    data = polygons(write(tmp_path, (3, several), (7, dict(size=[8, 8], counts=counts))))
    labels = data.read_labels(0)
    assert (labels[:, 1] == 2).all() and (labels == 2).sum() == 8 and (labels == 1).sum() == 8
    from pycocotools import mask

    packed = mask.encode(np.asfortranarray(labels == 2, np.uint8))
    packed["counts"] = packed["counts"].decode()
    data = polygons(write(tmp_path, (3, several), (7, packed)))
    assert (data.read_labels(0) == labels).all()


def test_polygons_that_reach_past_the_image_are_cut(tmp_path):
    data = polygons(write(tmp_path, (3, [[-5, -5, 4, -5, 4, 20, -5, 20]])))
    assert (data.read_labels(0) == 1).tolist() == [[True] * 4 + [False] * 4] * 8


def test_without_a_background_other_pixels_are_ignored(tmp_path):
    root = write(tmp_path, (7, [square(0, 0, 8)]), (3, [[0, 0, 8, 0, 8, 6, 0, 6]]))
    data = polygons(root, background=None)
    assert data.metainfo["classes"] == ("car", "road")
    root = write(tmp_path, (7, [square(0, 0, 4)]), (3, [square(4, 4, 4)]))
    assert "id 255 has 50 % of the pixels" in fault_of(polygons(root, background=None))
    check(polygons(root, background=None, max_unnamed=0.6))


def test_classes_select_and_order_and_ignored_names_are_ignored(tmp_path):
    others = [*CATEGORIES, dict(id=9, name="__ignore__")]
    root = write(tmp_path, (7, [square(0, 0, 4)]), (3, [square(4, 4, 4)]), (9, [square(0, 6, 2)]), categories=others)
    data = polygons(root, classes=["car", "background"])
    assert np.bincount(data.read_labels(0).ravel(), minlength=256)[[0, 1, 255]].tolist() == [16, 44, 4]
    assert "objects that are not among the classes: __ignore__, road" in lines(data)
    assert "has no category 'cra' (did you mean 'car'?)" in error_of(root, classes=["cra", "road"])


def test_a_category_may_be_the_background(tmp_path):
    categories = [dict(id=0, name="background"), dict(id=1, name="car")]
    data = polygons(write(tmp_path, (1, [square(0, 0, 4)]), categories=categories))
    assert data.metainfo["classes"] == ("background", "car") and data.metainfo["label_ids"] == [0, 1]


@pytest.mark.parametrize("outline", [[], None, [[1, 1, 2, 2]], [[1, 1, 2, 2, 3, float("nan")]], {"size": [8, 8]}, [[]]])
def test_objects_without_an_outline_are_counted(tmp_path, outline):
    data = polygons(write(tmp_path, (3, [square(0, 0, 4)]), (7, outline)))
    assert "1 objects are not drawn: without a polygon of three points" in lines(data)
    assert "has no polygons, 1 objects are boxes only" in error_of(write(tmp_path, (3, outline)))


def test_faults_are_named(tmp_path):
    assert "unknown category_id 5" in error_of(write(tmp_path, (5, [square(0, 0, 4)])))
    rle = dict(size=[4, 8], counts=[0, 32])
    assert "an RLE of" in error_of(write(tmp_path, (3, rle))) and "is 8x4, the image 8x8" in error_of(tmp_path)
    assert "is 8x6, its image" in fault_of(polygons(write(tmp_path, (3, [square(0, 0, 4)]), height=6)))
    assert "are not in" in error_of(write(tmp_path, (3, [square(0, 0, 4)]), file_name="b.jpg"))
    content = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(content | {"annotations": ["x"]}))
    assert "annotations must be a list of objects" in error_of(tmp_path)
    (tmp_path / "a.json").write_text(
        '{"images": [{}], "categories": [{"id": 1e999, "name": "a"}, {"id": 2, "name": "b"}]}'
    )
    assert "no valid id, name or file_name" in error_of(tmp_path)
    (tmp_path / "a.json").write_text("{")
    assert "not a readable json" in error_of(tmp_path)
    (tmp_path / "a.json").write_text("[]")
    assert "has no images" in error_of(tmp_path)
    (tmp_path / "a.json").unlink()
    assert "does not exist; correct ann_file" in error_of(tmp_path)


def test_the_size_may_be_missing(tmp_path):
    assert polygons(write(tmp_path, (3, [square(0, 0, 4)]), size=(8, 12), height=None)).read_labels(0).shape == (8, 12)


def write_yolo(root, rows="1 0 0.5 1 0.5 1 1 0 1\n0 0.25 0.25 0.5 0.25 0.5 0.5\n"):
    for number in range(3):
        write_image(root / f"images/{number}.jpg")
        (root / "labels").mkdir(exist_ok=True)
        (root / f"labels/{number}.txt").write_text(rows)
    (root / "data.yaml").write_text("names: [car, road]\ntrain: images\n")
    return root


def test_polygons_of_yolo_are_fractions(tmp_path):
    data = PolygonDataset(str(write_yolo(tmp_path)), "data.yaml", "images", format="yolo")
    labels = data.read_labels(0)
    assert data.metainfo["classes"] == ("background", "car", "road")
    assert (labels[4:] == 2).all() and (labels[:4] == 2).sum() == 0
    assert 1 <= (labels == 1).sum() <= 4  # the triangle (2, 2), (4, 2), (4, 4)
    check(data)


def test_polygons_are_recognized_and_boxes_are_not(tmp_path):
    layout = recognize(write_yolo(tmp_path), "segmentation")
    assert (layout.name, layout.task) == ("YOLO txt, polygons", "segmentation")
    assert len(PolygonDataset(**layout.shared, **layout.parts["all"])) == 3
    with pytest.raises(UserError, match="has labels for detection, none for segmentation"):
        recognize(write_yolo(tmp_path, "0 0.5 0.5 0.2 0.2\n0 0 0 1 0 1 1 0 1\n"), "segmentation")


def test_a_coco_json_with_polygons_is_recognized(tmp_path):
    layout = recognize(write(tmp_path, (3, [[0, 0, 4, 0, 2, 4]])), "segmentation")
    assert layout.name == "COCO json, polygons" and len(PolygonDataset(**layout.shared, **layout.parts["all"])) == 1
    assert recognize(tmp_path).task == "detection"


def test_an_unknown_format_is_named(tmp_path):
    assert "it must be one of coco, yolo" in error_of(write(tmp_path), format="yoloo")


@pytest.mark.reference
def test_objects_are_drawn_as_pycocotools_draws_them(tmp_path):
    from pycocotools.coco import COCO

    random = np.random.default_rng(0)
    objects = [(int(random.choice([3, 7])), [random.uniform(-10, 70, 10).tolist()]) for _ in range(12)]
    data = polygons(write(tmp_path, *objects, size=(48, 64)))
    coco = COCO(tmp_path / "a.json")
    names = {id_: category["name"] for id_, category in coco.cats.items()}
    masks = [(coco.annToMask(o), names[o["category_id"]]) for o in coco.anns.values()]
    expected = np.zeros((48, 64), np.uint8)
    for drawn, name in sorted(masks, key=lambda item: -int(item[0].sum())):
        expected[drawn > 0] = data.metainfo["classes"].index(name)
    assert (data.read_labels(0) == expected).all()
