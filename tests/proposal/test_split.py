"""The division of images into parts, on names and digests."""

import hashlib

import pytest

from densevision.errors import UserError
from densevision.proposal.split import group_name, split_images


def digest(text):
    return hashlib.sha1(text.encode()).hexdigest()


def split(names, classes=None, hashes=None):
    return split_images(names, hashes or [digest(n) for n in names], classes or [frozenset()] * len(names))


ROBOFLOW = ".rf.0123456789abcdef0123456789abcdef.jpg"


@pytest.mark.parametrize(
    "name, group",
    [
        ("video/frame_012.jpg", ("video/frame", 12)),
        ("video/012.jpg", ("video", 12)),
        ("a/IMG (3).JPG", ("a/IMG", 3)),
        ("cat_jpg" + ROBOFLOW, ("cat", None)),
        ("12_png" + ROBOFLOW, ("12", None)),
        ("harbor.png", ("harbor", None)),
        ("v1.2/frame7.png", ("v1.2/frame", 7)),
    ],
)
def test_similar_names_have_one_group(name, group):
    assert group_name(name) == group


def parts(found):
    return {row: "val" for row in found.val} | {row: "train" for row in found.train}


def test_every_image_is_in_one_part_and_about_a_sixth_in_val():
    names = [f"{digest(str(i))}x.jpg" for i in range(200)]
    found = split(names)
    assert sorted((*found.train, *found.val)) == list(range(200)) and len(found.val) == 35  # 0.175 * 200


def test_frames_of_a_video_stay_together():
    names = [f"video_{v}_frame_{i:04}.jpg" for v in "abcdefghij" for i in range(20)]
    found = parts(split(names))
    for v in range(10):
        assert len({found[row] for row in range(20 * v, 20 * v + 20)}) == 1
    assert "10 groups" in split(names).reason


def test_copies_by_roboflow_and_equal_files_stay_together():
    names = [f"cell{i}x_jpg.rf.{digest(f'{i} {copy}')[:32]}.jpg" for i in range(30) for copy in range(3)]
    found = parts(split(names))
    assert all(len({found[3 * i + copy] for copy in range(3)}) == 1 for i in range(30))
    names = [f"{letter}.jpg" for letter in "abcdefghijklmnopqrst"]
    hashes = [digest(name) for name in names[:10]] * 2  # k is a copy of a, and so on
    found = parts(split(names, hashes=hashes))
    assert all(found[i] == found[i + 10] for i in range(10))


def test_one_sequence_is_cut_into_blocks_and_that_is_said():
    found = split([f"seq/{i:05}.jpg" for i in range(364)])
    # 364 images: blocks of 32, of which two are nearest to 0.175 * 364 = 63.7
    assert len(found.val) == 64 and "blocks of consecutive numbers" in found.reason
    assert {row // 32 for row in found.val} == {found.val[0] // 32, found.val[-1] // 32}


@pytest.mark.parametrize("count", range(2, 40))
def test_both_parts_have_an_image(count):
    found = split([f"img{i}.jpg" for i in range(count)])
    assert found.train and found.val and len(found.val) <= max(1, count / 4)


@pytest.mark.parametrize("names, hashes", [([], []), (["a.jpg"], ["1"]), (["a.jpg", "b.jpg"], ["1", "1"])])
def test_one_image_can_not_be_divided(names, hashes):
    with pytest.raises(UserError, match="two different images"):
        split_images(names, hashes, [frozenset()] * len(names))


def test_every_class_is_in_both_parts_where_that_is_possible():
    names = [f"{chr(97 + i // 26)}{chr(97 + i % 26)}.jpg" for i in range(60)]
    # class 1 in two images, class 2 in one: the one must be trained on
    classes = [frozenset({0} | ({1} if i in (10, 20) else set()) | ({2} if i == 30 else set())) for i in range(60)]
    found = split(names, classes)
    assert {label for row in found.val for label in classes[row]} == {0, 1}
    assert {label for row in found.train for label in classes[row]} == {0, 1, 2}


def test_new_images_change_little():
    names = [f"{digest(str(i))}x.jpg" for i in range(200)]
    before, after = parts(split(names[:180])), parts(split(names))
    assert sum(before[row] != after[row] for row in range(180)) <= 9  # of 180
    moved = [f"other/folder/{name}" for name in names]
    assert split(moved, hashes=[digest(n) for n in names]).val == split(names).val
