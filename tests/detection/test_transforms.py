from random import Random

import numpy as np
import pytest

from densevision.data.augment import A as albumentations
from densevision.data.augment import Augment, clip_boxes
from densevision.detection.transforms import Expand, SSDCrop, center_inside, iou_with


def test_iou_of_a_box_and_a_crop():
    # an intersection of 5x10 = 50 and a union of 100 + 100 - 50
    assert iou_with((0.0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert iou_with((20.0, 20, 30, 30), (5, 0, 15, 10)) == 0


def test_center_inside():
    assert center_inside((0.0, 0, 10, 10), (0, 0, 8, 8))
    assert not center_inside((4.0, 4, 20, 20), (0, 0, 8, 8))


def test_ssd_crop_keeps_boxes_on_their_pixels():
    image = np.zeros((100, 120, 3), np.uint8)
    image[30:50, 40:80] = 255
    boxes, labels = np.array([[40, 30, 80, 50], [100, 80, 118, 98]], np.float32), np.array([3, 7])
    augment = Augment([SSDCrop()], boxes=True)
    sizes, lost = set(), 0
    for seed in range(60):
        out = augment(seed, image=image, boxes=boxes, labels=labels)
        height, width = out["image"].shape[:2]
        sizes.add((height, width))
        assert 0.3 * 100 - 1 <= height <= 100 and 0.3 * 120 - 1 <= width <= 120
        assert len(out["boxes"]) >= 1
        lost += len(out["boxes"]) < 2
        for box, label in zip(out["boxes"], out["labels"], strict=True):
            if label == 3:
                left, top, right, bottom = box.round().astype(int)
                assert (out["image"][top:bottom, left:right] == 255).all()
                assert out["image"].astype(int).sum() == 255 * 3 * (bottom - top) * (right - left)
    assert len(sizes) > 15 and 5 < lost < 50  # with min IoU 0.3 and above no crop fits such small boxes


def test_ssd_crop_does_not_change_an_image_without_objects():
    image = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    out = Augment([SSDCrop()], boxes=True)(1, image=image, boxes=np.zeros((0, 4), np.float32), labels=np.zeros(0, int))
    assert (out["image"] == image).all() and out["boxes"].shape == (0, 4)


def test_ssd_crop_of_at_least_a_share_of_each_side():
    image, boxes = np.zeros((100, 120, 3), np.uint8), np.array([[40, 30, 80, 50]], np.float32)
    augment = Augment([SSDCrop(min_side=0.7)], boxes=True)
    sizes = {augment(seed, image=image, boxes=boxes, labels=np.zeros(1, int))["image"].shape[:2] for seed in range(60)}
    assert len(sizes) > 5 and all(height >= 70 and width >= 84 for height, width in sizes)


@pytest.mark.parametrize("share", [0, 1.5, "half"])
def test_ssd_crop_refuses_another_share(share):
    with pytest.raises(ValueError, match="min_side"):
        SSDCrop(min_side=share)


def test_expand_moves_boxes_and_fills_with_gray():
    image = np.full((20, 30, 3), 255, np.uint8)
    boxes = np.array([[0, 0, 30, 20]], np.float32)
    augment = Augment([Expand(max_ratio=3.0, p=1.0)], boxes=True)
    for seed in range(10):
        out = augment(seed, image=image, boxes=boxes, labels=np.zeros(1, int))
        left, top, right, bottom = out["boxes"][0].round().astype(int)
        assert (right - left, bottom - top) == (30, 20)
        assert (out["image"][top:bottom, left:right] == 255).all()
        assert (out["image"] == 127).sum() == 3 * (out["image"][..., 0].size - 600)
        assert out["image"].shape[0] <= 60 and out["image"].shape[1] <= 90


def test_expand_with_a_ratio_below_1_raises_an_error():
    with pytest.raises(ValueError):
        Expand(max_ratio=0.5)


def test_boxes_are_clipped_as_albumentations_clips_them():
    from albumentations.core.bbox_utils import filter_bboxes

    random = np.random.default_rng(0)
    corners = random.random((400, 2)) * 1.2 - 0.1
    boxes = np.hstack([corners, corners + random.random((400, 2)) * 0.3 - 0.01, np.arange(400)[:, None]])
    for height, width in ((480, 640), (77, 93), (1, 3)):
        expected = filter_bboxes(boxes, dict(height=height, width=width), min_width=1, min_height=1)
        assert clip_boxes(boxes, (height, width)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("nested", [False, True])
def test_boxes_of_a_chain_are_those_of_compose(nested):
    random = np.random.default_rng(0)
    transforms = [SSDCrop(), albumentations.HorizontalFlip(p=0.5), Expand(max_ratio=2.0, p=0.5)]
    transforms = [albumentations.Sequential(transforms, p=1.0)] if nested else transforms
    transforms.append(albumentations.Resize(40, 50))
    params = dict(format="pascal_voc", label_fields=["labels"], clip=True, filter_invalid_bboxes=True)
    compose = albumentations.Compose(transforms, albumentations.BboxParams(**params, min_width=1, min_height=1))
    augment = Augment(transforms, boxes=True)
    for seed in range(60):
        corners = random.integers(0, 60, (seed % 7, 2)).astype(np.float32)
        boxes = np.hstack([corners, corners + random.integers(1, 90, (seed % 7, 2))]).astype(np.float32)
        image, labels = random.integers(0, 256, (70, 90, 3), dtype=np.uint8), np.arange(seed % 7)
        compose.set_random_state(np.random.default_rng(seed), Random(seed))
        expected = compose(image=image, bboxes=boxes.astype(np.float64), labels=labels)
        found = augment(seed, image=image, boxes=boxes, labels=labels)
        assert (found["image"] == expected["image"]).all() and found["labels"].tolist() == list(expected["labels"])
        assert found["boxes"].tobytes() == np.asarray(expected["bboxes"], np.float32).tobytes()
