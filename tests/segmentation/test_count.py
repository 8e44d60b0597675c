"""What a data set of masks says of itself before it is used, and where it stops."""

import os

import numpy as np
import pytest
from PIL import Image

from densevision.data.check import check_counts, count_lines
from densevision.errors import UserError
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.count import IdCounts, even_sample
from tests.segmentation.conftest import write_frame

ROAD = {"background": 0, "road": 1}


def mask(*shares):
    """Make an 8x8 mask of (id, pixels) pairs, e.g. mask((0, 56), (255, 8))."""
    ids = np.concatenate([np.full(pixels, id_, np.uint8) for id_, pixels in shares])
    return ids.reshape(8, 8)


def dataset(root, masks, classes=None, split="train", **options):
    for number, ids in enumerate(masks):
        write_frame(root, f"bern_{number:06}_000019", ids, split)
    return CityscapesDataset(str(root), split, classes, **options)


def lines(data, split="train"):
    return "\n".join(count_lines(split, data.count(split)))


def stopped(data, split="train"):
    """Return the one line that stops the start."""
    with pytest.raises(UserError) as caught:
        check_counts(split, data.count(split))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def passes(data, split="train"):
    counts = data.count(split)
    check_counts(split, counts)
    return counts


# -- counts ---------------------------------------------------------------------------------------------------------


def test_pixels_are_counted_per_class_and_per_id_that_no_class_names(tmp_path):
    data = dataset(tmp_path, [mask((0, 48), (1, 8), (9, 4), (255, 4))] * 2, ROAD)
    assert data.count("train").per_class == {"background": 96, "road": 16}
    assert lines(data).splitlines() == [
        "train: 2 images, 112 pixels: background 86 %, road 14 %",
        "  ids that no class names: 9: 6 % of the pixels, 255: 6 % of the pixels (ignored)",
    ]


def test_void_ids_of_the_table_are_expected_and_absent_classes_of_it_are_named(tmp_path):
    data = dataset(tmp_path, [mask((7, 16), (26, 16), (0, 16), (4, 16))])
    said = lines(data)
    passes(data)
    assert "ignored: 50 % of the pixels, void ids of the Cityscapes table" in said
    assert "without pixels: sidewalk, building" in said and "no class names" not in said


def test_many_unnamed_ids_are_summed_up(tmp_path):
    ids = [(0, 25), (1, 25), *((id_, 2) for id_ in range(10, 17))]
    assert "10: 3 % of the pixels" in lines(dataset(tmp_path, [mask(*ids)], ROAD))
    assert "2 more ids: 6 %" in lines(dataset(tmp_path, [mask(*ids)], ROAD))


def test_a_sample_is_even_and_said_as_such(tmp_path, monkeypatch):
    assert even_sample(5, 200) == [0, 1, 2, 3, 4]
    assert even_sample(400, 200) == list(range(0, 400, 2))
    assert len(even_sample(201, 200)) == 200
    monkeypatch.setattr("densevision.segmentation.cityscapes.SAMPLE", 2)
    data = dataset(tmp_path, [mask((7, 32), (8, 32))] * 6)
    counts = data.count()
    assert counts.images == 6 and sum(counts.per_class.values()) == 2 * 64
    assert "pixels are those of 2 of the 6 label files" in counts.notes


def test_a_class_that_the_sample_lacks_is_searched_for_in_all_files(tmp_path, monkeypatch):
    monkeypatch.setattr("densevision.segmentation.cityscapes.SAMPLE", 2)
    masks = [mask((0, 64))] * 5 + [mask((1, 64))]
    data = dataset(tmp_path, masks, ROAD)
    assert passes(data).per_class["road"] == 64


def test_a_label_file_is_read_once(tmp_path):
    _, path = write_frame(tmp_path, "bern_000000_000019", mask((3, 64)))
    counts = IdCounts([str(path)])
    assert counts.read([0])[0, 3] == 64
    path.unlink()
    assert counts.read([0])[0, 3] == 64


def test_a_test_split_without_labels_is_predictions_only(tmp_path):
    _, label = write_frame(tmp_path, "bern_000000_000019", split="test")
    label.unlink()
    label.parent.rmdir()
    label.parent.parent.rmdir()
    data = CityscapesDataset(str(tmp_path), "test")
    assert "no label files: predictions only" in lines(data, "test")
    passes(data, "test")
    assert "training needs label files" in stopped(data, "train")


# -- rows 2, 3 and 4: ids and classes that do not fit ---------------------------------------------------------------


def test_masks_of_0_and_255_with_classes_0_and_1_stop_and_the_right_id_is_guessed(tmp_path):
    data = dataset(tmp_path, [mask((0, 56), (255, 8))] * 3, ROAD)
    assert "255: 12 % of the pixels" in lines(data)
    said = stopped(data)
    assert "no pixel of road=1 in 3 label files" in said
    assert "the masks hold 255 in 3 of 3 files, no class names that (did you mean road=255?)" in said
    assert "may_lack=['road']" in said


def test_0_and_255_work_when_they_are_named(tmp_path):
    data = dataset(tmp_path, [mask((0, 56), (255, 8))], {"background": 0, "road": 255})
    assert passes(data).per_class == {"background": 56, "road": 8}
    assert data.read_labels(0).max() == 1


@pytest.mark.parametrize(
    "classes, ids, guess",
    [
        ({"a": 1, "b": 2, "c": 3}, (0, 1, 2), "a=0, b=1, c=2"),
        ({"a": 0, "b": 1, "c": 2}, (1, 2, 3), "a=1, b=2, c=3"),
        ({"a": 0, "b": 1, "c": 2}, (0, 128, 255), "b=128, c=255"),
        ({"a": 1, "b": 0}, (0, 7), "a=7"),
    ],
)
def test_shifted_and_stretched_ids_are_guessed(tmp_path, classes, ids, guess):
    masks = [np.full((8, 8), id_, np.uint8) for id_ in ids]
    assert f"(did you mean {guess}?)" in stopped(dataset(tmp_path, masks, classes))


def test_a_class_that_may_lack_pixels_is_left_alone(tmp_path):
    masks = [mask((0, 32), (1, 32))]
    classes = {"background": 0, "road": 1, "car": 2}
    assert "car=2" in stopped(dataset(tmp_path, masks, classes))
    data = dataset(tmp_path, masks, classes, may_lack=["car"])
    passes(data)
    assert "without pixels: car" in lines(data)


@pytest.mark.parametrize("names", ["car", ["caar"], [2], None])
def test_may_lack_is_a_list_of_classes(tmp_path, names):
    with pytest.raises(UserError, match="may_lack"):
        dataset(tmp_path, [mask((0, 64))], {"background": 0, "car": 2}, may_lack=names)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan"), "0.5", None, True])
def test_max_unnamed_is_a_share(tmp_path, share):
    with pytest.raises(UserError, match="max_unnamed"):
        dataset(tmp_path, [mask((0, 64))], ROAD, max_unnamed=share)


@pytest.mark.parametrize("unnamed", [17, 255])
@pytest.mark.parametrize("split", ["train", "val"])
def test_more_than_a_fifth_of_one_unnamed_id_stops_unless_the_config_allows_it(tmp_path, unnamed, split):
    masks = [mask((0, 2), (1, 2), (unnamed, 60))]
    said = stopped(dataset(tmp_path, masks, ROAD, split), split)
    assert f"id {unnamed} holds 94 % of the pixels and no class names it" in said and "max_unnamed=1.0" in said
    passes(dataset(tmp_path, masks, ROAD, split, max_unnamed=1.0), split)


def test_a_fifth_is_allowed_and_the_proposed_limit_is_enough(tmp_path):
    passes(dataset(tmp_path, [mask((0, 40), (1, 12), (9, 12))], ROAD))  # 19 %
    masks = [mask((0, 40), (1, 10), (9, 14))]  # 22 %
    assert "max_unnamed=0.3" in stopped(dataset(tmp_path, masks, ROAD))
    passes(dataset(tmp_path, masks, ROAD, max_unnamed=0.3))


def test_many_unnamed_ids_that_hold_most_pixels_together_stop(tmp_path):
    masks = [mask((0, 4), (1, 4), *((id_, 8) for id_ in range(30, 37)))]  # 12 % each
    said = stopped(dataset(tmp_path, masks, ROAD))
    assert "7 ids that no class names hold 88 % of the pixels together" in said
    passes(dataset(tmp_path, masks, ROAD, max_unnamed=0.9))


def test_a_class_of_the_table_that_is_left_out_counts_as_unnamed(tmp_path):
    masks = [mask((7, 20), (26, 10), (11, 24), (0, 10))]
    said = stopped(dataset(tmp_path, masks, ["road", "car"]))
    assert "id 11 holds 38 %" in said
    passes(dataset(tmp_path, masks, ["road", "car"], max_unnamed=0.4))


@pytest.mark.parametrize("classes, id_", [(ROAD, 255), (None, 0), (ROAD, 7), (["road", "car"], 11)])
def test_all_pixels_ignored_stops_training_and_evaluation(tmp_path, classes, id_):
    for split in ("train", "val"):
        said = stopped(dataset(tmp_path, [mask((id_, 64))] * 2, classes, split), split)
        assert f"no pixel belongs to a class: the masks hold {id_} in 2 of 2 files" in said


def test_a_test_split_that_is_all_ignored_is_predicted_without_figures(tmp_path):
    passes(dataset(tmp_path, [mask((3, 64))], split="test"), "test")  # as Cityscapes publishes its test labels


@pytest.mark.parametrize("classes", [{"road": 7}, ["road"]])
def test_one_named_class_is_too_few(tmp_path, classes):
    assert "only one class, 'road', is named" in stopped(dataset(tmp_path, [mask((7, 64))], classes))


def test_one_class_that_occurs_is_too_few(tmp_path):
    assert "only 'road' of 19 classes occurs" in stopped(dataset(tmp_path, [mask((7, 32), (0, 32))]))
    said = stopped(dataset(tmp_path, [mask((0, 64))], ROAD, may_lack=["road"]))
    assert "only 'background' of 2 classes occurs" in said


def test_one_class_in_an_evaluation_is_noted_but_not_where_the_ids_look_like_another_encoding(tmp_path):
    data = dataset(tmp_path, [mask((0, 64))], ROAD, "val")
    passes(data, "val")
    assert "without pixels: road" in lines(data, "val")
    data = dataset(tmp_path, [mask((0, 56), (255, 8))], ROAD, "val")
    assert "did you mean road=255?" in stopped(data, "val")


def test_validation_ids_that_are_all_shifted_stop(tmp_path):
    data = dataset(tmp_path, [mask((1, 28), (2, 28), (3, 8))], {"a": 0, "b": 1, "c": 2}, "val")
    assert "did you mean a=1, b=2, c=3?" in stopped(data, "val")


def test_masks_of_two_encodings_are_said(tmp_path):
    masks = [mask((0, 56), (1, 8))] * 2 + [mask((0, 56), (255, 8))] * 2
    assert "2 files hold road=1 and all 2 others 255: is that road, too?" in lines(dataset(tmp_path, masks, ROAD))
    assert "others" not in lines(dataset(tmp_path, [mask((0, 48), (1, 8), (255, 8))] * 4, ROAD))


def test_several_pixel_formats_are_said_and_each_is_tried(tmp_path, monkeypatch):
    monkeypatch.setattr("densevision.segmentation.cityscapes.SAMPLE", 1)
    data = dataset(tmp_path, [mask((0, 32), (1, 32))] * 3, ROAD)
    Image.fromarray(mask((0, 32), (1, 32)) > 0).save(data.labels[1])
    assert "several pixel formats: PNG 1, PNG L" in lines(data)
    colors = np.dstack([mask((0, 32), (9, 32)), mask((0, 64)), mask((0, 64))])
    Image.fromarray(colors).save(data.labels[2])
    with pytest.raises(UserError, match="000002.*color image"):
        data.count("train")


def test_train_ids_in_place_of_label_ids_are_recognized(tmp_path):
    data = dataset(tmp_path, [mask((0, 24), (1, 10), (2, 10), (7, 2), (8, 10), (11, 4), (13, 4))])
    assert "as in *_labelTrainIds files" in stopped(data)


def test_an_id_outside_of_the_table_is_found_in_a_later_file(tmp_path):
    data = dataset(tmp_path, [mask((7, 32), (8, 32)), mask((7, 32), (40, 32))])
    with pytest.raises(UserError, match=r"000001.*\[40\].*classes=dict"):
        data.count("train")


# -- sizes, turns and damage ----------------------------------------------------------------------------------------


def exif_image(path, size, orientation):
    """Write a JPEG of (height, width) with an EXIF orientation."""
    image = Image.fromarray(np.full((*size, 3), 90, np.uint8))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)


def photos(root, orientations, mask_size, **options):
    """Make a data set of 6x10 photos, stored so, with masks of one size."""
    for number, orientation in enumerate(orientations):
        ids = np.zeros(mask_size, np.uint8)
        ids[:2] = 1
        image, _ = write_frame(root, f"a{number}", ids)
        image.unlink()
        exif_image(image.with_suffix(".jpg"), (6, 10), orientation)
    return CityscapesDataset(str(root), "val", ROAD, image_suffix="_leftImg8bit.jpg", **options)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_mask_of_another_size_is_found_before_anything_is_trained(tmp_path, split):
    masks = [mask((0, 32), (1, 32))] * 3
    data = dataset(tmp_path, masks, ROAD, "val")
    Image.fromarray(masks[0][:4]).save(data.labels[2])
    said = stopped(data, split)
    assert "8x4" in said and "8x8" in said and str(data.labels[2]) in said and "size of their image" in said


def test_photos_that_exif_turns_are_named_and_fit_masks_of_the_turned_image(tmp_path):
    data = photos(tmp_path, [1, 6, 8], (10, 6))
    os.remove(data.images[0])
    exif_image(data.images[0], (10, 6), 1)
    passes(data, "val")
    assert "2 images are turned as their EXIF tag says" in lines(data, "val")
    assert data[1]["inputs"].shape == (3, 10, 6)


def test_masks_of_the_unturned_photo_are_refused_with_the_choice_and_read_with_it(tmp_path):
    said = stopped(photos(tmp_path, [6, 6], (6, 10)), "val")
    assert "2 label files differ in size" in said and "exif='ignore'" in said
    data = photos(tmp_path, [6, 6], (6, 10), exif="ignore")
    passes(data, "val")
    assert "not turned as their EXIF tag says" in lines(data, "val")
    assert data[0]["inputs"].shape == (3, 6, 10)


def test_a_turn_that_keeps_the_size_can_not_be_checked_and_is_said(tmp_path):
    data = photos(tmp_path, [3], (6, 10))
    passes(data, "val")
    assert "can't be told by the size" in lines(data, "val")


def test_exif_is_apply_or_ignore(tmp_path):
    with pytest.raises(UserError, match="'apply' or 'ignore'"):
        photos(tmp_path, [1], (6, 10), exif=False)


def test_damaged_files_are_counted_in_training_and_stop_an_evaluation(tmp_path):
    data = dataset(tmp_path, [mask((0, 32), (1, 32))] * 4, ROAD)
    os.truncate(data.labels[0], os.path.getsize(data.labels[0]) - 25)  # in the pixels
    os.truncate(data.labels[1], 10)  # in the header
    data = dataset_again(data, tmp_path)
    passes(data)
    assert "2 images or their label files can't be read" in lines(data)
    assert str(data.labels[0]) in stopped(data, "val")
    for path in data.labels:
        os.truncate(path, 10)
    assert "none of the label files can be read" in stopped(dataset_again(data, tmp_path))


def dataset_again(data, root):
    return CityscapesDataset(str(root), "train", ROAD)


# -- row 5 and 6: classes by name -----------------------------------------------------------------------------------


def test_classes_are_brought_to_the_models_order_by_name(tmp_path):
    data = dataset(tmp_path, [mask((0, 40), (1, 24))], {"road": 1, "background": 0}, "val")
    metainfo = data.metainfo
    data.align_classes(["background", "road"])
    assert data.metainfo is metainfo  # an evaluator may hold it
    assert metainfo["classes"] == ("background", "road") and metainfo["label_ids"] == [0, 1]
    assert np.bincount(data.read_labels(0).ravel()).tolist() == [40, 24]
    assert data.count("val").per_class == {"background": 40, "road": 24}


def test_classes_of_the_table_keep_ids_and_colors_in_another_order(tmp_path):
    data = dataset(tmp_path, [mask((7, 40), (26, 24))], ["car", "road"], "val")
    data.align_classes(["sky", "road", "car"])
    assert data.metainfo["label_ids"] == [23, 7, 26]
    assert data.metainfo["palette"] == [(70, 130, 180), (128, 64, 128), (0, 0, 142)]
    assert np.bincount(data.read_labels(0).ravel()).tolist() == [0, 40, 24]
    assert passes(data, "val").per_class == {"sky": 0, "road": 40, "car": 24}


def test_a_class_that_only_the_model_has_gets_an_id_that_no_label_is_read_as(tmp_path):
    data = dataset(tmp_path, [mask((0, 40), (1, 20), (2, 4))], ROAD, "val")
    data.align_classes(["road", "car", "background"])
    assert data.metainfo["label_ids"] == [1, 26, 0]
    assert np.bincount(data.read_labels(0).ravel(), minlength=256)[[0, 1, 2, 255]].tolist() == [20, 0, 40, 4]
    data = dataset(tmp_path, [mask((0, 40), (26, 24))], {"background": 0, "road": 26}, "val")
    data.align_classes(["road", "car", "background"])
    assert data.metainfo["label_ids"] == [26, 1, 0]  # the table's id of cars is taken


def test_a_class_that_the_model_lacks_is_refused_with_the_nearest_name(tmp_path):
    data = dataset(tmp_path, [mask((0, 40), (1, 24))], ROAD, "val")
    with pytest.raises(UserError, match="road, which the model lacks .did you mean 'Road'") as caught:
        data.align_classes(["background", "Road"])
    assert "\n" not in str(caught.value)
