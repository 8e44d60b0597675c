"""The model's classes are matched to those of the data by name."""

import pytest

from densevision.errors import UserError
from tests.detection.test_coco_json import dataset, write


def reorder(root):
    """Swap the ids of the two categories."""

    def change(table):
        for row in table["categories"]:
            row["id"] = {2: 30, 30: 2}[row["id"]]
        for row in table["annotations"]:
            row["category_id"] = {2: 30, 30: 2}[row["category_id"]]

    write(root, change)


def test_classes_are_matched_by_name(coco_root):
    plain = dataset(coco_root)
    reorder(coco_root)
    data = dataset(coco_root)
    assert data.metainfo["classes"] == ("dog", "cat")
    data.align_classes(plain.metainfo["classes"])
    assert data.metainfo["classes"] == ("cat", "dog") and data.metainfo["category_ids"] == (30, 2)
    assert (data.labels == plain.labels).all() and data.count().per_class == plain.count().per_class
    data.align_classes(["dog", "cow", "cat"])
    assert data.metainfo["category_ids"] == (2, 32, 30) and data.count().per_class == {"dog": 1, "cow": 0, "cat": 2}


def test_json_may_lack_classes_of_the_model(coco_root):
    write(
        coco_root,
        lambda t: t.update(
            categories=[dict(id=2, name="cat")], annotations=[a for a in t["annotations"] if a["category_id"] == 2]
        ),
    )
    data = dataset(coco_root)
    data.align_classes(["dog", "cat", "cow"])
    assert data.metainfo["category_ids"] == (3, 2, 5) and data.count().per_class == {"dog": 0, "cat": 2, "cow": 0}
    assert data[0]["data_samples"].gt.labels.tolist() == [1]


def test_id_for_a_missing_class_is_new(coco_root):
    data = dataset(coco_root, classes=["cat"])  # 30 is the category dog, which the config leaves out
    data.align_classes(["cow", "cat"])
    assert data.metainfo["category_ids"] == (31, 2)


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["cat"], r"the model has no class 'dog' \(2 boxes\); it has cat\. .*classes=\[...\]"),
        (["cat", "dogs"], r"no class 'dog' \(2 boxes\); did you mean dogs\? Correct"),
        (["cat", "Dog"], r"class 'dog' \(2 boxes\) differs from the model's 'Dog' only in case"),
        (["cat", "\uff44og"], "differs from the model's '\uff44og' only in case, spaces or Unicode form"),
        (["cat", " dog"], "differs from the model's ' dog' only in case, spaces or Unicode form"),
    ],
)
def test_boxes_of_a_class_that_the_model_lacks_raise_an_error(coco_root, classes, words):
    with pytest.raises(UserError, match=words) as caught:
        dataset(coco_root).align_classes(classes)
    assert "\n" not in str(caught.value) and "truth.json" in str(caught.value)


def test_model_may_lack_a_class_without_boxes(coco_root):
    write(coco_root, lambda t: t["categories"].append(dict(id=0, name="root")))
    data = dataset(coco_root)
    data.align_classes(["cat", "dog"])
    assert data.metainfo["category_ids"] == (2, 30) and data.labels.tolist() == [1, 0, 0]


def test_model_may_lack_a_class_that_the_config_leaves_out(coco_root):
    data = dataset(coco_root, classes=["cat"])
    data.align_classes(["cat"])
    assert data.labels.tolist() == [0, 0]


def test_numbered_classes_align_with_themselves(coco_root):
    data = dataset(coco_root, classes=31)
    ids = data.metainfo["category_ids"]
    data.align_classes(data.metainfo["classes"])
    assert data.metainfo["category_ids"] == ids == tuple(range(1, 32))


def test_ids_stay_distinct_if_numbered_classes_align_with_names(coco_root):
    data = dataset(coco_root, classes=31)
    data.align_classes(["person", "N/A 1", "dog", "cat", *(f"N/A {number}" for number in range(3, 20)), "cow"])
    ids = data.metainfo["category_ids"]
    assert len(set(ids)) == len(ids) and ids[1:4] == (1, 30, 2) and min(ids[0], ids[-1]) > 31


def test_duplicate_class_raises_an_error(coco_root):
    with pytest.raises(UserError, match="each class must occur once"):
        dataset(coco_root, classes=["dog", "dog"])
