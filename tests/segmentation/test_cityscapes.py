import os

import albumentations as A
import numpy as np
import pytest
import torch
from PIL import Image

from densevision.data.sampler import SampleKey
from densevision.errors import UserError
from densevision.segmentation.cityscapes import CityscapesDataset, class_info
from densevision.training.splits import shared_images
from tests.segmentation.conftest import FRAMES, IDS, write_frame

CLASSES = ("sky", "road", "car")
EXPECTED = np.select([IDS == 23, IDS == 7, IDS == 26], [0, 1, 2], 255)  # in the order of CLASSES


def test_ids_become_indices_in_the_chosen_order_and_the_rest_is_ignored(cityscapes):
    item = CityscapesDataset(str(cityscapes), "val", CLASSES)[0]
    labels = item["data_samples"].gt.labels
    assert labels.shape == (1, 8, 8) and labels.dtype == torch.uint8
    assert labels[0].tolist() == EXPECTED.tolist()


def test_image_is_rgb_channels_first_and_sizes_are_height_width(tmp_path):
    image_path, _ = write_frame(tmp_path, FRAMES[0], np.full((4, 6), 7, np.uint8))
    item = CityscapesDataset(str(tmp_path), "val")[0]
    inputs, sample = item["inputs"], item["data_samples"]
    assert inputs.shape == (3, 4, 6) and inputs.dtype == torch.uint8
    assert inputs[:, 3, 5].tolist() == [50, 30, 0]  # red increases to the right, green downward
    assert sample.ori_size == sample.input_size == (4, 6)
    assert sample.img_path == str(image_path)


def test_default_is_the_19_training_classes(cityscapes):
    dataset = CityscapesDataset(str(cityscapes), "val")
    assert len(dataset) == 2
    assert dataset.metainfo["classes"][:2] == ("road", "sidewalk")
    assert dataset.metainfo["palette"][0] == (128, 64, 128)
    assert dataset.metainfo["label_ids"][-1] == 33
    assert dataset[0]["data_samples"].gt.labels[0, 4, 4] == 13  # car


def test_classes_with_user_ids(cityscapes):
    dataset = CityscapesDataset(str(cityscapes), "val", {"top": 23, "car": 26})
    assert dataset.metainfo["label_ids"] == [23, 26]
    assert dataset.metainfo["palette"][1] == (0, 0, 142)  # a class of the table has its color
    assert sorted(np.unique(dataset.read_labels(0))) == [0, 1, 255]


def test_palette_images_are_read_as_indices(cityscapes):
    _, path = write_frame(cityscapes, FRAMES[0])
    image = Image.fromarray(IDS).convert("L").convert("P")
    image.putdata(IDS.ravel().tolist())
    image.putpalette([value for i in range(256) for value in (255 - i, i, 3)])
    image.save(path)
    assert Image.open(path).mode == "P"
    assert CityscapesDataset(str(cityscapes), "val", CLASSES).read_labels(0).tolist() == EXPECTED.tolist()


def test_image_and_labels_are_augmented_alike_and_by_the_seed_only(cityscapes):
    transforms = [dict(type=A.HorizontalFlip, p=0.5), dict(type=A.RandomCrop, height=4, width=4)]
    dataset = CityscapesDataset(str(cityscapes), "val", CLASSES, transforms=transforms)
    seen = set()
    for seed in range(20):
        item, again = dataset[SampleKey(1, seed)], dataset[SampleKey(1, seed)]
        inputs, labels = item["inputs"], item["data_samples"].gt.labels[0]
        assert torch.equal(inputs, again["inputs"])
        columns, rows = inputs[0].numpy() // 10, inputs[1].numpy() // 10
        assert labels.tolist() == EXPECTED[rows, columns].tolist()
        assert item["data_samples"].input_size == (4, 4)
        seen.add(tuple(inputs[:2].flatten().tolist()))
    assert len(seen) > 5
    assert dataset[1]["inputs"].shape == (3, 8, 8)


def test_padding_is_ignored_and_masks_stay_integers(cityscapes):
    transforms = [
        dict(type=A.RandomScale, scale_limit=(0.5, 0.5), p=1.0),
        dict(type=A.PadIfNeeded, min_height=16, min_width=16, fill=127, fill_mask=255),
    ]
    item = CityscapesDataset(str(cityscapes), "val", CLASSES, transforms=transforms)[SampleKey(0, 0)]
    labels = item["data_samples"].gt.labels[0]
    assert set(labels.unique().tolist()) <= {0, 1, 2, 255}
    assert labels[0].eq(255).all() and item["inputs"][:, 0].eq(127).all()


def test_test_split_without_labels_has_images_only(tmp_path):
    _, label_path = write_frame(tmp_path, FRAMES[0], split="test")
    label_path.unlink()
    label_path.parent.rmdir()
    label_path.parent.parent.rmdir()
    item = CityscapesDataset(str(tmp_path), "test")[0]
    assert item["inputs"].shape == (3, 8, 8)
    assert "gt" not in item["data_samples"]


def test_suffixes_can_be_changed(tmp_path):
    image_path, label_path = write_frame(tmp_path, FRAMES[0])
    image_path.rename(image_path.with_name("a.photo.png"))
    label_path.rename(label_path.with_name("a.mask.png"))
    dataset = CityscapesDataset(str(tmp_path), "val", image_suffix=".photo.png", label_suffix=".mask.png")
    assert len(dataset) == 1


def error_of(*arguments, **options):
    with pytest.raises(UserError) as caught:
        CityscapesDataset(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_folders_and_files_raise_an_error_that_names_them(cityscapes):
    assert "train does not exist" in error_of(str(cityscapes), "train")
    assert "found next to it: val" in error_of(str(cityscapes), "train")
    message = error_of(str(cityscapes), "val", image_suffix="_leftImg8bit.jpg")
    assert "set image_suffix" in message and f"{FRAMES[0]}_leftImg8bit.png" in message
    message = error_of(str(cityscapes), "val", label_suffix="_mask.png")
    assert "2 of 2 images" in message and f"{FRAMES[0]}_mask.png" in message


@pytest.mark.parametrize(
    "classes, message",
    [
        (["sky", "rode"], "did you mean 'road'"),
        (["sky", "sky"], "different names"),
        ([], "at least one"),
        ({"blob": 300}, "'blob'"),
        ({"blob": "7"}, "'blob'"),
    ],
)
def test_classes_are_checked(classes, message):
    with pytest.raises(UserError, match=message):
        class_info(classes)


def test_train_ids_and_other_wrong_encodings_raise_an_error_at_the_start(cityscapes):
    _, path = write_frame(cityscapes, FRAMES[0], np.where(IDS == 0, 255, 0).astype(np.uint8))
    assert "ids [255]" in error_of(str(cityscapes), "val") and "labelTrainIds" in error_of(str(cityscapes), "val")
    Image.fromarray(np.dstack([IDS, IDS, IDS + 1])).save(path)
    assert "color image" in error_of(str(cityscapes), "val")
    Image.fromarray(np.full((8, 8), 26001, np.uint16)).save(path)
    assert "26001" in error_of(str(cityscapes), "val")


def test_label_file_of_another_size_raises_an_error_with_both_sizes(cityscapes):
    _, path = write_frame(cityscapes, FRAMES[1])
    Image.fromarray(IDS[:4]).save(path)
    with pytest.raises(UserError, match="8x4.*8x8"):
        CityscapesDataset(str(cityscapes), "val")[1]


def test_damaged_label_file_is_skipped_in_training_and_an_error_in_evaluation(cityscapes):
    dataset = CityscapesDataset(str(cityscapes), "val", CLASSES)
    os.truncate(dataset.labels[1], 40)
    assert dataset[SampleKey(1, 0)]["data_samples"].img_id == 0
    with pytest.raises(UserError, match=FRAMES[1]):
        dataset[1]


def test_several_splits_are_used_as_one(cityscapes):
    write_frame(cityscapes, FRAMES[0], np.full((8, 8), 26, np.uint8), split="train", city="bern")
    data = CityscapesDataset(str(cityscapes), ["train", "val"], CLASSES)
    places = [path.removeprefix(f"{cityscapes}/leftImg8bit/") for path in data.image_paths()]
    assert places == [f"train/bern/{FRAMES[0]}_leftImg8bit.png"] + [f"val/bern/{f}_leftImg8bit.png" for f in FRAMES]
    assert [data.result_name(index) for index in range(3)] == places
    assert data.read_labels(0).tolist() == [[2] * 8] * 8 and data.read_labels(2).tolist() == EXPECTED.tolist()
    assert data.count("train").per_class == {"sky": 64, "road": 2 * 30, "car": 64 + 2}


@pytest.mark.parametrize("split", [[], [7], ["val", "val"], ["val", "val/"], ["val", "./val"], {"val": 1}, None, 3])
def test_a_split_that_names_no_folders_is_refused(cityscapes, split):
    with pytest.raises(UserError, match="split is .*give the name of a folder, or a list of different ones"):
        CityscapesDataset(str(cityscapes), split, CLASSES)


def test_a_split_without_labels_does_not_join_others(cityscapes):
    (cityscapes / "leftImg8bit/test/bern").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(cityscapes / "leftImg8bit/test/bern/a_leftImg8bit.png")
    with pytest.raises(UserError, match="gtFine/test does not exist; leave this split out of the list"):
        CityscapesDataset(str(cityscapes), ["val", "test"], CLASSES)


@pytest.mark.parametrize("link", ["folder", "file"])
def test_val_images_that_links_bring_into_training_are_reported(cityscapes, link):
    for kind in ("leftImg8bit", "gtFine"):
        (cityscapes / kind / "train").mkdir()
        target, source = cityscapes / kind / "train" / "linked", cityscapes / kind / "val" / "bern"
        if link == "folder":
            target.symlink_to(source)
        else:
            target.mkdir()
            for file in source.iterdir():
                (target / file.name).symlink_to(file)
    train, val = (CityscapesDataset(str(cityscapes), split, CLASSES) for split in ("train", "val"))
    (line,) = shared_images("val", val, train)
    assert line == "  2 of 2 images are also training images: the metric does not measure generalization"
