"""The counts, notes and faults of a detection data set."""

import io
import json

import numpy as np
import pytest
from albumentations import HorizontalFlip
from PIL import Image

from densevision.data.check import check_counts, count_lines
from densevision.data.sampler import SampleKey
from densevision.detection.coco import CocoDataset
from densevision.errors import UserError
from densevision.images import write_image
from tests.detection.conftest import TABLE
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


def photo(path, size, orientation):
    """Write a photo whose stored pixels have ``size`` = (height, width), with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:, : size[1] // 2] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", exif=exif)
    path.write_bytes(buffer.getvalue())


def replace_image(root, annotated, stored, orientation):
    """Replace the image a.png (40x80) by a photo, and its size in the json."""
    photo(root / "images" / "a.png", stored, orientation)
    write(root, lambda t: t["images"][0].update(height=annotated[0], width=annotated[1]))


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize(
    ("annotated", "stored", "orientation", "options", "words"),
    [
        ((40, 80), (20, 40), 1, {}, "1 of 3 images do not have .*a.png is annotated as 80x40 .* it is 40x20.*resized"),
        ((40, 80), (80, 40), 1, {}, "annotated as 80x40 .* but it is 40x80: maybe width and height are swapped"),
        ((40, 80), (40, 80), 6, {}, "annotated as 80x40 .* but its EXIF tag rotates it to 40x80: set exif='ignore'"),
        (
            (80, 40),
            (40, 80),
            8,
            dict(exif="ignore"),
            "without the rotation of its EXIF tag it is 80x40: set exif='apply'",
        ),
        ((40, 80), (60, 80), 6, {}, "annotated as 80x40 .* but it is 60x80"),
    ],
)
def test_image_of_another_size_than_annotated_raises_an_error(
    coco_root, split, annotated, stored, orientation, options, words
):
    replace_image(coco_root, annotated, stored, orientation)
    with pytest.raises(UserError, match=words) as caught:
        dataset(coco_root, **options).count(split)
    assert "\n" not in str(caught.value)


def test_wrong_size_also_raises_an_error_when_the_image_is_loaded(coco_root):
    replace_image(coco_root, (40, 80), (40, 80), 6)
    data = dataset(coco_root)
    for key in (0, SampleKey(0, 1)):
        with pytest.raises(UserError, match="a.png is annotated as 80x40 .* set exif='ignore'"):
            data[key]
    assert data[SampleKey(1, 1)]["data_samples"].img_id == 7


def test_photo_with_exif_rotation_is_read_as_annotated(coco_root):
    replace_image(coco_root, (80, 40), (40, 80), 6)
    data = dataset(coco_root)
    assert (
        "1 images are read rotated by their EXIF tag, which fits the size of their annotations"
        in data.count("val").notes
    )
    pixels = data[0]["inputs"]  # rotated to the right, the bright left half is at the top
    assert pixels[0, 2, 20] > 150 and pixels[0, 17, 20] < 50
    assert data[0]["data_samples"].ori_size == (80, 40)
    replace_image(coco_root, (40, 80), (40, 80), 6)
    data = dataset(coco_root, exif="ignore")
    assert (
        "1 images are read as stored, without the rotation of their EXIF tag, which fits the size"
        in data.count("val").notes[1]
    )
    pixels = data[0]["inputs"]
    assert pixels[0, 10, 5] > 150 and pixels[0, 10, 35] < 50 and data[0]["data_samples"].ori_size == (40, 80)


@pytest.mark.parametrize(
    ("size", "orientation", "sized"), [((40, 40), 6, True), ((40, 80), 3, True), ((40, 80), 6, False)]
)
def test_rotation_that_the_size_does_not_show_is_noted(coco_root, size, orientation, sized):
    replace_image(coco_root, size, size, orientation)
    if not sized:
        write(coco_root, lambda t: [t["images"][0].pop(key) for key in ("width", "height")])
    notes = dataset(coco_root).count("val").notes
    assert "1 images are read rotated by their EXIF tag" in notes
    assert any("are rotated too: check a.png, and set exif='ignore' if" in note for note in notes)


def test_rotated_photo_without_boxes_is_not_noted(coco_root):
    photo(coco_root / "images" / "b.png", (80, 40), 6)
    assert not any("EXIF" in note for note in dataset(coco_root).count("val").notes)


@pytest.mark.parametrize("damage", [b"", b"no image", "half"])
def test_damaged_image_is_an_error_before_an_evaluation_and_skipped_in_training(coco_root, damage):
    path = coco_root / "images" / "a.png"
    path.write_bytes(path.read_bytes()[:60] if damage == "half" else damage)
    data = dataset(coco_root)
    for split in ("val", "test"):
        with pytest.raises(UserError, match="a.png: .*; fix or delete the image and its annotation"):
            data.count(split)
    notes = data.count("train").notes
    assert any(note.startswith("1 images can't be read and will be skipped, the first is") for note in notes)


def test_headers_of_training_images_are_sampled(tmp_path):
    images = [dict(id=number, file_name=f"{number}.png", height=8, width=8) for number in range(2000)]
    for image in images:
        write_image(tmp_path / "images" / image["file_name"], np.zeros((8, 8, 3), np.uint8))
    annotations = [dict(id=number, image_id=number, category_id=2, bbox=[1, 1, 5, 5]) for number in range(2000)]
    (tmp_path / "truth.json").write_text(json.dumps(TABLE | dict(images=images, annotations=annotations)))
    (tmp_path / "images" / "3.png").write_bytes(b"")  # 0, 2, 4, ... are checked
    data = dataset(tmp_path)
    assert data.count("train").notes == ()
    with pytest.raises(UserError, match="3.png"):
        data.count("val")


def test_file_names_of_another_machine_are_noted_once(coco_root):
    write(coco_root, lambda t: [i.update(file_name="C:\\data\\" + i["file_name"].upper()) for i in t["images"]])
    data = dataset(coco_root)
    assert [len(data[i]["data_samples"].gt.labels) for i in range(3)] == [2, 0, 1]
    assert any(note.startswith("3 file_name entries are spelled differently") for note in data.count("train").notes)


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


def test_augmentation_gets_clipped_boxes(coco_root):
    write(coco_root, lambda t: t["annotations"][0].update(bbox=[60, 5, 40, 20]))
    data = CocoDataset(str(coco_root), "truth.json", "images", (40, 80), transforms=[dict(type=HorizontalFlip, p=1)])
    assert data[SampleKey(0, 1)]["data_samples"].gt.boxes[0].tolist() == [0, 5, 20, 25]
