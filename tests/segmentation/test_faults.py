"""Label ids that do not fit the classes stop a training or an evaluation."""

import numpy as np
import pytest
from PIL import Image

from densevision.data.sampler import SampleKey
from densevision.errors import UserError
from tests.segmentation.conftest import ROAD, check, fault_of, lines, make_dataset, mask


def test_masks_of_0_and_255_with_classes_0_and_1_stop_with_the_correct_id(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 56), (255, 8))] * 3, ROAD)
    assert "255: 12 % of the pixels" in lines(data)
    message = fault_of(data)
    assert "no pixel of road=1 in 3 label files" in message
    assert "3 of 3 files contain 255, which belong to no class (did you mean road=255?)" in message
    assert "may_lack" not in message  # that would leave only one class


def test_classes_with_ids_0_and_255(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 56), (255, 8))], {"background": 0, "road": 255})
    assert check(data).per_class == {"background": 56, "road": 8}
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
def test_shifted_and_stretched_ids_are_suggested(tmp_path, classes, ids, guess):
    masks = [np.full((8, 8), id_, np.uint8) for id_ in ids]
    assert f"(did you mean {guess}?)" in fault_of(make_dataset(tmp_path, masks, classes))


def test_ignored_borders_are_not_suggested_for_an_absent_class(tmp_path):
    masks = [mask((0, 32), (1, 24), (255, 8))]
    assert "did you mean" not in fault_of(make_dataset(tmp_path, masks, ROAD | {"car": 2}))
    masks = [mask((0, 32), (1, 20), (7, 2), (255, 10))]
    assert "(did you mean car=7?)" in fault_of(make_dataset(tmp_path, masks, ROAD | {"car": 2}))


def test_class_that_may_lack_pixels_does_not_stop(tmp_path):
    masks = [mask((0, 32), (1, 32))]
    classes = {"background": 0, "road": 1, "car": 2}
    assert "car=2" in fault_of(make_dataset(tmp_path, masks, classes))
    data = make_dataset(tmp_path, masks, classes, may_lack=["car"])
    check(data)
    assert "without pixels: car" in lines(data)


def test_all_classes_may_lack_pixels(tmp_path):
    classes = {f"class {id_}": id_ for id_ in range(9)}
    masks = [mask((0, 32), (1, 32))]
    message = fault_of(make_dataset(tmp_path, masks, classes))
    assert "class 2=2, class 3=3, class 4=4, class 5=5, class 6=6 and 2 more" in message and "may_lack='all'" in message
    check(make_dataset(tmp_path, masks, classes, may_lack="all"))


def test_files_are_not_searched_for_classes_that_may_lack_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr("densevision.segmentation.dataset.SAMPLED", 1)
    data = make_dataset(tmp_path, [mask((0, 32), (1, 32))] * 3, ROAD | {"car": 2}, may_lack=["car"])
    assert "pixels are those of 1 of the 3 label files" in lines(data)


def test_may_lack_does_not_hide_another_encoding_in_an_evaluation(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 56), (255, 8))], ROAD | {"car": 2}, "val", may_lack=["car"])
    assert "no pixel of road=1 in 1 label files; 1 of 1 files contain 255" in fault_of(data, "val")
    check(make_dataset(tmp_path, [mask((0, 56), (255, 8))], ROAD, "val", may_lack=["road"]), "val")


@pytest.mark.parametrize("names", ["car", ["caar"], [2], None])
def test_invalid_may_lack_raises_an_error(tmp_path, names):
    with pytest.raises(UserError, match="may_lack"):
        make_dataset(tmp_path, [mask((0, 64))], {"background": 0, "car": 2}, may_lack=names)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan"), "0.5", None, True])
def test_invalid_max_unnamed_raises_an_error(tmp_path, share):
    with pytest.raises(UserError, match="max_unnamed"):
        make_dataset(tmp_path, [mask((0, 64))], ROAD, max_unnamed=share)


@pytest.mark.parametrize("unnamed", [17, 255])
@pytest.mark.parametrize("split", ["train", "val"])
def test_more_than_a_fifth_of_one_id_without_a_class_stops_unless_allowed(tmp_path, unnamed, split):
    masks = [mask((0, 2), (1, 2), (unnamed, 60))]
    message = fault_of(make_dataset(tmp_path, masks, ROAD, split), split)
    assert f"id {unnamed} has 94 % of the pixels and belongs to no class" in message and "max_unnamed=1.0" in message
    check(make_dataset(tmp_path, masks, ROAD, split, max_unnamed=1.0), split)


def test_a_fifth_is_allowed_and_the_suggested_limit_is_enough(tmp_path):
    check(make_dataset(tmp_path, [mask((0, 40), (1, 12), (9, 12))], ROAD))  # 19 %
    masks = [mask((0, 40), (1, 10), (9, 14))]  # 22 %
    assert "max_unnamed=0.3" in fault_of(make_dataset(tmp_path, masks, ROAD))
    check(make_dataset(tmp_path, masks, ROAD, max_unnamed=0.3))


def test_many_ids_without_a_class_with_most_pixels_together_stop(tmp_path):
    masks = [mask((0, 4), (1, 4), *((id_, 8) for id_ in range(30, 37)))]  # 12 % each
    message = fault_of(make_dataset(tmp_path, masks, ROAD))
    assert "7 ids without a class have 88 % of the pixels together" in message
    check(make_dataset(tmp_path, masks, ROAD, max_unnamed=0.9))


def test_class_of_the_table_that_is_left_out_counts_as_without_a_class(tmp_path):
    masks = [mask((7, 20), (26, 10), (11, 24), (0, 10))]
    message = fault_of(make_dataset(tmp_path, masks, ["road", "car"]))
    assert "id 11 has 38 %" in message
    check(make_dataset(tmp_path, masks, ["road", "car"], max_unnamed=0.4))


@pytest.mark.parametrize("classes, id_", [(ROAD, 255), (None, 0), (ROAD, 7), (["road", "car"], 11)])
def test_all_pixels_ignored_stops_training_and_evaluation(tmp_path, classes, id_):
    for split in ("train", "val"):
        message = fault_of(make_dataset(tmp_path, [mask((id_, 64))] * 2, classes, split), split)
        assert f"no pixel belongs to a class: 2 of 2 files contain {id_}" in message


def test_test_split_with_ignored_pixels_only_is_allowed(tmp_path):
    check(make_dataset(tmp_path, [mask((3, 64))], split="test"), "test")  # like the published test labels of Cityscapes


@pytest.mark.parametrize("classes", [{"road": 7}, ["road"]])
def test_single_class_stops(tmp_path, classes):
    assert "'road' is the only class" in fault_of(make_dataset(tmp_path, [mask((7, 64))], classes))


def test_training_stops_if_only_one_class_occurs(tmp_path):
    assert "only 'road' of 19 classes occurs" in fault_of(make_dataset(tmp_path, [mask((7, 32), (0, 32))]))
    message = fault_of(make_dataset(tmp_path, [mask((0, 64))], ROAD, may_lack=["road"]))
    assert "only 'background' of 2 classes occurs" in message


def test_evaluation_with_one_class_passes_unless_the_ids_suggest_another_encoding(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 64))], ROAD, "val")
    check(data, "val")
    assert "without pixels: road" in lines(data, "val")
    data = make_dataset(tmp_path, [mask((0, 56), (255, 8))], ROAD, "val")
    assert "did you mean road=255?" in fault_of(data, "val")


def test_shifted_ids_stop_an_evaluation(tmp_path):
    data = make_dataset(tmp_path, [mask((1, 28), (2, 28), (3, 8))], {"a": 0, "b": 1, "c": 2}, "val")
    assert "did you mean a=1, b=2, c=3?" in fault_of(data, "val")


def test_masks_of_two_encodings_are_noted(tmp_path):
    masks = [mask((0, 56), (1, 8))] * 2 + [mask((0, 56), (255, 8))] * 2
    assert "2 files have road=1 and 2 others 255: is that road too?" in lines(make_dataset(tmp_path, masks, ROAD))
    masks += [mask((0, 64))] * 2
    assert "2 files have road=1 and 2 others 255" in lines(make_dataset(tmp_path / "more", masks, ROAD))
    assert "others" not in lines(make_dataset(tmp_path, [mask((0, 48), (1, 8), (255, 8))] * 4, ROAD))


def test_several_pixel_formats_are_noted_and_a_file_of_each_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("densevision.segmentation.dataset.SAMPLED", 1)
    data = make_dataset(tmp_path, [mask((0, 32), (1, 32))] * 3, ROAD)
    Image.fromarray(mask((0, 32), (1, 32)) > 0).save(data.labels[1])
    assert "several pixel formats: PNG 1, PNG L" in lines(data)
    colors = np.dstack([mask((0, 32), (9, 32)), mask((0, 64)), mask((0, 64))])
    Image.fromarray(colors).save(data.labels[2])
    with pytest.raises(UserError, match="000002.*color image"):
        data.count("train")


def test_palettes_with_different_colors_for_an_id_are_noted(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 32), (1, 32))] * 3, ROAD)
    colors = [(0, 0, 0), (128, 0, 0)], [(0, 0, 0), (128, 0, 0), (0, 128, 0)], [(128, 0, 0), (0, 0, 0)]

    def save(count):
        for path, palette in zip(data.labels, colors[:count], strict=False):
            image = Image.fromarray(mask((0, 32), (1, 32))).convert("P")
            image.putpalette(sum(palette, ()))
            image.save(path)
        return lines(data)

    assert "palette" not in save(2)  # a palette ends after its last id
    assert "palettes that differ" in save(3) and str(data.labels[2]) in save(3)


def test_train_ids_instead_of_label_ids_are_recognized(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 24), (1, 10), (2, 10), (7, 2), (8, 10), (11, 4), (13, 4))])
    assert "as in *_labelTrainIds files" in fault_of(data)


def test_id_that_is_not_in_the_table_is_found_in_a_later_file(tmp_path):
    data = make_dataset(tmp_path, [mask((7, 32), (8, 32)), mask((7, 32), (40, 32))])
    with pytest.raises(UserError, match=r"000001.*\[40\].*classes=dict"):
        data.count("train")


def test_file_with_an_id_that_is_not_in_the_table_is_skipped_in_training_and_an_error_in_evaluation(tmp_path):
    data = make_dataset(tmp_path, [mask((7, 32), (8, 32)), mask((7, 32), (40, 32))])
    labels = data[SampleKey(1, seed=0)]["data_samples"].gt.labels
    assert set(labels.unique().tolist()) == {0, 1}  # labels of the other file
    with pytest.raises(UserError, match=r"000001.*\[40\]"):
        data[1]
