"""Faults that occur in real jsons."""

import json

import numpy as np
import pytest

from densevision.detection import coco_polygons
from densevision.detection.coco import CocoDataset
from densevision.detection.coco_json import read_coco
from densevision.detection.coco_polygons import read_without_polygons
from densevision.errors import UserError
from tests.detection.conftest import TABLE

NAN = float("nan")
NOT_FINITE = "with infinite or missing numbers"


def write(root, change):
    """Change the json of three images (ids 4, 7, 9; category 2 cat, 30 dog) and return its path."""
    path = root / "truth.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))
    return path


def dataset(root, **options):
    return CocoDataset(str(root), "truth.json", "images", (20, 40), **options)


def update_all(table, **values):
    for annotation in table["annotations"]:
        annotation.update(values)


def test_valid_json_becomes_arrays(coco_root):
    table = read_coco(coco_root / "truth.json")
    assert table.image_ids == [4, 7, 9] and table.category_ids == [2, 30] and table.names == ["cat", "dog"]
    assert table.image_rows.tolist() == [0, 2, 0, 2, 2] and table.category_rows.tolist() == [1, 0, 0, 0, 1]
    assert table.boxes[0].tolist() == [10, 5, 40, 20] and table.crowds.tolist() == [False] * 3 + [True, False]
    assert np.isnan(table.areas[4]) and table.areas[:4].tolist() == [800, 100, 400, 400]  # an area of 0 is ignored
    assert table.sizes.tolist() == [[40, 80], [40, 80], [20, 20]] and table.skipped == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # ids that no category has
        (lambda t: update_all(t, category_id=99), r"category_id 99 \(5 boxes\); the categories are 2, 30"),
        (lambda t: t["annotations"][0].update(category_id=9), r"category_id 9 \(1 boxes\)"),
        (lambda t: t["annotations"][0].update(category_id="x"), r"category_id 'x' \(1 boxes\)"),
        (lambda t: t["annotations"][0].update(category_id=None), "annotation 0 has no 'category_id'"),
        (lambda t: t["annotations"][0].pop("category_id"), "annotation 0 has no 'category_id'"),
        (lambda t: t["annotations"][0].update(category_id=[2]), r"annotation 0 has category_id \[2\]"),
        (lambda t: t["annotations"][0].update(image_id=[2]), r"annotation 0 has image_id \[2\]"),
        (lambda t: t["annotations"][0].pop("image_id"), "annotation 0 has no 'image_id'"),
        # duplicates
        (lambda t: t["images"][1].update(id=4), "2 images have the id 4"),
        (lambda t: t["images"][1].update(file_name="a.png"), "2 images have the file_name 'a.png'"),
        (lambda t: t["images"][1].update(file_name="./a.png"), "2 images have the file_name 'a.png'"),
        (lambda t: t["categories"][1].update(id=30), "2 categories have the id 30"),
        (lambda t: t["categories"][1].update(name="dog"), "2 categories have the name 'dog'"),
        (lambda t: t["categories"][1].update(name="dog "), "2 categories have the name 'dog'"),
        (lambda t: t["annotations"][2].update(id=0), "2 annotations have the id 0"),
        (lambda t: t["annotations"][2].update(id="0"), "(?s)^$"),  # a word is a different id
        # unusable values
        (lambda t: t["images"][0].update(id=None), r"images\[0\] has id None"),
        (lambda t: t["images"][0].update(id=NAN), r"images\[0\] has id nan"),
        (lambda t: t["images"][0].update(id=[4]), r"images\[0\] has id \[4\]"),
        (lambda t: t["images"][0].update(file_name=None), r"images\[0\] has file_name None"),
        (lambda t: t["images"][0].update(file_name=" "), r"images\[0\] has file_name ' '"),
        (lambda t: t["categories"][0].update(name=None), r"categories\[0\] has name None"),
        (lambda t: t["categories"][0].update(id={}), r"categories\[0\] has id {}"),
        (lambda t: t["annotations"].append(None), r"annotations\[5\] is None"),
        (lambda t: t["annotations"][0].update(id=[1]), "an annotation's id is a list"),
        (lambda t: t["annotations"][0].update(bbox=[1, 2, 3, 4, 5]), r"annotation 0 has bbox \[1, 2, 3, 4, 5\]"),
        (lambda t: t["annotations"][0].update(bbox=[1, 2, 3, "wide"]), "annotation 0 has bbox .*'wide'"),
        (lambda t: t["annotations"][0].update(bbox=[[1, 2, 3, 4]]), r"annotation 0 has bbox \[\[1"),
        (lambda t: t["annotations"][0].update(bbox=dict(x=1)), "annotation 0 has bbox {'x': 1}"),
        (lambda t: t["annotations"][0].update(bbox="1234"), "annotation 0 has bbox '1234'"),
        (lambda t: t["annotations"][0].update(bbox=7), "annotation 0 has bbox 7"),
        (lambda t: t["annotations"][0].update(iscrowd=2), "annotation 0 has iscrowd 2"),
        (lambda t: t["annotations"][0].update(iscrowd="maybe"), "annotation 0 has iscrowd 'maybe'"),
        (lambda t: t["annotations"][0].update(iscrowd=[0]), r"annotation 0 has iscrowd \[0\]"),
        (lambda t: t.update(images=None), "has no list 'images'"),
        (lambda t: t.update(annotations="none"), "has no list 'annotations'"),
        (lambda t: t.pop("categories"), "has no list 'categories'"),
    ],
)
def test_contradictory_json_raises_a_one_line_error(coco_root, change, words):
    path = write(coco_root, change)
    if words == "(?s)^$":
        read_coco(path)
        return
    with pytest.raises(UserError, match=words) as caught:
        read_coco(path)
    assert "\n" not in str(caught.value) and "truth.json" in str(caught.value)


def test_category_ids_counted_from_zero_and_from_one_get_a_hint(coco_root):
    def change(table):
        for number, category in enumerate(table["categories"], start=1):
            category["id"] = number
        for annotation in table["annotations"]:
            annotation["category_id"] = 0 if annotation["category_id"] == 30 else 1

    with pytest.raises(UserError, match=r"category_id 0 \(2 boxes\); the categories are 1, 2; .* from 0.* from 1\?"):
        read_coco(write(coco_root, change))


@pytest.mark.parametrize("where", ["categories", "annotations", "both"])
def test_category_ids_in_quotes(coco_root, where):
    def change(table):
        for category in table["categories"] if where != "annotations" else []:
            category["id"] = str(category["id"])
        for annotation in table["annotations"] if where != "categories" else []:
            annotation["category_id"] = str(annotation["category_id"])

    write(coco_root, change)
    data = dataset(coco_root)
    assert data.metainfo["classes"] == ("cat", "dog")
    assert [len(data[i]["data_samples"].gt.labels) for i in range(3)] == [2, 0, 1]
    own = ("2", "30") if where != "annotations" else (2, 30)
    assert data.metainfo["category_ids"] == own


@pytest.mark.parametrize(
    ("ids", "annotated"),
    [
        (["a", "b", "c"], ["a", "b", "c"]),
        (["a.png", "b.png", "c.png"],) * 2,
        ([2**62, 2**62 + 1, 2**63 - 1],) * 2,
        ([2**63, -1, 2**64 + 1],) * 2,
        ([3.0, 5.0, 9.0], [3, 5, 9]),
        ([1, "x", 2.5],) * 2,
        ([0, 1, 2], ["0", "1", "2"]),
        (["0", "1", "2"], [0, 1, 2]),
        (["007", "7", "x"],) * 2,
    ],
)
def test_any_type_of_image_id_is_kept(coco_root, ids, annotated):
    def change(table):
        new = dict(zip((4, 7, 9), zip(ids, annotated, strict=True), strict=True))
        for image in table["images"]:
            image["id"] = new[image["id"]][0]
        for annotation in table["annotations"]:
            annotation["image_id"] = new[annotation["image_id"]][1]

    write(coco_root, change)
    data = dataset(coco_root)
    samples = [data[i]["data_samples"] for i in range(3)]
    assert [sample.img_id for sample in samples] == ids
    assert [type(sample.img_id) for sample in samples] == [type(id_) for id_ in ids]
    assert [len(sample.gt.labels) for sample in samples] == [2, 0, 1]


@pytest.mark.parametrize("box", [[], None, {}, "", [None] * 4, ["", "", "", ""]])
def test_annotations_without_a_box_are_counted_and_skipped(coco_root, box):
    path = write(coco_root, lambda t: t["annotations"].append(dict(id=9, image_id=7, category_id=None, bbox=box)))
    table = read_coco(path)
    assert table.skipped == {"without a box": 1} and len(table.boxes) == 5
    assert dataset(coco_root).count().dropped == {"without a box": 1}


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ([NAN, 1, 2, 3], NOT_FINITE),
        ([1, 2, float("inf"), 3], NOT_FINITE),
        ([None, 1, 2, 3], NOT_FINITE),
        ([1, 2, 10**400, 3], NOT_FINITE),
        ([1, 2, -3, 4], "of negative size"),
        ([1, 2, 3, -0.5], "of negative size"),
    ],
)
def test_invalid_boxes_are_dropped_and_counted(coco_root, box, why):
    write(coco_root, lambda t: t["annotations"].append(dict(id=9, image_id=7, category_id=2, bbox=box)))
    data = dataset(coco_root)
    assert data.count().dropped == {why: 1} and data.count().per_class == {"cat": 2, "dog": 1}


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ([1, 2, 0, 5], "of zero size"),
        ([1, 2, 0.5, 5], "under one pixel"),
        ([80, 2, 5, 5], "outside of the image"),
        ([-5, 2, 5, 5], "outside of the image"),
        ([1, 40.5, 5, 5], "outside of the image"),
        ([-5, 2, 5.5, 5], "outside of the image"),
        ([1e300, 2, 5, 5], "outside of the image"),
    ],
)
def test_untrained_boxes_are_counted(coco_root, box, why):
    def change(table):
        table["annotations"] = [*table["annotations"][:3], dict(id=9, image_id=7, category_id=2, bbox=box)]

    write(coco_root, change)
    counts = dataset(coco_root).count()
    assert counts.untrained == {why: 1} and counts.per_class == {"cat": 2, "dog": 1} and counts.dropped == {}


@pytest.mark.parametrize(
    ("box", "past"),
    [([70, 30, 12, 12], 1), ([-3, 0, 10, 10], 1), ([70, 30, 10.3, 10], 0), ([0, 0, 80, 40], 0), ([-5, -5, 100, 60], 1)],
)
def test_boxes_that_extend_beyond_their_image_are_counted_and_clipped(coco_root, box, past):
    write(coco_root, lambda t: t["annotations"].append(dict(id=9, image_id=7, category_id=2, bbox=box)))
    data = dataset(coco_root)
    assert sum("extend beyond their image" in note for note in data.count().notes) == past
    x1, y1, x2, y2 = data.boxes[data.starts[1]].tolist()
    assert 0 <= x1 < x2 <= 80 and 0 <= y1 < y2 <= 40


@pytest.mark.parametrize("key", ["area", "iscrowd", "bbox"])
def test_numbers_in_quotes_are_numbers(coco_root, key):
    def change(table):
        for annotation in table["annotations"]:
            value = annotation[key]
            annotation[key] = [str(v) for v in value] if key == "bbox" else str(value)

    plain = read_coco(coco_root / "truth.json")
    read = read_coco(write(coco_root, change))
    for field in ("boxes", "areas", "crowds"):
        assert np.array_equal(getattr(read, field), getattr(plain, field), equal_nan=field == "areas")


@pytest.mark.parametrize("value", [None, NAN, float("inf"), -5, 0, "", "large", [], {}])
@pytest.mark.parametrize("key", ["area", "width", "height"])
def test_unusable_areas_and_sizes_are_computed(coco_root, key, value):
    def change(table):
        for row in table["annotations" if key == "area" else "images"]:
            row[key] = value

    plain, write_path = dataset(coco_root), write(coco_root, change)
    data = dataset(coco_root)
    assert data.count("train").per_class == plain.count("train").per_class
    assert (data.sizes == plain.sizes).all()  # read from the image files
    assert key != "area" or np.isnan(read_coco(write_path).areas).all()


@pytest.mark.parametrize("value", [None, False, "0", "", NAN, 0.0, "false"])
def test_values_that_mean_no_crowd(coco_root, value):
    assert not read_coco(write(coco_root, lambda t: update_all(t, iscrowd=value))).crowds.any()


@pytest.mark.parametrize("value", [True, "1", 1.0, "true"])
def test_values_that_mean_crowd(coco_root, value):
    assert read_coco(write(coco_root, lambda t: update_all(t, iscrowd=value))).crowds.all()


def outline(segmentation, **box):
    def change(table):
        table["annotations"] = [dict(id=1, image_id=4, category_id=2, segmentation=segmentation, iscrowd=0, **box)]

    return change


@pytest.mark.parametrize("box", [dict(), dict(bbox=None), dict(bbox=[])])
@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ([[10, 5, 50, 5, 50, 25.5, 10, 25]], [10, 5, 40, 20.5]),
        ([10, 5, 50, 5, 50, 25, 10, 25], [10, 5, 40, 20]),
        ([[10, 5, 20, 5, 20, 9], [30, 8, 50, 20, 40, 25]], [10, 5, 40, 20]),
        # 80 columns of 40 rows, from the second row of the first column on: 1 off, 80 on, 3119 off
        (dict(size=[40, 80], counts=[1, 80, 3119]), [0, 0, 3, 40]),
        (dict(size=[40, 80], counts="1`2_Q3"), [0, 0, 3, 40]),
    ],
)
def test_missing_boxes_are_computed_from_polygons_and_masks(coco_root, segmentation, expected, box):
    table = read_coco(write(coco_root, outline(segmentation, **box)))
    assert table.boxes.tolist() == [expected] and table.from_polygons.tolist() == [True]
    assert dataset(coco_root).count().per_class == {"cat": 1, "dog": 0}


@pytest.mark.parametrize(
    "segmentation",
    [
        [],
        None,
        [[]],
        [[1, 2, 3]],
        [["a", "b"]],
        [[NAN, 1, 2, 3]],
        "abc",
        dict(),
        dict(size=[2, 4]),
        dict(size=[2, 4], counts=[1, 4]),
        dict(size=[2, 4], counts=[8]),
        dict(size=[0, 0], counts=[]),
        dict(size=[2, 4], counts="~~"),
        dict(size=[2, 4], counts="o"),
        dict(size="2x4", counts="143"),
    ],
)
def test_empty_segmentations_give_no_box(coco_root, segmentation):
    why = "whose outline is empty or malformed" if segmentation else "without a box"
    assert read_coco(write(coco_root, outline(segmentation))).skipped == {why: 1}


def test_polygons_do_not_replace_existing_boxes(coco_root):
    table = read_coco(write(coco_root, outline([[10, 5, 50, 5, 50, 25]], bbox=[1, 2, 3, 4])))
    assert table.boxes.tolist() == [[1, 2, 3, 4]] and not table.from_polygons.any()


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("annotations"),
        lambda t: t.update(annotations=None),
        lambda t: (t.pop("annotations"), t.pop("categories")),
        lambda t: t.update(annotations=[], categories=[]),
    ],
)
def test_json_without_annotations_is_an_empty_test_set(coco_root, change):
    write(coco_root, change)
    data = dataset(coco_root)
    data.align_classes(["cat", "dog"])
    counts = data.count("test")
    assert len(data) == 3 and counts.per_class == {"cat": 0, "dog": 0} and counts.evaluation_fault is None
    assert "no AP can be computed" in " ".join(counts.notes)
    assert "nothing to learn" in data.count("train").training_fault


def test_annotations_may_lack_ids(coco_root):
    write(coco_root, lambda t: [annotation.pop("id") for annotation in t["annotations"]])
    assert dataset(coco_root).count().per_class == {"cat": 2, "dog": 1}


def test_byte_order_mark_is_ignored(coco_root):
    (coco_root / "truth.json").write_text(json.dumps(TABLE), encoding="utf-8-sig")
    assert len(read_coco(coco_root / "truth.json").boxes) == 5


def test_polygons_are_left_out_wherever_a_piece_of_the_file_ends(tmp_path, monkeypatch):
    rows = [dict(id=1, segmentation=[[1, 2.5, -3, 4]], note='"segmentation": [[5]]'), dict(segmentation=[[]], a="}")]
    rows += [dict(segmentation=dict(counts=[1, 2], size=[1, 3])), dict(b=[{}], segmentation=[[0, 1], [2, 3e-1]])]
    path = tmp_path / "a.json"
    for indent in (None, 1):
        path.write_text(json.dumps(dict(annotations=rows), indent=indent))
        for piece in range(1, 60):
            monkeypatch.setattr(coco_polygons, "_PIECE", piece)
            found = json.loads(read_without_polygons(path))["annotations"]
            assert [row["segmentation"] for row in found] == [[0], [[]], dict(counts=[1, 2], size=[1, 3]), [0]]
            assert found[0]["note"] == rows[0]["note"] and found[1]["a"] == "}"
    path.write_bytes(json.dumps(rows).encode("utf-8-sig"))
    assert json.loads(read_without_polygons(path))[0]["id"] == 1
