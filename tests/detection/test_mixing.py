"""Mosaic, mixup and copy-paste: what they do with pixels and boxes, and the seeds that determine them."""

import math

import numpy as np
import pytest
from albumentations import HorizontalFlip

from densevision.data.sampler import LateKey, SampleKey
from densevision.detection.mixing import BoxCopyPaste, BoxMixUp, BoxMosaic, Mixing, clip_boxes, share_inside
from densevision.detection.other_images import OtherImages, shrink_sample
from densevision.errors import UserError
from tests.detection.test_coco import dataset

COLORS = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250]], np.uint8)


def scene(size, boxes, labels):
    """A black image whose boxes are filled with the color of their class."""
    image = np.zeros((*size, 3), np.uint8)
    for (left, top, right, bottom), label in zip(boxes, labels, strict=True):
        image[top:bottom, left:right] = COLORS[label]
    return dict(image=image, boxes=np.array(boxes, np.float32).reshape(-1, 4), labels=np.array(labels, np.int64))


SCENES = [
    scene((60, 80), [(10, 10, 40, 30), (50, 35, 70, 55)], [0, 1]),
    scene((40, 40), [(5, 5, 35, 35)], [1]),
    scene((90, 50), [], []),
    scene((30, 100), [(60, 5, 90, 25), (5, 10, 15, 20)], [0, 2]),
]


def others(scenes=SCENES, side=1000, classes=("a", "b", "c")):
    return OtherImages(scenes.__getitem__, [one["labels"] for one in scenes], classes, side, lambda *_: None)


def rng(seed=0):
    return np.random.default_rng(seed)


def colors_in(sample, shrink=1.5):
    """Yield the wanted color of each box and its pixels, without the blended ones next to the edge."""
    for box, label in zip(sample["boxes"], sample["labels"], strict=True):
        left, top, right, bottom = box + [shrink, shrink, -shrink, -shrink]
        yield COLORS[label], sample["image"][math.ceil(top) : int(bottom), math.ceil(left) : int(right)]


def test_boxes_are_clipped_and_those_that_are_hardly_visible_removed():
    boxes = np.array([[-10, 0, 10, 10], [-95, 0, 5, 10], [3, 3, 4.5, 9], [20, 5, 30, 10]])
    # half of the first is visible, 5 % of the second; the third is narrower than 2 pixels, the last outside
    clipped, labels = clip_boxes(boxes, np.array([0, 1, 2, 3]), (10, 20), 0.1)
    assert clipped.tolist() == [[0, 0, 10, 10]] and labels.tolist() == [0]
    assert clip_boxes(boxes, np.array([0, 1, 2, 3]), (10, 20), 0.01)[1].tolist() == [0, 1]


def test_share_of_boxes_in_a_place():
    boxes = np.array([[0, 0, 10, 10], [5, 5, 7, 7], [50, 50, 60, 60]])
    assert share_inside(boxes, np.array([5, 5, 20, 20])).tolist() == [0.25, 1, 0]


def test_a_part_as_large_as_the_image_shows_all_of_it():
    part = np.zeros((60, 80, 3), np.uint8)
    boxes, labels = BoxMosaic(scale=(1, 1))._fill(part, SCENES[0], (60, 80), rng())
    assert np.array_equal(part, SCENES[0]["image"])
    assert boxes.tolist() == SCENES[0]["boxes"].tolist() and labels.tolist() == [0, 1]


def test_a_part_that_is_larger_than_the_resized_image_is_gray_around_it():
    part = np.zeros((60, 80, 3), np.uint8)
    boxes, _ = BoxMosaic(scale=(0.5, 0.5))._fill(part, SCENES[0], (60, 80), rng())
    # of 60x80, resized to 30x40, the boxes have half their size
    assert np.allclose(boxes[:, 2:] - boxes[:, :2], [[15, 10], [10, 10]])
    assert 0.7 < (part == 127).all(axis=2).mean() < 0.8  # three quarters


def test_mosaic_moves_boxes_with_their_pixels():
    colored = boxed = 0.0
    for seed in range(30):
        mixed = BoxMosaic(p=1, min_visible=0)(SCENES[0], others(), rng(seed))
        assert mixed["image"].shape == (60, 80, 3) and len(mixed["boxes"]) == len(mixed["labels"])
        assert (mixed["boxes"] >= 0).all() and (mixed["boxes"] <= [80, 60, 80, 60]).all()
        for color, pixels in colors_in(mixed):
            assert (abs(pixels.astype(int) - color) <= 8).all()
        colored += (mixed["image"].max(axis=2) == 250).sum()
        boxed += (mixed["boxes"][:, 2:] - mixed["boxes"][:, :2]).prod(axis=1).sum()
    assert boxed > 0.95 * colored  # only slivers of under 2 pixels have no box


def test_mosaic_of_images_without_boxes_and_of_a_single_pixel():
    empty = scene((20, 20), [], [])
    mixed = BoxMosaic(p=1)(empty, others([empty]), rng())
    assert mixed["boxes"].shape == (0, 4) and mixed["boxes"].dtype == np.float32 and mixed["labels"].shape == (0,)
    pixel = scene((1, 1), [], [])
    assert BoxMosaic(p=1)(pixel, others([pixel]), rng())["image"].shape == (1, 1, 3)


def test_mixup_keeps_the_boxes_of_both():
    mixed = BoxMixUp(p=1)(SCENES[0], others([SCENES[1]]), rng())
    # 40x40 becomes 60x80: x doubles, y is half as much again
    assert mixed["boxes"].tolist() == [*SCENES[0]["boxes"].tolist(), [10, 7.5, 70, 52.5]]
    assert mixed["labels"].tolist() == [0, 1, 1]
    share = mixed["image"][20, 20] / 250  # red of the first, green of the second
    assert 0.3 < share[0] < 0.7 and share[0] + share[1] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_copy_paste_adds_objects_of_the_rare_class_where_they_hide_little(seed):
    before = dict(SCENES[0], image=SCENES[0]["image"].copy())
    mixed = BoxCopyPaste(p=1, classes=["c"])(before, others(), rng(seed))
    assert np.array_equal(before["image"], SCENES[0]["image"])  # the original is not changed
    added = mixed["boxes"][2:]
    assert (mixed["labels"][2:] == 2).all() and len(added) <= 2
    for box in added:
        # 10x10 of 30x100 is 8x20 of 60x80, times 0.75 to 1.33
        assert 6 <= box[2] - box[0] <= 10.7 and 15 <= box[3] - box[1] <= 26.7
        assert (share_inside(SCENES[0]["boxes"], box) <= 0.3).all()
    if len(added) == 1:
        ((_, pixels),) = list(colors_in(dict(mixed, boxes=added, labels=mixed["labels"][2:])))
        assert (abs(pixels.astype(int) - COLORS[2]) <= 8).all()


def test_copy_paste_prefers_rare_classes():
    counts = np.zeros(3)
    paste, source, empty = BoxCopyPaste(p=1, count=1, scale=(0.5, 0.5)), others(), scene((40, 40), [], [])
    random = rng()
    for _ in range(300):
        counts += np.bincount(paste(empty, source, random)["labels"], minlength=3)
    # 2, 2 and 1 boxes: 1/4, 1/4 and 1/2 of what is pasted
    assert counts / counts.sum() == pytest.approx([0.25, 0.25, 0.5], abs=0.08)


def test_an_object_in_the_box_of_another_is_pasted_with_it():
    both = scene((50, 50), [(10, 10, 40, 40), (20, 20, 30, 30), (38, 38, 49, 49)], [2, 0, 0])
    mixed = BoxCopyPaste(p=1, count=1, scale=(1, 1), classes=["c"])(scene((50, 50), [], []), others([both]), rng())
    left, top = mixed["boxes"][0, :2]
    assert mixed["labels"].tolist() == [2, 0]
    assert mixed["boxes"][1] == pytest.approx([left + 10, top + 10, left + 20, top + 20], abs=1e-3)


def test_copy_paste_finds_no_place_among_900_boxes_or_no_object():
    grid = [(x, y, x + 3, y + 3) for x in range(0, 90, 3) for y in range(0, 90, 3)]
    full = scene((90, 90), grid, [0] * 900)
    assert len(BoxCopyPaste(p=1)(full, others(), rng())["boxes"]) == 900
    assert len(BoxMosaic(p=1)(full, others([full]), rng())["boxes"]) > 100
    assert len(BoxMixUp(p=1)(full, others([full]), rng())["boxes"]) == 1800
    empty = scene((20, 20), [], [])
    assert BoxCopyPaste(p=1)(empty, others([empty]), rng()) is empty
    assert BoxCopyPaste(p=1)(empty, others([empty], classes=()), rng()) is empty


def test_what_is_drawn_does_not_depend_on_what_is_in_memory(monkeypatch):
    fresh = [others().draw(rng(seed))["image"].shape for seed in range(20)]
    used = others()
    assert fresh == [used.draw(rng(seed))["image"].shape for seed in range(20)]
    monkeypatch.setattr("densevision.detection.other_images._CACHE", 20_000)  # one or two images
    small = others()
    assert fresh == [small.draw(rng(seed))["image"].shape for seed in range(20)]
    assert len(small._kept) <= 2 < len(used._kept)


def test_damaged_images_are_reported_and_replaced():
    def load(index):
        if index:
            raise OSError("broken")
        return SCENES[0]

    reported = []
    source = OtherImages(load, [one["labels"] for one in SCENES], "abc", 1000, lambda *fault: reported.append(fault))
    assert all(source.draw(rng(seed)) is SCENES[0] for seed in range(5)) and reported
    assert source.draw_with(rng(), 2) is None  # only image 3 has one
    source = OtherImages(lambda _: load(1), [one["labels"] for one in SCENES], "abc", 1000, lambda *_: None)
    with pytest.raises(UserError, match="100 images in a row can't be read; densevision check CONFIG lists them"):
        source.draw(rng())


def test_an_object_whose_images_are_all_damaged_is_left_out():
    def load(index):
        if index == 3:  # the only one with class c
            raise OSError("broken")
        return SCENES[index]

    source = OtherImages(load, [one["labels"] for one in SCENES], "abc", 1000, lambda *_: None)
    blank = scene((60, 80), [], [])
    pasted = [BoxCopyPaste(p=1, count=3)(blank, source, rng(seed))["labels"].tolist() for seed in range(20)]
    assert {label for labels in pasted for label in labels} == {0, 1}
    assert BoxCopyPaste(p=1, classes=["c"])(blank, source, rng())["labels"].tolist() == []


def test_large_images_are_shrunk_with_their_boxes():
    small = shrink_sample(SCENES[0], 40)
    assert small["image"].shape == (30, 40, 3) and small["boxes"].tolist() == [[5, 5, 20, 15], [25, 17.5, 35, 27.5]]
    assert shrink_sample(SCENES[0], 80) is SCENES[0]


def test_each_is_applied_with_its_probability():
    chain = Mixing([dict(type=BoxMosaic, p=0.25)], "abc")
    same = [chain(seed, SCENES[0], others()) is SCENES[0] for seed in range(200)]
    assert 0.65 < np.mean(same) < 0.85


@pytest.mark.parametrize("mixer", [dict(type=BoxMosaic), dict(type=BoxMixUp), dict(type=BoxCopyPaste)])
def test_a_sample_is_a_function_of_its_key_and_late_ones_are_plain(coco_root, mixer):
    options = dict(transforms=[dict(type=HorizontalFlip, p=0.5)])
    mixing, again = (dataset(coco_root, mix=[dict(mixer, p=1)], **options) for _ in range(2))
    plain = dataset(coco_root, **options)

    def values(data, key):
        item = data[key]
        gt = item["data_samples"].gt
        return item["inputs"].tolist(), gt.boxes.tolist(), gt.labels.tolist()

    keys = [SampleKey(index, seed) for seed in range(4) for index in (2, 0)]
    first = [values(mixing, key) for key in keys]
    assert first == [values(again, key) for key in reversed(keys)][::-1]
    assert first != [values(plain, key) for key in keys]
    late = [LateKey(*key) for key in keys]
    assert [values(mixing, key) for key in late] == [values(plain, key) for key in keys]
    assert values(mixing, 0) == values(plain, 0)  # in evaluation


def test_classes_are_those_of_the_model_after_they_are_aligned(coco_root):
    data = dataset(coco_root, mix=[dict(type=BoxCopyPaste, p=1, classes=["cat"], max_overlap=1)])
    before = [data[SampleKey(1, seed)]["data_samples"].gt.labels.unique().tolist() for seed in range(9)]
    data.align_classes(("bird", "dog", "cat"))
    after = [data[SampleKey(1, seed)]["data_samples"].gt.labels.unique().tolist() for seed in range(9)]
    assert [0] in before and [2] in after and all(set(labels) <= {1, 2} for labels in after)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(mix=dict(type=BoxMosaic)), r"mix in the data set is .*; give a list, such as \[dict\(type=BoxMosaic"),
        (dict(mix=[BoxMosaic]), "give a dict, such as"),
        (dict(mix=[dict(type=BoxMosaic, p=2)]), "BoxMosaic.p is 2; give a number from 0 to 1"),
        (dict(mix=[dict(type=BoxMosaic, scale=1)]), "BoxMosaic.scale is 1; give two numbers"),
        (dict(mix=[dict(type=BoxMosaic, scale=(2, 1))]), "the lowest comes first"),
        (dict(mix=[dict(type=BoxMosaic, scale=(0, 1))]), "a number in BoxMosaic.scale is 0"),
        (dict(mix=[dict(type=BoxMosaic, size=3)]), "mix, BoxMosaic: .*size"),
        (dict(mix=[dict(type="BoxMosaik")]), "mix, BoxMosaik: .*not in the"),
        (
            dict(mix=[dict(type=HorizontalFlip)]),
            "HorizontalFlip: it takes BoxMosaic, BoxMixUp and BoxCopyPaste",
        ),
        (dict(mix=[dict(type=BoxMixUp, alpha=0)]), "BoxMixUp.alpha is 0"),
        (dict(mix=[dict(type=BoxCopyPaste, count=0)]), "BoxCopyPaste.count is 0"),
        (dict(mix=[dict(type=BoxCopyPaste, classes="cat")]), "BoxCopyPaste.classes is 'cat'; give a list of names"),
        (dict(mix=[dict(type=BoxCopyPaste, classes=["cats"])]), "no class 'cats'; did you mean cat"),
        (dict(mix=[dict(type=BoxCopyPaste, classes=[3])]), "no class 3"),
        (dict(mix_until=85), "mix_until in the data set is 85; give a number from 0 to 1"),
        (dict(transforms=[dict(type=BoxMosaic)]), "transform BoxMosaic in the config .* go into mix"),
    ],
)
def test_wrong_settings_are_one_line(coco_root, options, words):
    with pytest.raises(UserError, match=words) as error:
        dataset(coco_root, **options)
    assert "\n" not in str(error.value)
