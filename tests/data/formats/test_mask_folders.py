"""Folders of images and masks are recognized, and the data set reads what the layout says."""

import importlib

import numpy as np
import pytest
from PIL import Image

from densevision.data.check import check_counts
from densevision.data.formats.mask_folders import recognize_mask_folders
from densevision.errors import UserError
from tests.data.formats.mask_trees import PALETTE, write_image, write_mask, write_pairs

RED, GREEN, BLACK, WHITE = (200, 0, 0), (0, 200, 0), (0, 0, 0), (255, 255, 255)


def read(layout, part=None):
    """Build the data set of a part, and check it as a training does."""
    module, _, name = layout.dataset.rpartition(".")
    part = part or next(iter(layout.parts))
    data = getattr(importlib.import_module(module), name)(**layout.shared, **layout.parts[part])
    check_counts("train", data.count("train"))
    return data


def classes_of(root):
    layout = recognize_mask_folders(root)
    read(layout)
    return layout.shared["classes"]


@pytest.mark.parametrize(
    "values, classes",
    [
        ((0, 255), {"background": 0, "object": 255}),  # binary: 255 is the object
        ((0, 1), {"background": 0, "object": 1}),
        ((0, 1, 255), {"background": 0, "object": 1}),  # 255 next to ids is ignored
        ((0, 1, 2, 255), {"background": 0, "class_1": 1, "class_2": 2}),
        ((1, 2, 3), {"class_1": 1, "class_2": 2, "class_3": 3}),
        ((0, 128, 255), {"background": 0, "class_128": 128, "class_255": 255}),  # evenly spaced gray levels
        ((0, 38), {"background": 0, "object": 38}),
    ],
)
def test_values_of_masks_become_classes(tmp_path, values, classes):
    assert classes_of(write_pairs(tmp_path, "images", "masks", *values)) == classes


def test_values_that_only_some_masks_have_count(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 255)
    write_mask(tmp_path / "masks/street_0.png", 0)
    write_mask(tmp_path / "masks/street_1.png", 255)
    assert classes_of(tmp_path) == {"background": 0, "object": 255}


def test_pixels_between_0_and_255_at_the_edges_are_ignored(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 255, count=1)
    mask = np.zeros((40, 40), np.uint8)
    mask[20:] = 255
    mask[20, :5] = (30, 90, 130, 180, 220)  # 5 of 1,600 pixels
    write_image(tmp_path / "images/street_0.jpg", (40, 40))
    Image.fromarray(mask).save(tmp_path / "masks/street_0.png")
    layout = recognize_mask_folders(tmp_path)
    assert layout.shared["classes"] == {"background": 0, "object": 255}
    assert any("ids that are no class and are ignored: 30, 90, 130, 180, 220" in note for note in layout.notes)
    assert (read(layout).read_labels(0) == 255).sum() == 5


@pytest.mark.parametrize("dtype, high", [(bool, 1), (np.uint16, 65535), (np.uint8, 255)])
def test_binary_masks_of_any_pixel_format(tmp_path, dtype, high):
    write_pairs(tmp_path, "images", "masks", 0)
    for path in (tmp_path / "masks").iterdir():
        mask = np.zeros((8, 8), dtype)
        mask[4:] = high
        Image.fromarray(mask).save(path)
    data = read(recognize_mask_folders(tmp_path))
    assert data.metainfo["classes"] == ("background", "object")
    assert np.bincount(data.read_labels(0).ravel()).tolist() == [32, 32]


@pytest.mark.parametrize("channels", [3, 4])
def test_black_and_white_in_equal_channels_is_binary(tmp_path, channels):
    write_pairs(tmp_path, "images", "masks", 0)
    for path in (tmp_path / "masks").iterdir():
        mask = np.zeros((8, 8, channels), np.uint8)
        mask[4:] = 255
        mask[..., 3:] = 255
        Image.fromarray(mask).save(path)
    assert classes_of(tmp_path) == {"background": 0, "object": 255}


def test_a_mask_in_the_alpha_channel_is_read(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0)
    for path in (tmp_path / "masks").iterdir():
        mask = np.full((8, 8, 4), 255, np.uint8)
        mask[4:, :, 3] = 0
        Image.fromarray(mask).save(path)
    layout = recognize_mask_folders(tmp_path)
    assert layout.shared["colors"] == {"background": BLACK, "object": WHITE}
    assert np.bincount(read(layout).read_labels(0).ravel()).tolist() == [32, 32]


def test_palette_masks_are_ids(tmp_path):
    write_pairs(tmp_path, "JPEGImages", "annotations", 0, 1, 3, palette=PALETTE)
    assert classes_of(tmp_path) == {"background": 0, "class_1": 1, "class_3": 3}


def test_palettes_that_differ_are_read_by_color(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 1, count=2, palette=[*BLACK, *RED])
    write_mask(tmp_path / "masks/street_1.png", 1, 0, palette=[*RED, *BLACK])
    layout = recognize_mask_folders(tmp_path)
    assert layout.shared["colors"] == {"background": BLACK, "object": RED}
    data = read(layout)
    assert data.read_labels(0).tolist() == data.read_labels(1).tolist()


def test_colors_without_names(tmp_path):
    write_pairs(tmp_path, "images", "masks", BLACK, RED, GREEN)
    layout = recognize_mask_folders(tmp_path)
    assert layout.shared["colors"] == {"background": BLACK, "class_1": GREEN, "class_2": RED}
    assert any("no file names the colors" in note for note in layout.notes)
    assert np.bincount(read(layout).read_labels(0).ravel()).tolist() == [24, 16, 24]


@pytest.mark.parametrize(
    "images, masks, part",
    [
        ("images", "masks", "all"),
        ("Image", "Label", "all"),
        ("img", "mask", "all"),
        ("JPEGImages", "Annotations", "all"),
        ("train/images", "train/masks", "train"),
        ("images/training", "annotations/training", "train"),
        ("images/valid", "masks/validation", "val"),
        ("train", "trainannot", "train"),
        ("train", "train_masks", "train"),
        ("val_images", "val_labels", "val"),
        ("unpacked/images", "unpacked/masks", "all"),
        ("JPEGImages", "SegmentationClassPNG", "all"),
    ],
)
def test_names_of_folders(tmp_path, images, masks, part):
    layout = recognize_mask_folders(write_pairs(tmp_path, images, masks, 0, 1))
    assert list(layout.parts) == [part]
    assert len(read(layout)) == 4


@pytest.mark.parametrize(
    "image, mask",
    [
        ("{}.jpg", "{}.png"),
        ("{}.JPG", "{}.PNG"),
        ("image_{}.png", "mask_{}.png"),
        ("{}.jpeg", "{}_mask.gif"),
        ("a/{}.jpg", "a/{}.png"),
        ("{}_rgb.tif", "{}_gt.bmp"),
        ("{}.jpg", "other/{}.png"),
    ],
)
def test_names_of_files(tmp_path, image, mask):
    for stem in ("street 1", "ü#2", "Straße_3"):
        write_image(tmp_path / "images" / image.format(stem))
        write_mask(tmp_path / "masks" / mask.format(stem), 0, 1)
    assert len(read(recognize_mask_folders(tmp_path))) == 3


@pytest.mark.parametrize("ends", [(".jpg", "_mask.png"), (".png", "_mask.png"), (".jpg", ".png"), (".JPG", "_L.png")])
@pytest.mark.parametrize("folder", [".", "train", "data"])
def test_images_and_masks_in_one_folder(tmp_path, folder, ends):
    data = read(recognize_mask_folders(write_pairs(tmp_path, folder, folder, 0, 1, ends=ends)))
    assert len(data) == len(data.labels) == 4
    assert not set(data.images) & set(data.labels)


def test_lists_divide_one_folder(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 1)
    (tmp_path / "train.txt").write_text("street_0\nstreet_2\n")
    (tmp_path / "val.txt").write_text("images/street_3.jpg masks/street_3.png\n")
    layout = recognize_mask_folders(tmp_path)
    assert layout.parts["train"]["image_list"] == "train.txt"
    assert [path[-12:] for path in read(layout).images] == ["street_0.jpg", "street_2.jpg"]
    assert [path[-12:] for path in read(layout, "val").images] == ["street_3.jpg"]


def test_what_is_no_folder_of_masks_is_not_recognized(tmp_path):
    write_image(tmp_path / "images/a.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 1 1")  # YOLO
    assert recognize_mask_folders(tmp_path) is None
    assert recognize_mask_folders(tmp_path / "images") is None
    assert recognize_mask_folders(tmp_path / "absent") is None


def test_jpeg_masks_and_photos_raise_a_clear_error(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 1, ends=(".png", ".jpg"))
    with pytest.raises(UserError, match="is a JPEG, which changes ids"):
        recognize_mask_folders(tmp_path)
    write_pairs(tmp_path / "c", "images", "masks", 0)
    Image.fromarray(np.full((8, 8), 300, np.uint16)).save(tmp_path / "c/masks/street_0.png")
    with pytest.raises(UserError, match="contains ids up to 300"):
        recognize_mask_folders(tmp_path / "c")
    photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    write_pairs(tmp_path / "b", "images", "masks", RED, BLACK)
    Image.fromarray(photo).save(tmp_path / "b/masks/street_0.png")
    with pytest.raises(UserError, match="colors, as photos or blurred masks have"):
        recognize_mask_folders(tmp_path / "b")


def test_a_damaged_mask_does_not_hide_the_others(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 1)
    (tmp_path / "masks/street_2.png").write_bytes(b"")
    assert recognize_mask_folders(tmp_path).shared["classes"] == {"background": 0, "object": 1}


def test_many_ignored_pixels_are_accepted_as_they_are(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 1, 255, 255)
    layout = recognize_mask_folders(tmp_path)
    assert layout.shared["max_unnamed"] == 0.6  # half of the pixels are 255
    assert "255 is ignored, as usual: 50.0% of the pixels" in layout.notes
    read(layout)


def smooth(mask, size):
    """Resize a mask as photo editors do, which blends values at edges."""
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR))


def test_a_binary_mask_that_was_resized_is_binary(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0)
    mask = np.zeros((30, 30), np.uint8)
    mask[7:23, 8:20] = 255
    for number in range(4):
        write_image(tmp_path / f"images/street_{number}.jpg", (100, 100))
        Image.fromarray(smooth(np.roll(mask, number), (100, 100))).save(tmp_path / f"masks/street_{number}.png")
    layout = recognize_mask_folders(tmp_path)
    assert layout.shared["classes"] == {"background": 0, "object": 255}


def test_a_color_mask_that_was_resized_has_the_colors_of_its_areas(tmp_path):
    write_pairs(tmp_path, "images", "masks", RED)
    mask = np.zeros((30, 30, 3), np.uint8)
    mask[10:20, 5:15] = RED
    mask[10:20, 20:28] = GREEN
    for number in range(4):
        write_image(tmp_path / f"images/street_{number}.jpg", (200, 200))
        Image.fromarray(smooth(mask, (200, 200))).save(tmp_path / f"masks/street_{number}.png")
    layout = recognize_mask_folders(tmp_path)
    assert layout.shared["colors"] == {"background": BLACK, "class_1": GREEN, "class_2": RED}
    assert "colors at edges are ignored" in layout.notes[1]
    read(layout)


def test_few_colors_between_others_are_classes(tmp_path):
    gray = (128, 128, 128)
    write_pairs(tmp_path, "images", "masks", BLACK, RED, WHITE, count=1)
    mask = np.zeros((40, 40, 3), np.uint8)
    mask[:20], mask[20:30], mask[39, 35:] = WHITE, RED, gray  # 5 of 1,600 pixels are gray
    write_image(tmp_path / "images/street_0.jpg", (40, 40))
    Image.fromarray(mask).save(tmp_path / "masks/street_0.png")
    assert gray in recognize_mask_folders(tmp_path).shared["colors"].values()


def test_gray_photos_are_no_masks(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0)
    photo = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(photo).save(tmp_path / "masks/street_0.png")
    with pytest.raises(UserError, match="256 different values, as photos or blurred masks have"):
        recognize_mask_folders(tmp_path)
