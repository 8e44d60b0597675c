"""Sizes, EXIF rotations and damage of images and masks, found before the training."""

import os

import numpy as np
import pytest
from albumentations import PadIfNeeded, RandomCrop
from PIL import Image

from densevision.errors import UserError
from densevision.segmentation.cityscapes import CityscapesDataset
from tests.segmentation.conftest import ROAD, check, fault_of, lines, make_dataset, mask, write_frame


def exif_image(path, size, orientation):
    """Write a JPEG of (height, width) with an EXIF orientation."""
    image = Image.fromarray(np.full((*size, 3), 90, np.uint8))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)


def make_photos(root, orientations, mask_size, **options):
    """Make a data set of photos that are stored with 6x10 pixels, and masks of one size."""
    for number, orientation in enumerate(orientations):
        ids = np.zeros(mask_size, np.uint8)
        ids[:2] = 1
        image, _ = write_frame(root, f"a{number}", ids)
        image.unlink()
        exif_image(image.with_suffix(".jpg"), (6, 10), orientation)
    return CityscapesDataset(str(root), "val", ROAD, image_suffix="_leftImg8bit.jpg", **options)


@pytest.mark.parametrize("split", ["train", "val"])
def test_mask_of_another_size_is_found_before_the_training(tmp_path, split):
    masks = [mask((0, 32), (1, 32))] * 3
    data = make_dataset(tmp_path, masks, ROAD, "val")
    Image.fromarray(masks[0][:4]).save(data.labels[2])
    message = fault_of(data, split)
    assert "8x4" in message and "8x8" in message and str(data.labels[2]) in message and "size of their image" in message


def test_rotated_photos_are_noted_and_fit_masks_of_the_rotated_image(tmp_path):
    data = make_photos(tmp_path, [1, 6, 8], (10, 6))
    os.remove(data.images[0])
    exif_image(data.images[0], (10, 6), 1)
    check(data, "val")
    assert "2 images are read rotated by their EXIF tag, which fits" in lines(data, "val")
    assert data[1]["inputs"].shape == (3, 10, 6)


def test_masks_of_the_photo_as_stored_stop_with_the_remedy_and_are_read_with_it(tmp_path):
    message = fault_of(make_photos(tmp_path, [6, 6], (6, 10)), "val")
    assert (
        "2 label files differ in size" in message
        and "fits without the rotation" in message
        and "exif='ignore'" in message
    )
    data = make_photos(tmp_path, [6, 6], (6, 10), exif="ignore")
    check(data, "val")
    assert "read as stored, without the rotation" in lines(data, "val")
    assert data[0]["inputs"].shape == (3, 6, 10)


@pytest.mark.parametrize("exif", ["apply", "ignore"])
def test_no_option_is_suggested_if_none_fits_all_rotated_images(tmp_path, exif):
    data = make_photos(tmp_path, [6, 6], (10, 6), exif=exif)
    Image.fromarray(np.zeros((6, 10), np.uint8)).save(data.labels[0])
    message = fault_of(data, "val")
    assert "save the images upright" in message and "exif=" not in message


@pytest.mark.parametrize(
    "sizes, seen", [([(8, 8)], "8x8"), ([(12, 12), (9, 99)], "99x9"), ([(12, 12), (99, 9)], "9x99")]
)
def test_crop_larger_than_an_image_is_found_before_the_training(tmp_path, sizes, seen):
    crop = [dict(type=RandomCrop, height=10, width=10)]
    for number, size in enumerate(sizes):
        write_frame(tmp_path, f"a{number}", np.arange(size[0] * size[1]).reshape(size).astype(np.uint8) % 2)
    with pytest.raises(UserError, match=f"image of {seen}.*PadIfNeeded") as caught:
        CityscapesDataset(str(tmp_path), "val", ROAD, transforms=crop).count("train")
    assert "\n" not in str(caught.value)
    padded = [dict(type=PadIfNeeded, min_height=10, min_width=10), *crop]
    CityscapesDataset(str(tmp_path), "val", ROAD, transforms=padded).count("train")


def test_rotation_that_keeps_the_size_is_noted(tmp_path):
    data = make_photos(tmp_path, [3], (6, 10))
    check(data, "val")
    assert "does not show whether their annotations are rotated" in lines(data, "val")


def test_other_exif_option_raises_an_error(tmp_path):
    with pytest.raises(UserError, match="'apply' or 'ignore'"):
        make_photos(tmp_path, [1], (6, 10), exif=False)


def test_damaged_files_are_counted_in_training_and_stop_an_evaluation(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 32), (1, 32))] * 4, ROAD)
    os.truncate(data.labels[0], os.path.getsize(data.labels[0]) - 25)  # in the pixels
    os.truncate(data.labels[1], 10)  # in the header
    data = read_again(tmp_path)
    check(data)
    assert "2 images or their label files can't be read" in lines(data)
    assert str(data.labels[0]) in fault_of(data, "val")
    for path in data.labels:
        os.truncate(path, 10)
    assert "3 more can't be read" in fault_of(read_again(tmp_path))


def test_training_stops_if_all_images_are_damaged(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 32), (1, 32))] * 3, ROAD)
    for path in data.images:
        os.truncate(path, 30)
    assert "2 more can't be read" in fault_of(data)


def read_again(root):
    return CityscapesDataset(str(root), "train", ROAD)
