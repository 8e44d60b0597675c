import math

import pytest
import torch

from densevision.detection.box_coder import BoxCoder
from densevision.errors import UserError

ANCHOR = torch.tensor([[10.0, 20.0, 30.0, 60.0]])  # center 20, 40; 20 wide, 40 high


def test_delta_is_dx_dy_dw_dh_in_anchor_units():
    box = torch.tensor([[22.0, 20.0, 32.0, 100.0]])  # center 27, 60; 10 wide, 80 high
    # dx = 7 / 20 * 10 = 3.5; dy = 20 / 40 * 10 = 5; dw = 5 ln(1/2); dh = 5 ln 2
    expected = [3.5, 5.0, -5 * math.log(2), 5 * math.log(2)]
    assert BoxCoder().encode(box, ANCHOR)[0].tolist() == pytest.approx(expected)


def test_decode_inverts_encode():
    corner = torch.rand(200, 2, 2) * 300
    boxes = torch.cat([corner.amin(1), corner.amax(1) + 1], dim=1)
    anchors = boxes[torch.randperm(200)]
    coder = BoxCoder()
    ratio = (boxes[:, 2:] - boxes[:, :2]) / (anchors[:, 2:] - anchors[:, :2])
    fits = ratio.amax(1) < 60  # the others are clamped
    error = (coder.decode(coder.encode(boxes, anchors), anchors) - boxes).abs()[fits].max().item()
    assert fits.sum() > 150 and error < 1e-2, error


def test_large_delta_is_clamped():
    box = BoxCoder().decode(torch.tensor([[0.0, 0.0, 1000.0, 1000.0]]), ANCHOR)
    assert (box[0, 2] - box[0, 0]).item() == pytest.approx(20 * 62.5)


def test_batch_decodes_with_one_set_of_anchors():
    deltas = torch.randn(3, 5, 4)
    anchors = ANCHOR.repeat(5, 1)
    coder = BoxCoder()
    assert torch.equal(coder.decode(deltas, anchors)[1], coder.decode(deltas[1], anchors))


@pytest.mark.reference
def test_equals_torchvision():
    module = pytest.importorskip("torchvision.models.detection._utils")
    theirs = module.BoxCoder((10.0, 10.0, 5.0, 5.0))
    corner = torch.rand(50, 2) * 200
    boxes = torch.cat([corner, corner + 5 + torch.rand(50, 2) * 100], dim=1)
    anchors = boxes.roll(7, dims=0)
    deltas = BoxCoder().encode(boxes, anchors)
    assert torch.allclose(deltas, theirs.encode_single(boxes, anchors), atol=1e-4)
    assert torch.allclose(BoxCoder().decode(deltas, anchors), theirs.decode_single(deltas, anchors), atol=1e-3)


def test_other_weights_computed_by_hand():
    # a box twice as wide and as high as its anchor, shifted by half the anchor's width
    anchor, box = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[0.0, -5, 20, 15]])
    coder = BoxCoder([2, 3, 4, 6])
    log2 = 0.6931472
    assert coder.encode(box, anchor)[0].tolist() == pytest.approx([2 * 0.5, 0, 4 * log2, 6 * log2])
    assert coder.decode(coder.encode(box, anchor), anchor)[0].tolist() == pytest.approx([0, -5, 20, 15], abs=1e-5)


@pytest.mark.parametrize(
    "weights, message",
    [
        ((10, 10, 5), "four numbers, for dx, dy, dw and dh"),
        (10.0, "coder.weights is 10.0"),
        (None, "coder.weights is None"),
        ("aaaa", "coder.weights is 'aaaa'"),
        ((10, 10, 5, 0), "in coder.weights is 0"),
        ((10, 10, 5, -5), "in coder.weights is -5"),
        ((10, 10, 5, float("nan")), "in coder.weights is nan"),
        ((10, 10, 5, "5"), "in coder.weights is '5'"),
    ],
)
def test_invalid_weights_raise_an_error_that_names_them(weights, message):
    with pytest.raises(UserError, match=message):
        BoxCoder(weights)
