"""Names, ids and colors of classes, and their alignment by name."""

import numpy as np
import pytest

from densevision.errors import UserError
from densevision.segmentation.classes import VOID_IDS, class_info, id_lookup, near_name
from tests.segmentation.conftest import ROAD, check, make_dataset, mask


def test_void_ids_are_those_without_a_train_id():
    assert VOID_IDS == (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)


def test_lookup_ignores_other_ids_for_user_ids_and_flags_them_for_the_table():
    assert id_lookup([3, 255], own_ids=True)[[0, 3, 254, 255]].tolist() == [255, 0, 255, 1]
    assert id_lookup([7, 26], own_ids=False)[[0, 7, 26, 34, 255]].tolist() == [255, 0, 1, 254, 254]


@pytest.mark.parametrize(
    "classes, message",
    [
        ("road", "a list of names"),
        ([7, 26], "7 is not a name"),
        ({0: "road"}, "0 is not a name"),
        ([None], "None is not a name"),
        ([" "], "' ' is not a name"),
        ({"": 1, "a": 0}, "'' is not a name"),
        (3, "not 3"),
        (0.5, "not 0.5"),
        ({"road", "car"}, "a list of names or dict"),
        ({}, "at least one"),
        ({"a": 1, "b": 1}, "'a' and 'b' have the same label id 1"),
        ({"a": 1.0}, "not 1.0"),
        ({"a": True}, "not True"),
        ({"a": -1}, "not -1"),
        ({"a": None}, "not None"),
        (["road", "Car"], "did you mean 'car'"),
        ({f"c{i}": i for i in range(256)}, "at most 254"),
    ],
)
def test_invalid_classes_raise_a_one_line_error(classes, message):
    with pytest.raises(UserError, match=message) as caught:
        class_info(classes)
    assert "\n" not in str(caught.value)


def test_similar_names_are_found_in_any_case():
    assert near_name("ROAD", ["road", "car"]) == " (did you mean 'road'?)"
    assert near_name("xyz", ["road", "car"]) == ""


def test_classes_are_aligned_to_the_model_by_name(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 40), (1, 24))], {"road": 1, "background": 0}, "val")
    metainfo = data.metainfo
    data.align_classes(["background", "road"])
    assert data.metainfo is metainfo  # an evaluator may keep a reference
    assert metainfo["classes"] == ("background", "road") and metainfo["label_ids"] == [0, 1]
    assert np.bincount(data.read_labels(0).ravel()).tolist() == [40, 24]
    assert data.count("val").per_class == {"background": 40, "road": 24}


def test_classes_of_the_table_keep_ids_and_colors_in_another_order(tmp_path):
    data = make_dataset(tmp_path, [mask((7, 40), (26, 24))], ["car", "road"], "val")
    data.align_classes(["sky", "road", "car"])
    assert data.metainfo["label_ids"] == [23, 7, 26]
    assert data.metainfo["palette"] == [(70, 130, 180), (128, 64, 128), (0, 0, 142)]
    assert np.bincount(data.read_labels(0).ravel()).tolist() == [0, 40, 24]
    assert check(data, "val").per_class == {"sky": 0, "road": 40, "car": 24}


def test_class_that_only_the_model_has_gets_an_unused_id(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 40), (1, 20), (2, 4))], ROAD, "val")
    data.align_classes(["road", "car", "background"])
    assert data.metainfo["label_ids"] == [1, 26, 0]
    assert np.bincount(data.read_labels(0).ravel(), minlength=256)[[0, 1, 2, 255]].tolist() == [20, 0, 40, 4]
    data = make_dataset(tmp_path, [mask((0, 40), (26, 24))], {"background": 0, "road": 26}, "val")
    data.align_classes(["road", "car", "background"])
    assert data.metainfo["label_ids"] == [26, 1, 0]  # the id of cars in the table is used


def test_class_that_the_model_lacks_raises_an_error_with_a_similar_name(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 40), (1, 24))], ROAD, "val")
    with pytest.raises(UserError, match="road, which the model lacks .did you mean 'Road'") as caught:
        data.align_classes(["background", "Road"])
    assert "\n" not in str(caught.value)


def test_model_may_lack_a_class_without_pixels(tmp_path):
    data = make_dataset(tmp_path, [mask((0, 40), (1, 24))], {"car": 2, "background": 0, "road": 1}, "val")
    data.align_classes(["background", "road"])
    assert data.metainfo["classes"] == ("background", "road")
    assert check(data, "val").per_class == {"background": 40, "road": 24}
