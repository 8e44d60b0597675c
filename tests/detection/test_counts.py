"""The counts, notes and faults of a detection data set."""

import numpy as np
import pytest
from albumentations import HorizontalFlip

from densevision.data.check import check_counts, count_lines
from densevision.data.sampler import SampleKey
from densevision.detection.coco import CocoDataset
from densevision.errors import UserError
from densevision.images import write_image
from tests.detection.test_coco_json import dataset, update_all, write


def test_lines_of_a_small_data_set(coco_root):
    counts = dataset(coco_root).count("train")
    assert counts.images == 3 and counts.per_class == {"cat": 2, "dog": 1}
    assert count_lines("train", counts) == [
        "train: 3 images, 3 boxes: cat 2, dog 1",
        "  not used: 1 marked as crowd, 1 of zero size",
        "  images without boxes: 1",
    ]
    assert count_lines("val", counts)[1] == "  kept as COCO's tools do: 1 marked as crowd, 1 of zero size"
    check_counts("train", counts)


def test_many_classes_are_shortened_to_one_line(coco_root):
    def change(table):
        table["categories"] = [dict(id=number, name=f"class {number}") for number in range(80)]
        table["annotations"] = [
            dict(id=number, image_id=4, category_id=number % 40, bbox=[69, 30, 9, 9 - number / 99])
            for number in range(70)
        ]

    write(coco_root, change)
    lines = count_lines("train", dataset(coco_root).count("train"))
    assert len(lines) == 3 and all(len(line) < 160 for line in lines)
    assert lines[0].endswith("32 more") and lines[1].startswith("  without boxes: class 40, ")


def test_boxes_that_may_be_percent_are_noted(coco_root):
    def change(table):
        table["images"][0].update(width=1000, height=500)
        table["annotations"] = [dict(id=n, image_id=4, category_id=2, bbox=[n, n, 20, 50]) for n in range(50)]

    write(coco_root, change)
    write_image(coco_root / "images" / "a.png", np.zeros((500, 1000, 3), np.uint8))
    # the last box ends at 49 + 20 of 1000 and 49 + 50 of 500
    notes = dataset(coco_root).count().notes
    assert any("upper left 7% x 20% of their images: are they in percent" in note for note in notes)


def test_repeated_boxes_are_counted(coco_root):
    write(coco_root, lambda t: t["annotations"].append(t["annotations"][0] | dict(id=70)))
    assert any(
        note.startswith("boxes that repeat another one exactly") and note.endswith(": 1")
        for note in dataset(coco_root).count().notes
    )


def test_boxes_outside_of_their_images_count_in_the_evaluation(coco_root):
    write(coco_root, lambda t: update_all(t, iscrowd=0, bbox=[90, 50, 9, 9]))
    assert "AP stays near 0: no box is left (5 outside of the image)" in dataset(coco_root).count("val").notes


def test_training_stops_if_most_boxes_are_outside_of_their_images(coco_root):
    def change(table):
        for annotation in table["annotations"]:
            annotation["iscrowd"], annotation["bbox"] = 0, [90, 50, 9, 9] if annotation["id"] else [1, 1, 9, 9]

    write(coco_root, change)
    with pytest.raises(UserError, match="train: 4 of 5 boxes in .*truth.json are outside of .*box_format"):
        check_counts("train", dataset(coco_root).count("train"))
    counts = dataset(coco_root).count("val")
    check_counts("val", counts)
    assert any("4 of 5 boxes" in note for note in counts.notes)


def test_boxes_of_classes_that_the_config_leaves_out_are_counted(coco_root):
    counts = dataset(coco_root, classes=["dog"]).count("train")
    assert counts.per_class == {"dog": 1} and counts.dropped == {"of classes that the config leaves out": 3}


# Row 8: iscrowd 1 on every annotation.
def test_training_stops_with_the_remedy_if_all_annotations_are_crowds(coco_root):
    write(coco_root, lambda t: update_all(t, iscrowd=1))
    counts = dataset(coco_root).count("train")
    with pytest.raises(UserError, match="(?s)train: .*all annotations are crowds.*CVAT.*crowds='objects'") as caught:
        check_counts("train", counts)
    assert "\n" not in str(caught.value)
    counts = dataset(coco_root).count("val")
    check_counts("val", counts)
    assert "no AP can be computed: all annotations are crowds" in " ".join(count_lines("val", counts))


def test_crowds_are_read_as_objects(coco_root):
    write(coco_root, lambda t: update_all(t, iscrowd=1))
    counts = dataset(coco_root, crowds="objects").count("train")
    assert counts.per_class == {"cat": 3, "dog": 1} and counts.training_fault is None
    with pytest.raises(UserError, match="crowds='yes' in the config; it must be one of ignore, objects"):
        dataset(coco_root, crowds="yes")


def test_class_with_more_crowds_than_objects_is_noted(coco_root):
    write(coco_root, lambda t: [a.update(iscrowd=1) for a in t["annotations"] if a["category_id"] == 30])
    counts = dataset(coco_root).count("train")
    assert any(note.startswith("more crowds than objects: dog; crowds='objects'") for note in counts.notes)
    assert counts.per_class == {"cat": 2, "dog": 0} and counts.training_fault is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("annotations"), "it has no list 'annotations'"),
        (lambda t: t.update(annotations=[]), "it has no boxes"),
        (lambda t: update_all(t, bbox=[]), r"no box is left \(5 without a box\)"),
        (lambda t: update_all(t, bbox=[3, 3, 0.2, 9]), r"no box is left \(1 marked as crowd, 4 under one pixel\)"),
        (lambda t: update_all(t, bbox=[500, 3, 9, 9]), r"no box is left \(1 marked as crowd, 4 outside of the image\)"),
    ],
)
def test_training_stops_with_the_cause_if_there_is_no_box(coco_root, change, words):
    write(coco_root, change)
    counts = dataset(coco_root).count("train")
    with pytest.raises(UserError, match=f"train: nothing to learn in .*truth.json: {words}"):
        check_counts("train", counts)
    check_counts("val", counts)


def test_no_box_of_the_chosen_classes(coco_root):
    write(coco_root, lambda t: t["categories"].append(dict(id=5, name="cow")))
    with pytest.raises(UserError, match=r"no box is left \(5 of classes that the config leaves out\)"):
        check_counts("train", dataset(coco_root, classes=["cow"]).count("train"))


def test_val_set_without_boxes_has_a_note(coco_root):
    write(coco_root, lambda t: t.update(annotations=[]))
    counts = dataset(coco_root).count("val")
    check_counts("val", counts)
    assert count_lines("val", counts) == ["val: 3 images, 0 boxes", "  no AP can be computed: it has no boxes"]


def test_augmentation_gets_clipped_boxes(coco_root):
    write(coco_root, lambda t: t["annotations"][0].update(bbox=[60, 5, 40, 20]))
    data = CocoDataset(str(coco_root), "truth.json", "images", (40, 80), transforms=[dict(type=HorizontalFlip, p=1)])
    assert data[SampleKey(0, 1)]["data_samples"].gt.boxes[0].tolist() == [0, 5, 20, 25]
