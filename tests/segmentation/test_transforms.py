import errno

import albumentations as A
import cv2
import numpy as np
import pytest

from densevision.config.find import configs_folder
from densevision.config.load import load_config
from densevision.data.augment import Augment
from densevision.data.sampler import SampleKey
from densevision.errors import MachineFault, UserError
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.transforms import OTHER, ClassUniformCrop, ColorTransfer, CutMix, OtherImage, PasteClass

# 20 rows, 30 columns: class 0, with class 1 in one pixel and class 2 in two; the left column is ignored.
MASK = np.zeros((20, 30), np.uint8)
MASK[9, 15] = 1
MASK[0, 29] = MASK[19, 29] = 2
MASK[:, 0] = 255


def crops(mask, seeds=200, **options):
    """Return where crops of 5x7 of a mask begin: (top, left) of each, by seed; pixels know their place."""
    place = np.stack([*np.indices(mask.shape), np.zeros(mask.shape)], -1).astype(np.uint8)
    augment = Augment([dict(type=ClassUniformCrop, height=5, width=7, **options)], boxes=False)
    found = [augment(seed, image=place, mask=mask) for seed in range(seeds)]
    assert all(one["image"].shape == (5, 7, 3) and one["mask"].shape == (5, 7) for one in found)
    for one in found:
        top, left = one["image"][0, 0, :2]
        assert (one["mask"] == mask[top : top + 5, left : left + 7]).all()
    return [tuple(one["image"][0, 0, :2].tolist()) for one in found]


def test_classes_come_equally_often_whatever_their_pixels():
    found = crops(MASK, share=1.0)
    first = found.count((9 - 2, 15 - 3))  # the pixel is the center
    last = found.count((0, 30 - 7)) + found.count((20 - 5, 30 - 7))  # moved into the image, two places
    assert 45 <= first <= 90 and 45 <= last <= 90  # 67 expected of 200; spread 6.7
    assert found.count((0, 23)) >= 15 and found.count((15, 23)) >= 15


def test_a_share_of_the_samples_is_around_a_class_and_the_others_are_those_of_a_random_crop():
    plain = Augment([dict(type=A.RandomCrop, height=5, width=7)], boxes=False)
    place = np.stack([*np.indices(MASK.shape), np.zeros(MASK.shape)], -1).astype(np.uint8)
    random = [tuple(plain(s, image=place, mask=MASK)["image"][0, 0, :2].tolist()) for s in range(200)]
    assert crops(MASK, share=0.0) == random
    moved = sum(one != other for one, other in zip(crops(MASK, share=0.5), random, strict=True))
    assert 75 <= moved <= 125


def test_an_image_with_one_class_or_none_is_cropped_at_random():
    assert len(set(crops(np.full((20, 30), 255, np.uint8), share=1.0))) > 50
    assert len(set(crops(np.zeros((20, 30), np.uint8), share=1.0))) > 50
    assert set(crops(np.zeros((5, 7), np.uint8), seeds=5, share=1.0)) == {(0, 0)}


def test_a_sample_is_a_function_of_its_seed():
    assert crops(MASK, share=0.5) == crops(MASK, share=0.5)


@pytest.mark.parametrize("options", [dict(share=1.5), dict(share="a"), dict(height=0), dict(classes=[1])])
def test_bad_settings_are_one_line(options):
    with pytest.raises(UserError, match="transform ClassUniformCrop in the config: ") as caught:
        Augment([dict(dict(type=ClassUniformCrop, height=5, width=7), **options)], boxes=False)
    assert "\n" not in str(caught.value)


def test_a_crop_larger_than_the_image_is_one_line():
    with pytest.raises(UserError, match="crops more than an image of 30x4 has"):
        crops(MASK[:4])


def test_transforms_inside_others_are_built():
    inner = [dict(type=A.HorizontalFlip, p=1.0), dict(type=A.VerticalFlip, p=1.0)]
    augment = Augment([dict(type=A.Sequential, transforms=inner, p=1.0)], boxes=False)
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert (augment(0, image=image, mask=image[..., 0])["image"] == image[::-1, ::-1]).all()
    with pytest.raises(UserError, match="transform HorizontalFlip in the config"):
        Augment([dict(type=A.OneOf, transforms=[dict(type=A.HorizontalFlip, q=1)])], boxes=False)


def test_strong_augmentation_of_camvid(tmp_path):
    """The base loads, keeps sizes and labels, and is a function of the seed."""
    path = tmp_path / "strong.py"
    source = (configs_folder() / "segmentation/lraspp_v3_small_camvid.py").read_text()
    path.write_text(source.replace("_base_.camvid ", "_base_.camvid_strong "))
    dataset = load_config(path).train_dataloader.dataset
    augment = Augment(dataset.transforms, boxes=False)
    image = np.random.default_rng(0).integers(0, 256, (360, 480, 3), np.uint8)
    mask = np.full((360, 480), 4, np.uint8)
    samples = [augment(seed, image=image, mask=mask) for seed in range(12)]
    for seed, sample in enumerate(samples):
        assert sample["image"].shape == (288, 384, 3) and sample["image"].dtype == np.uint8
        assert set(np.unique(sample["mask"])) <= {4, 255}
        assert (augment(seed, image=image, mask=mask)["image"] == sample["image"]).all()


# A 2x3 image of zeros and class 0, and another one: its pixels are 10 to 15, its labels 1, 2 and ignored.
OTHER_IMAGE = OtherImage(
    np.arange(10, 16, dtype=np.uint8).reshape(2, 3, 1).repeat(3, 2),
    np.array([[1, 2, 2], [255, 1, 0]], np.uint8),
    ("road", "pole", "sign"),
)


def pasted(classes, other=OTHER_IMAGE, seed=0, p=1.0, size=(2, 3)):
    augment = Augment([dict(type=PasteClass, classes=classes, p=p)], boxes=False)
    arrays = dict(image=np.zeros((*size, 3), np.uint8), mask=np.zeros(size, np.uint8))
    found = augment(seed, **arrays, **{OTHER: lambda: other})
    assert not arrays["image"].any() and not arrays["mask"].any()
    return found["image"][..., 0].tolist(), found["mask"].tolist()


def test_one_class_is_pasted_at_its_place_or_mirrored():
    pole = ([[10, 0, 0], [0, 14, 0]], [[1, 0, 0], [0, 1, 0]])
    mirrored = ([[0, 0, 10], [0, 14, 0]], [[0, 0, 1], [0, 1, 0]])
    found = [pasted(["pole"], seed=seed) for seed in range(40)]
    assert all(one in (pole, mirrored) for one in found)
    assert 10 <= found.count(pole) <= 30


def test_the_class_is_one_of_those_in_the_other_image():
    labels = [max(map(max, pasted(["pole", "sign"], seed=seed)[1])) for seed in range(40)]
    assert 10 <= labels.count(1) <= 30 and labels.count(1) + labels.count(2) == 40
    assert pasted(["pole", "pole"]) == pasted(["pole"])


@pytest.mark.parametrize("mask", [[[0, 0, 0], [0, 0, 0]], [[255, 255, 255], [255, 255, 255]]])
def test_without_the_class_nothing_is_pasted(mask):
    other = OtherImage(OTHER_IMAGE.image, np.array(mask, np.uint8), OTHER_IMAGE.classes)
    for given in (other, None):
        assert pasted(["pole"], given) == ([[0, 0, 0]] * 2, [[0, 0, 0]] * 2)


def test_images_of_other_sizes_are_cut():
    assert pasted(["pole"], size=(1, 1), seed=next(s for s in range(9) if pasted(["pole"], seed=s)[1][0][0])) == (
        [[10]],
        [[1]],
    )
    image, mask = pasted(["pole"], size=(4, 5))
    assert sum(map(sum, mask)) == 2 and image[2:] == [[0] * 5] * 2


def test_a_share_of_the_samples_is_changed():
    changed = sum(any(map(any, pasted(["pole"], seed=seed, p=0.3)[1])) for seed in range(200))
    assert 40 <= changed <= 80


def test_an_unknown_class_is_one_line():
    with pytest.raises(UserError, match="PasteClass: 'polo' is no class of the data; give road, pole, sign"):
        pasted(["polo"])
    for classes in ([], 3, None):
        with pytest.raises(UserError, match="transform PasteClass in the config"):
            Augment([dict(type=PasteClass, classes=classes)], boxes=False)


def test_the_data_set_draws_the_other_image_by_the_seed(cityscapes):
    transforms = [dict(type=PasteClass, classes=["car"], p=1.0)]
    dataset = CityscapesDataset(str(cityscapes), "val", ("sky", "road", "car"), transforms=transforms)
    dataset.count("train")
    keys = [SampleKey(0, seed) for seed in range(8)]
    labels = [dataset[key]["data_samples"].gt.labels[0] for key in keys]
    assert all((one == 2).sum() in (1, 2) for one in labels)  # its own car, and that of the mirror image
    assert {int((one == 2).sum()) for one in labels} == {1, 2}
    assert all((dataset[key]["data_samples"].gt.labels[0] == one).all() for key, one in zip(keys, labels, strict=True))
    dataset.images[1] = "missing.png"  # a damaged one gives nothing
    assert all(dataset[key]["inputs"].shape == (3, 8, 8) for key in keys)


def mixed(area, size=(20, 40), seed=0, other_size=(20, 40)):
    """Return the changed mask: class 0 with a rectangle of class 1; the image is checked to agree with it."""
    other = OtherImage(np.full((*other_size, 3), 9, np.uint8), np.ones(other_size, np.uint8), ("road", "pole"))
    augment = Augment([dict(type=CutMix, area=area, p=1.0)], boxes=False)
    arrays = dict(image=np.zeros((*size, 3), np.uint8), mask=np.zeros(size, np.uint8))
    found = augment(seed, **arrays, **{OTHER: lambda: other})
    assert (found["image"] == 9 * found["mask"][..., None]).all()
    return found["mask"]


def test_cut_mix_pastes_one_rectangle_of_the_area():
    for seed in range(50):
        mask = mixed((0.25, 0.25), seed=seed)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert mask.sum() == height * width
        assert abs(height * width - 200) <= 20  # a quarter of 800 pixels, sides rounded
        assert 0.45 <= (height / 20) / (width / 40) <= 2.2
    places = {
        (int(np.argmax(m.any(1))), int(np.argmax(m.any(0)))) for m in (mixed((0.25, 0.25), seed=s) for s in range(50))
    }
    assert len(places) > 30


def test_cut_mix_of_all_or_nearly_nothing():
    assert mixed((0, 0)).sum() == 1  # one pixel at least
    assert all(mixed((1, 1), seed=seed).sum() >= 800 * 0.7 for seed in range(20))  # a wide one loses height, not width
    small = mixed((0.5, 0.5), other_size=(4, 6))
    assert 8 <= small.sum() <= 17 and not small[4:].any() and not small[:, 6:].any()
    assert mixed((0.5, 0.5), size=(1, 1)).tolist() == [[1]]


def test_cut_mix_shows_the_other_image_half_of_the_time_mirrored():
    augment = Augment([dict(type=CutMix, area=(1, 1), p=1.0)], boxes=False)
    lefts = []
    for seed in range(40):
        arrays = dict(image=np.zeros((2, 3, 3), np.uint8), mask=np.full((2, 3), 2, np.uint8))
        found = augment(seed, **arrays, **{OTHER: lambda: OTHER_IMAGE})
        changed = found["image"][..., 0] > 0
        whole = OTHER_IMAGE.image[..., 0], OTHER_IMAGE.mask
        mirrored = [values[:, ::-1] for values in whole]
        equal = [
            (found["image"][..., 0] == v[0])[changed].all() and (found["mask"] == v[1])[changed].all()
            for v in (whole, mirrored)
        ]
        assert any(equal) and (found["mask"][~changed] == 2).all()
        lefts.append(equal[0])
    assert 10 <= sum(lefts) <= 30


def transferred(image, other, share, seed=0):
    augment = Augment([dict(type=ColorTransfer, share=share, p=1.0)], boxes=False)
    given = other is not None and OtherImage(other, np.zeros(other.shape[:2], np.uint8), ("road",))
    mask = np.zeros(image.shape[:2], np.uint8)
    found = augment(seed, image=image, mask=mask, **{OTHER: lambda: given or None})
    assert not found["mask"].any()
    return found["image"]


def test_colors_come_from_the_other_image():
    gray = np.full((4, 4, 3), 60, np.uint8)
    blue = np.full((2, 6, 3), (20, 60, 200), np.uint8)
    assert abs(transferred(gray, blue, (1, 1)).astype(int) - (20, 60, 200)).max() <= 3  # 8-bit CIELAB
    assert abs(transferred(gray, blue, (0, 0)).astype(int) - 60).max() <= 1
    half = transferred(gray, blue, (0.5, 0.5))[0, 0].astype(int)
    assert 100 < half[2] < 160 and half[0] < 80 and half[1] < 80
    assert (transferred(gray, None, (1, 1)) == gray).all()


def test_contrast_comes_from_the_other_image():
    weak = np.repeat(np.array([[90, 110]], np.uint8), 4, 0)[..., None].repeat(3, 2)
    strong = np.repeat(np.array([[30, 220]], np.uint8), 4, 0)[..., None].repeat(3, 2)
    assert abs(transferred(weak, strong, (1, 1))[0, :, 0].astype(int) - (30, 220)).max() <= 2
    assert abs(transferred(strong, weak, (1, 1))[0, :, 0].astype(int) - (90, 110)).max() <= 2
    flat = np.full((4, 2, 3), 100, np.uint8)
    changed = transferred(flat, strong, (1, 1))[..., 0]  # no contrast of its own: only the mean changes
    assert changed.min() == changed.max() and abs(int(changed.min()) - 117) <= 1  # L* of 30 is 11, of 220 it is 88


def test_mean_and_deviation_of_a_large_image_become_those_of_the_other():
    random = np.random.default_rng(0)
    image = random.integers(60, 90, (360, 480, 3), dtype=np.uint8)
    other = random.integers(100, 180, (200, 300, 3), dtype=np.uint8)
    found, wanted = (
        cv2.cvtColor(one, cv2.COLOR_RGB2LAB).astype(np.float64).reshape(-1, 3)
        for one in (transferred(image, other, (1, 1)), other)
    )
    assert abs(found.mean(0) - wanted.mean(0)).max() < 0.6 and abs(found.std(0) - wanted.std(0)).max() < 0.6


@pytest.mark.parametrize("kind, key", [(CutMix, "area"), (ColorTransfer, "share")])
@pytest.mark.parametrize("given", [(0.5, 0.2), (-0.1, 0.5), (0.5, 1.1), (0.5,), "most", None])
def test_an_impossible_range_is_one_line(kind, key, given):
    with pytest.raises(UserError, match=f"transform {kind.__name__} in the config"):
        Augment([{"type": kind, key: given}], boxes=False)


@pytest.mark.parametrize("given", [dict(type=PasteClass, classes=["car"]), dict(type=CutMix), dict(type=ColorTransfer)])
def test_without_a_data_set_to_draw_from_it_is_an_error(given):
    augment = Augment([given | dict(p=1.0)], boxes=False)
    with pytest.raises(UserError, match=f"does not fit this task: {given['type'].__name__} requires"):
        augment(0, image=np.zeros((2, 3, 3), np.uint8))


def test_the_other_image_is_read_once_for_all_transforms(cityscapes):
    transforms = [dict(type=kind, p=1.0) for kind in (ColorTransfer, CutMix)]
    dataset = CityscapesDataset(str(cityscapes), "val", ("sky", "road", "car"), transforms=transforms)
    dataset.count("train")
    read, drawn = dataset.read, []
    dataset.read = lambda index: drawn.append(index) or read(index)
    assert dataset[SampleKey(0, 1)]["inputs"].shape == (3, 8, 8)
    assert len(drawn) == 2  # its own image, and the other


@pytest.mark.parametrize(
    "kind, refused", [(OSError("damaged"), False), (OSError(errno.EMFILE, "Too many open files"), True)]
)
def test_a_fault_of_the_machine_leaves_nothing_out(cityscapes, kind, refused):
    dataset = CityscapesDataset(str(cityscapes), "val", ("sky", "road", "car"), transforms=[dict(type=CutMix, p=1.0)])
    read, left = dataset.read, iter([None])

    def fail_for_the_other(index):
        if next(left, kind) is kind:
            raise kind
        return read(index)

    dataset.read = fail_for_the_other
    if refused:
        with pytest.raises(MachineFault, match="ulimit -n"):
            dataset[SampleKey(0, 1)]
    else:
        assert dataset[SampleKey(0, 1)]["inputs"].shape == (3, 8, 8)


def test_a_transform_of_boxes_does_not_fit():
    augment = Augment([dict(type="BBoxSafeRandomCrop", p=1.0)], boxes=False)
    with pytest.raises(UserError, match="does not fit this task: it needs 'bboxes'; remove it"):
        augment(0, image=np.zeros((8, 8, 3), np.uint8), mask=np.zeros((8, 8), np.uint8))
