"""The images and label files that are found in a folder, and the notes about the others."""

import shutil

import numpy as np
import pytest
from PIL import Image

from densevision.errors import UserError
from densevision.segmentation.cityscapes import CityscapesDataset

CLASSES = {"a": 0, "b": 1}


def write(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".jpg", ".png", ".jpeg"):
            shape = (8, 8) if "gtFine" in name else (8, 8, 3)
            Image.fromarray(np.zeros(shape, np.uint8)).save(path)
        else:
            path.write_text("text")


def pair(root, stem, image=".jpg", label=".png"):
    write(root, f"leftImg8bit/train/x/{stem}{image}", f"gtFine/train/x/{stem}{label}")


def read(root, **options):
    return CityscapesDataset(str(root), "train", CLASSES, **(dict(image_suffix=".jpg", label_suffix=".png") | options))


def error_of(root, **options):
    with pytest.raises(UserError) as caught:
        read(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_suffixes_are_case_insensitive(tmp_path):
    pair(tmp_path, "a")
    pair(tmp_path, "b", image=".JPG")
    pair(tmp_path, "c", image=".Jpg", label=".PNG")
    data = read(tmp_path)
    assert [path[-5:] for path in data.images] == ["a.jpg", "b.JPG", "c.Jpg"]
    assert [path[-5:] for path in data.labels] == ["a.png", "b.png", "c.PNG"]
    assert len(read(tmp_path, image_suffix=".JPG", label_suffix=".PNG")) == 3


def test_unused_files_are_counted_by_kind(tmp_path):
    pair(tmp_path, "a")
    write(tmp_path, *(f"leftImg8bit/train/x/{name}" for name in ("n.txt", "m.txt", "b.jpeg", "README", "deep/c.jpg")))
    write(tmp_path, "leftImg8bit/train/d.jpg", "gtFine/train/x/lonely.png", "gtFine/train/x/notes.txt")
    write(tmp_path, "leftImg8bit/train/x/.DS_Store", "leftImg8bit/train/x/._a.jpg", "leftImg8bit/train/x/Thumbs.db")
    write(tmp_path, "leftImg8bit/train/@eaDir/a.jpg", "leftImg8bit/train/__MACOSX/a.jpg")
    notes = read(tmp_path).count("train").notes
    unused = next(note for note in notes if "not used" in note)
    assert unused.startswith("6 files in ")
    for part in ("2 .txt", "1 .jpeg", "1 without suffix", "1 (folder)", "1 directly in train/"):
        assert part in unused
    assert any("1 label files have no image" in note and "lonely.png" in note for note in notes)


def test_two_images_or_labels_of_one_name_raise_an_error(tmp_path):
    pair(tmp_path, "a")
    write(tmp_path, "leftImg8bit/train/x/a.JPG")
    assert "a.JPG" in error_of(tmp_path) and "a.jpg" in error_of(tmp_path)
    (tmp_path / "leftImg8bit/train/x/a.JPG").unlink()
    write(tmp_path, "gtFine/train/x/a.PNG")
    assert "label the same image" in error_of(tmp_path)


def test_same_name_in_two_folders_is_two_images(tmp_path):
    pair(tmp_path, "a")
    write(tmp_path, "leftImg8bit/train/y/a.jpg", "gtFine/train/y/a.png")
    assert len(read(tmp_path)) == 2


def test_image_without_a_label_file_raises_an_error_with_a_file_that_was_found(tmp_path):
    pair(tmp_path, "a", label="_mask.png")
    message = error_of(tmp_path)
    assert "1 of 1 images have no label file" in message and "a.png" in message and "found x/a_mask.png" in message
    shutil.rmtree(tmp_path / "gtFine")
    assert "gtFine/train does not exist" in error_of(tmp_path)


def test_special_characters_and_linked_folders_work(tmp_path):
    pair(tmp_path, "a [1] ü#")
    outside = tmp_path / "outside"
    for kind in ("leftImg8bit", "gtFine"):
        (outside / kind).mkdir(parents=True)
        shutil.move(tmp_path / kind / "train" / "x", outside / kind / "x")
        (tmp_path / kind / "train" / "x").symlink_to(outside / kind / "x")
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize(
    "names, message",
    [
        (["leftImg8bit/train/a.jpg", "gtFine/train/a.png"], "a.jpg directly; move them one folder deeper"),
        (["JPEGImages/a.jpg", "SegmentationClass/a.png"], "contains JPEGImages, SegmentationClass;"),
        (["images/training/a.jpg", "annotations/training/a.png"], "contains annotations, images;"),
        (["images/a.jpg", "masks/a.png"], "contains images, masks;"),
        (["a.jpg", "a.png"], "contains a.jpg, a.png;"),
        (["leftImg8bit/training/x/a.jpg"], "found next to it: training"),
        (["leftImg8bit/train/x/a.png"], "found x/a.png, so set image_suffix"),
        (["leftImg8bit/train/x/y/a.jpg"], "one folder per city"),
    ],
)
def test_other_layouts_raise_a_one_line_error_with_what_was_found(tmp_path, names, message):
    write(tmp_path, *names)
    assert message in error_of(tmp_path)


def test_missing_label_folder_raises_an_error_with_what_was_found(tmp_path):
    pair(tmp_path, "a")
    (tmp_path / "gtFine").rename(tmp_path / "gtCoarse")
    message = error_of(tmp_path)
    assert "gtFine/train does not exist" in message and "contains gtCoarse, leftImg8bit" in message
    assert "label files in gtFine/SPLIT/ANY/" in message
