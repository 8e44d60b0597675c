"""A folder per class: labels, counts, faults."""

import numpy as np
import pytest
from albumentations import HorizontalFlip

from densevision.classification.dataset import ImageFolder
from densevision.data.check import check_counts, count_lines
from densevision.data.sampler import SampleKey
from densevision.errors import UserError
from densevision.images import write_image
from tests.classification.conftest import write_tree


def folder(root, split="train", **options):
    return ImageFolder(str(root), split, (8, 8), **options)


def test_labels_follow_the_sorted_folders(tree):
    data = folder(tree)
    assert data.metainfo["classes"] == ("blue", "green", "red")
    assert data.labels.tolist() == [0, 1, 1, 1, 2, 2]
    sample = data[4]
    assert sample["inputs"].shape == (3, 8, 8) and sample["data_samples"].gt.label.tolist() == [2]
    assert sample["data_samples"].ori_size == (12, 16)
    assert count_lines("train", data.count("train")) == ["train: 6 images, 6 labels: green 3, red 2, blue 1"]


def test_a_file_of_classes_gives_order_and_names(tree):
    (tree / "classes.txt").write_text("red\tcherry\nblue\ngreen\tleaf\n")
    data = folder(tree)
    assert data.metainfo["classes"] == ("cherry", "blue", "leaf")
    assert data.labels.tolist() == [1, 2, 2, 2, 0, 0]
    chosen = folder(tree, classes=["leaf", "cherry"])
    assert chosen.labels.tolist() == [0, 0, 0, 1, 1]
    assert chosen.count("train").dropped == {"images of classes that are left out": 1}


def test_a_class_missing_in_val_is_one_line_and_labels_are_the_models(tree):
    data = folder(tree, "val")
    assert data.labels.tolist() == [0, 1, 1]
    data.align_classes(("red", "green", "blue"))
    assert data.labels.tolist() == [2, 0, 0] and data.metainfo["classes"] == ("red", "green", "blue")
    counts = data.count("val")
    check_counts("val", counts)
    assert count_lines("val", counts) == ["val: 3 images, 3 labels: red 2, blue 1", "  without labels: green"]


def test_the_center_crop_is_cut_before_the_resize(tmp_path):
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[4:12, 12:20] = 200  # the half of the central 16x16
    write_image(tmp_path / "train/a/1.png", pixels)
    assert (folder(tmp_path, center_crop=0.5)[0]["inputs"] == 200).all()
    whole = folder(tmp_path)[0]["inputs"][0]
    assert whole[0, 0] == 0 and whole[4, 4] == 200


def test_an_augmented_sample_is_a_function_of_its_seed(tree):
    data = folder(tree, transforms=[dict(type="densevision.InceptionCrop"), dict(type=HorizontalFlip)])
    once, again = (data[SampleKey(3, 7)]["inputs"] for _ in range(2))
    assert once.shape == (3, 8, 8) and (once == again).all()


@pytest.mark.parametrize(
    ("count", "indices"),
    [
        (6, [0, 1, 2, 3, 4, 5]),  # blue 0, green 1 to 3, red 4 and 5
        (5, [0, 1, 2, 4, 5]),  # two of green, evenly spread
        (3, [0, 1, 4]),
        (2, [1, 4]),  # the smaller class first gets a third, rounded down
    ],
)
def test_images_for_a_calibration_are_of_all_classes(tree, count, indices):
    assert folder(tree).spread(count) == indices


def test_links_subfolders_and_system_files(tree):
    (tree / "train/red/more").mkdir()
    (tree / "train/red/0.png").rename(tree / "train/red/more/0.png")
    (tree / "train/gray").symlink_to(tree / "val/red")
    (tree / "train/.cache").mkdir()
    (tree / "train/red/._1.png").write_bytes(b"")
    (tree / "train/red/note.md").write_text("")
    write_image(tree / "train/loose.png", np.zeros((4, 4, 3), np.uint8))
    counts = folder(tree).count("train")
    assert counts.per_class == dict(blue=1, gray=2, green=3, red=2)
    assert counts.dropped == {"images in no class folder": 1, "files in other formats": 1}


def _one_class(root):
    write_tree(root, dict(train=dict(red=2)))


def _empty_class(root):
    write_tree(root, dict(train=dict(red=2, blue=1, green=0)))


def _only_images(root):
    write_image(root / "train/1.png", np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (_one_class, "train: .*/train has one class, red; a classifier needs a folder of each of two or more"),
        (_empty_class, "train: .*/train has no image of green; add images, delete the folder"),
        (_only_images, "contains 1 images and no folder; it needs a folder per class, as in train/cat/1.jpg"),
        (lambda root: (root / "train").mkdir(), "contains no folder; it needs a folder per class"),
        (lambda root: write_tree(root, {"train/train": dict(a=1)}), "contains the splits train, not a folder per"),
        (lambda root: None, "train does not exist; it needs a folder per class"),
    ],
)
def test_what_can_not_be_trained_on_is_one_line(tmp_path, write, line):
    write(tmp_path)
    with pytest.raises(UserError, match=line) as caught:
        check_counts("train", folder(tmp_path).count("train"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("red\nblue\n", "classes.txt lacks the folder 'green'"),
        ("red\ngreen\nblue\nred\n", "has the folder 'red' twice"),
        ("red\tcrane\ngreen\tcrane\nblue", "has the class 'crane' twice"),
    ],
)
def test_a_wrong_file_of_classes_is_one_line(tree, text, line):
    (tree / "classes.txt").write_text(text)
    with pytest.raises(UserError, match=line):
        folder(tree)


def test_an_unreadable_image_is_skipped_in_training_and_named_in_evaluation(tree, capsys):
    (tree / "train/red/0.png").write_bytes(b"not an image")
    data = folder(tree)
    counts = data.count("train")
    assert counts.training_fault is None and "1 images can't be read and will be skipped" in counts.notes[0]
    assert data[SampleKey(4, 1)]["inputs"].shape == (3, 8, 8)
    with pytest.raises(UserError, match=r"val: .*red/0\.png.*; fix or delete the image"):
        check_counts("val", data.count("val"))


def test_a_class_that_the_model_lacks_is_one_line(tree):
    with pytest.raises(UserError, match=r"the model has no class 'red' \(2 images\); did you mean rad"):
        folder(tree).align_classes(("blue", "green", "rad"))
    with pytest.raises(UserError, match="has no folder of cat; its classes are blue, green, red"):
        folder(tree, classes=["cat"])
