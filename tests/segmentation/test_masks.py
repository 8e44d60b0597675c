"""Folders of images and masks: pairs, classes, colors, counts and faults."""

import copy
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from densevision.errors import UserError
from densevision.segmentation.balance import pixel_frequency
from densevision.segmentation.masks import MaskDataset
from densevision.segmentation.metric import IoUMetric
from tests.data.formats.mask_trees import write_image, write_mask, write_pairs
from tests.segmentation.conftest import check, fault_of, lines

BLACK, RED, GREEN, BLUE = (0, 0, 0), (200, 0, 0), (0, 200, 0), (0, 0, 200)
COLORS = dict(background=BLACK, car=RED)
ROAD = dict(background=0, road=255)


def masks(root, classes=None, colors=None, **options):
    options = dict(image_dir="images", label_dir="masks") | options
    return MaskDataset(str(root), classes=classes, colors=colors, **options)


def error_of(root, classes=None, colors=None, **options):
    with pytest.raises(UserError) as caught:
        masks(root, classes, colors, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_binary_masks_with_255_as_a_class(tmp_path):
    data = masks(write_pairs(tmp_path, "images", "masks", 0, 0, 0, 255), ROAD)
    assert np.bincount(data.read_labels(0).ravel()).tolist() == [48, 16]
    assert "train: 4 images, 256 pixels: background 75 %, road 25 %" in lines(data)
    assert pixel_frequency(data).tolist() == [0.75, 0.25]
    item = data[0]
    assert item["inputs"].shape == (3, 8, 8) and item["data_samples"].gt.labels.shape == (1, 8, 8)


def test_binary_masks_with_the_ids_0_and_1_are_refused_with_the_remedy(tmp_path):
    data = masks(write_pairs(tmp_path, "images", "masks", 0, 255), dict(background=0, road=1))
    assert "did you mean road=255?" in fault_of(data)


def test_a_list_of_classes_numbers_them_from_0(tmp_path):
    data = masks(write_pairs(tmp_path, "images", "masks", 0, 1), ["sky", "road"])
    assert data.metainfo["label_ids"] == [0, 1] and check(data).per_class == dict(sky=128, road=128)


def test_colors_become_the_classes_of_the_table(tmp_path):
    data = masks(write_pairs(tmp_path, "images", "masks", BLACK, RED), colors=COLORS)
    assert data.metainfo == dict(classes=("background", "car"), palette=[BLACK, RED], label_ids=[0, 1])
    assert np.bincount(data.read_labels(0).ravel()).tolist() == [32, 32]
    assert check(data).per_class == dict(background=128, car=128)
    again = pickle.loads(pickle.dumps(data))  # as a worker process that is spawned gets it
    assert (again.read_labels(1) == data.read_labels(1)).all()


def test_several_colors_are_one_class_and_unused_names_are_ignored(tmp_path):
    colors = dict(COLORS, car=[RED, GREEN], void=BLUE)
    data = masks(write_pairs(tmp_path, "images", "masks", BLACK, RED, GREEN, BLUE), ["car", "background"], colors)
    assert np.bincount(data.read_labels(0).ravel(), minlength=256)[[0, 1, 255]].tolist() == [32, 16, 16]
    assert "ignored: 25 % of the pixels, of void" in lines(data)
    check(data)


def test_colors_of_any_pixel_format(tmp_path):
    write_pairs(tmp_path, "images", "masks", BLACK, RED, count=3)
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4] = (9, 9, 9, 0)  # transparent is black
    rgba[4:] = (*RED, 255)
    Image.fromarray(rgba).save(tmp_path / "masks/street_1.png")
    write_mask(tmp_path / "masks/street_2.png", 1, 0, palette=[*RED, *BLACK])
    data = masks(tmp_path, colors=COLORS)
    assert data.read_labels(0).tolist() == data.read_labels(1).tolist() == data.read_labels(2).tolist()
    check(data)


def test_unknown_colors_are_counted_named_and_refused_with_the_file(tmp_path):
    write_pairs(tmp_path, "images", "masks", BLACK, RED)
    write_mask(tmp_path / "masks/street_3.png", BLACK, RED, GREEN, BLUE)  # 32 of 256 pixels are unknown
    data = masks(tmp_path, colors=COLORS)
    unknown = f"(0, 200, 0) 25 %, (0, 0, 200) 25 % of {tmp_path / 'masks/street_3.png'}"
    assert f"colors without a name: 12 % of the pixels, such as {unknown}" in lines(data)
    check(data)
    fault = fault_of(masks(tmp_path, colors=COLORS, max_unnamed=0.1))
    assert fault == (
        f"train: 12 % of the pixels have a color without a name, so they are ignored, such as {unknown}; "
        "add it to colors, or allow it with max_unnamed=0.2"
    )


def test_a_wrong_color_is_named(tmp_path):
    write_pairs(tmp_path, "images", "masks", BLACK, RED)
    fault = fault_of(masks(tmp_path, colors=dict(COLORS, road=GREEN)))
    assert "no pixel of road=(0, 200, 0) in 4 label files" in fault and "correct the colors" in fault
    fault = fault_of(masks(tmp_path, colors=dict(car=GREEN, road=BLUE)))
    assert "no pixel belongs to a class: 4 of 4 files contain colors without a name" in fault


@pytest.mark.parametrize(
    "classes, colors, message",
    [
        (None, None, "classes is missing"),
        (["bus"], COLORS, "'bus' has no color"),
        (None, dict(a=BLACK, b=BLACK), "'a' and 'b' have the same color (0, 0, 0)"),
        (None, dict(a=(1, 2)), "the color of 'a' is (1, 2)"),
        (None, dict(a=(1, 2, 300)), "each 0 to 255"),
        (None, dict(a="red"), "the color of 'a' is 'red'"),
        (None, dict(a=()), "the color of 'a' is ()"),
        (None, {}, "colors is {}"),
        (None, [BLACK], "it is dict(name="),
        (["a", "a"], None, "different names"),
        ("ab", None, "must be a list of names"),
        (5, None, "classes must be a list of names"),
    ],
)
def test_classes_and_colors_are_checked(tmp_path, classes, colors, message):
    assert message in error_of(write_pairs(tmp_path, "images", "masks", BLACK, RED), classes, colors)


def test_jpeg_masks_are_refused(tmp_path):
    write_pairs(tmp_path, "images", "masks", BLACK, RED, ends=(".png", ".jpg"))
    assert "is a JPEG, which changes ids" in error_of(tmp_path, colors=COLORS)
    assert "is a JPEG, which changes ids" in error_of(tmp_path, ROAD)


def test_color_masks_without_a_table_are_refused_with_the_remedy(tmp_path):
    assert "colors=dict(name=(r, g, b))" in error_of(write_pairs(tmp_path, "images", "masks", BLACK, RED), ROAD)


def test_images_without_a_mask_are_left_out_and_counted(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 255)
    write_image(tmp_path / "images/lonely.jpg")
    write_mask(tmp_path / "masks/other.png", 0)
    (tmp_path / "images/notes.txt").write_text("text")
    data = masks(tmp_path, ROAD)
    text = lines(data)
    assert len(data) == 4
    assert f"1 of 5 images have no mask and are not used, first {tmp_path / 'images/lonely.jpg'}" in text
    assert f"1 masks have no image, first {tmp_path / 'masks/other.png'}" in text and "1 .txt" in text
    for number in range(8):
        write_image(tmp_path / f"images/lonely_{number}.jpg")
    assert "9 of 13 images have no mask, first" in error_of(tmp_path, ROAD)


def test_faults_of_the_files_are_those_of_cityscapes_folders(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 255)
    Image.fromarray(np.zeros((4, 8), np.uint8)).save(tmp_path / "masks/street_2.png")
    assert "street_2.png is 8x4, its image" in fault_of(masks(tmp_path, ROAD))
    (tmp_path / "masks/street_2.png").write_bytes(b"")
    assert "street_2.png: the file is empty" in fault_of(masks(tmp_path, ROAD), "val")
    write_mask(tmp_path / "masks/street_2.PNG", 0, 255)
    assert "label the same image" in error_of(tmp_path, ROAD)


def test_missing_folders_and_files_are_named(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 255)
    assert "labels does not exist" in error_of(tmp_path, ROAD, label_dir="labels")
    assert "found street_0.jpg; set image_dir or image_suffix" in error_of(tmp_path, ROAD, image_suffix=".bmp")
    assert "set label_dir or label_suffix" in error_of(tmp_path, ROAD, label_suffix="_x.png")
    assert "set label_suffix" in error_of(tmp_path, ROAD, label_dir="images")
    assert "no.txt does not exist" in error_of(tmp_path, ROAD, image_list="no.txt")


@pytest.mark.parametrize(
    "text, found",
    [
        ("street_2\nstreet_0\n", [2, 0]),
        ("street_2.jpg\r\nSTREET_0.JPG\r\n\r\n", [2, 0]),
        ("\ufeffstreet_1 1\nstreet_1 1\n", [1]),
        ("/data/images/street_3.jpg /data/masks/street_3.png\n", [3]),
        ("images\\street_3.jpg\n", [3]),
    ],
)
def test_an_image_list_selects_images(tmp_path, text, found):
    write_pairs(tmp_path, "images", "masks", 0, 255)
    (tmp_path / "list.txt").write_text(text)
    data = masks(tmp_path, ROAD, image_list="list.txt")
    assert [int(path[-5]) for path in data.images] == found


@pytest.mark.parametrize(
    "text, message",
    [("street_9\nstreet_0", "1 of 2 images are not in"), ("", "names no image"), ("a", "'a' names a/")],
)
def test_a_wrong_image_list_is_refused(tmp_path, text, message):
    write_pairs(tmp_path, "images", "masks", 0, 255)
    for name in ("a/a.jpg", "b/a.jpg"):
        write_image(tmp_path / "images" / name)
    (tmp_path / "list.txt").write_text(text)
    assert message in error_of(tmp_path, ROAD, image_list="list.txt")


def test_without_masks_there_are_predictions_only(tmp_path):
    write_pairs(tmp_path, "images", "masks", 0, 255)
    data = masks(tmp_path, ROAD, label_dir=None)
    assert "gt" not in data[0]["data_samples"] and "predictions only" in lines(data, "test")
    assert "label_dir" in fault_of(data)


def test_classes_are_aligned_to_those_of_a_model_and_keep_their_colors(tmp_path):
    data = masks(write_pairs(tmp_path, "images", "masks", BLACK, RED), colors=COLORS)
    data.align_classes(["bus", "car", "background"])
    assert data.metainfo["palette"][1:] == [RED, BLACK]
    assert np.bincount(data.read_labels(0).ravel()).tolist() == [0, 32, 32]
    with pytest.raises(UserError, match="contain background, which the model lacks"):
        masks(tmp_path, colors=COLORS).align_classes(["car", "bus"])


def test_predictions_are_written_with_the_ids_and_the_folders_of_the_images(tmp_path):
    for name in ("a", "b"):
        write_image(tmp_path / f"images/{name}/images/1.jpg")
        write_mask(tmp_path / f"masks/{name}/masks/1.png", 0, 255)
    data = masks(tmp_path, ROAD)
    metric = IoUMetric(out_dir=tmp_path / "out")
    metric.dataset_meta = data.metainfo
    for index in range(2):
        sample = copy.deepcopy(data[index]["data_samples"])
        sample.set_result(sample.gt.labels[0].numpy())
        metric.process(None, [sample.to_dict()])
    assert metric.evaluate(2)["seg/mIoU"] == 1
    written = [np.asarray(Image.open(tmp_path / f"out/{name}/images/1.png")) for name in ("a", "b")]
    assert all(np.unique(ids).tolist() == [0, 255] for ids in written)
    assert torch.equal(torch.from_numpy(written[0]), torch.from_numpy(written[1]))
