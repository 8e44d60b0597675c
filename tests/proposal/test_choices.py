"""Sizes, schedule, flips and network, with numbers by hand."""

import numpy as np
import pytest

from densevision.errors import UserError
from densevision.proposal.flips import choose_flips
from densevision.proposal.network import choose_backbone
from densevision.proposal.schedule import DETECTION, SEGMENTATION, choose_schedule
from densevision.proposal.sizes import choose_crop, choose_input_size, small_side


def boxes(side, count=4):
    return np.array([[0.1, 0.1, 0.1 + side, 0.1 + side]] * count)


@pytest.mark.parametrize(
    "image, side, target, expected",
    [
        ((480, 640), 0.08, "balanced", (320, 320)),  # 26 pixels at 320
        ((480, 640), 0.04, "balanced", (416, 416)),  # 16 / 0.04 = 400, the next multiple of 32
        ((480, 640), 0.01, "balanced", (512, 512)),  # the largest
        ((480, 640), 0.01, "accurate", (544, 544)),  # the images' own size: sqrt(480 * 640) = 554
        ((480, 640), 0.08, "phone-fast", (256, 256)),
        ((1080, 1920), 0.08, "balanced", (256, 416)),  # 320 / sqrt(16 / 9) = 240, 320 * sqrt(16 / 9) = 427
        ((64, 64), 0.5, "balanced", (224, 224)),
    ],
)
def test_the_input_follows_images_and_boxes(image, side, target, expected):
    sizes = np.array([image] * 3)
    found = choose_input_size(sizes, boxes(side), np.zeros(4), target).value
    assert found == expected and all(value % 32 == 0 for value in found)


def test_mixed_orientations_get_a_square():
    sizes = np.array([(1080, 1920), (1920, 1080)])
    assert choose_input_size(sizes, boxes(0.2), np.zeros(4), "balanced").value == (320, 320)


def test_the_lower_quarter_weighs_classes_equally():
    # 9 boxes of 0.5 and one of 0.1 of another class: that class is half of the weight
    both = np.concatenate([boxes(0.5, 9), boxes(0.1, 1)])
    assert small_side(both, np.array([0] * 9 + [1])) == pytest.approx(0.1)
    assert small_side(both, np.zeros(10)) == pytest.approx(0.5)
    assert small_side(np.zeros((0, 4)), np.zeros(0)) == 0.0


@pytest.mark.parametrize(
    "image, target, crop",
    [
        ((360, 480), "balanced", (288, 384)),
        ((64, 48), "balanced", (64, 64)),
        ((1080, 1920), "balanced", (512, 512)),
        ((1080, 1920), "accurate", (768, 768)),
    ],
)
def test_the_crop_is_most_of_the_image(image, target, crop):
    assert choose_crop(np.array([image] * 3), target).value == crop


def test_the_schedules_are_those_of_the_shipped_configs():
    found = choose_schedule(205, DETECTION, pretrained=False)
    assert (found.batch, found.iterations, found.interval, found.warmup, found.rate) == (16, 2400, 480, 320, 2e-3)
    found = choose_schedule(205, DETECTION, pretrained=True)
    assert (found.batch, found.iterations, found.warmup, found.rate) == (16, 600, 100, 1e-3)
    found = choose_schedule(367, SEGMENTATION, pretrained=False)
    assert (found.batch, found.iterations, found.interval, found.warmup, found.rate) == (8, 2500, 500, 100, 5e-3)


@pytest.mark.parametrize("recipe", [DETECTION, SEGMENTATION])
@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.parametrize("images", [1, 2, 5, 10, 48, 400, 3000, 118_000])
def test_a_schedule_fits_the_number_of_images(images, recipe, pretrained):
    found = choose_schedule(images, recipe, pretrained=pretrained)
    assert 1 <= found.batch <= images and found.warmup <= found.iterations / 5
    assert found.iterations == 5 * found.interval and found.iterations * found.batch <= 1_100_000
    assert found.epochs <= 330 and found.rate <= recipe.rate


@pytest.mark.parametrize(
    "classes, flips",
    [
        (["person", "car", "bus"], ["HorizontalFlip"]),
        (["RBC", "WBC", "Platelets"], ["HorizontalFlip", "VerticalFlip"]),
        (["red blood cell"], ["HorizontalFlip", "VerticalFlip"]),
        (["person", "cell phone"], ["HorizontalFlip"]),
        (["turn_left", "stop"], []),
        (["LeftHand", "RightHand"], []),
        (list("0123456789"), []),
        (["copyright"], ["HorizontalFlip"]),  # no word "right"
    ],
)
def test_flips_follow_the_names_of_the_classes(classes, flips):
    assert list(choose_flips(classes).value) == flips


def test_the_network_follows_target_and_model():
    assert choose_backbone("detection", None, "balanced").value == dict(
        name="mobilenet_v3_small", reduced_tail="detection"
    )
    assert choose_backbone("segmentation", None, "accurate").value == dict(name="mobilenet_v3_large", output_stride=16)
    assert choose_backbone("detection", "large", "phone-fast").value == dict(name="mobilenet_v3_large")
    with pytest.raises(UserError, match="mobilenet_v3_smal: no such backbone; did you mean mobilenet_v3_small"):
        choose_backbone("detection", "mobilenet_v3_smal", "balanced")
