import pytest

from densevision.errors import UserError
from densevision.segmentation.classes import VOID_IDS, class_info, id_lookup, near_name


def test_void_ids_are_those_without_a_train_id():
    assert VOID_IDS == (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)


def test_lookup_of_own_ids_ignores_and_of_the_table_flags_what_it_does_not_have():
    assert id_lookup([3, 255], own_ids=True)[[0, 3, 254, 255]].tolist() == [255, 0, 255, 1]
    assert id_lookup([7, 26], own_ids=False)[[0, 7, 26, 34, 255]].tolist() == [255, 0, 1, 254, 254]


@pytest.mark.parametrize(
    "classes, said",
    [
        ("road", "a list of names"),
        ([7, 26], "7 is not a name"),
        ({0: "road"}, "0 is not a name"),
        ([None], "None is not a name"),
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
def test_classes_that_can_not_be_meant_are_one_line(classes, said):
    with pytest.raises(UserError, match=said) as caught:
        class_info(classes)
    assert "\n" not in str(caught.value)


def test_near_names_are_found_in_either_case():
    assert near_name("ROAD", ["road", "car"]) == " (did you mean 'road'?)"
    assert near_name("xyz", ["road", "car"]) == ""
