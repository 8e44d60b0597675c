import pytest
import torch
import torch.nn.functional as F
from torch import nn

from densevision.backbones.backbone import Tap, build_backbone
from densevision.errors import UserError
from densevision.segmentation.head import LRASPPHead, RASPPHead

TAPS = {"c3": Tap(2, 8), "c4": Tap(9, 16), "c5": Tap(3, 16)}

# Counts for rows 5 to 8 and 11 of Table 7: parameters with batch-norm scales and shifts (millions), and
# multiply-adds of the convolutions at 1025x2049 (billions); 19 classes.
TABLE_7 = [
    ("mobilenet_v3_large", None, RASPPHead, 256, "3.601", "18.16"),
    ("mobilenet_v3_large", "segmentation", RASPPHead, 256, "1.762", "11.03"),
    ("mobilenet_v3_large", "segmentation", LRASPPHead, 256, "1.633", "10.13"),
    ("mobilenet_v3_large", "segmentation", LRASPPHead, 128, "1.507", "9.53"),
    ("mobilenet_v3_small", "segmentation", LRASPPHead, 128, "0.469", "2.78"),
]


@pytest.mark.parametrize("name, reduced_tail, head_type, filters, millions, billions", TABLE_7)
def test_parameters_and_madds_equal_table_7(name, reduced_tail, head_type, filters, millions, billions):
    with torch.device("meta"):  # shapes without data
        backbone = build_backbone(name, reduced_tail=reduced_tail, output_stride=16)
        head = head_type(backbone.taps, 19, filters=filters)
        network = nn.Sequential(backbone, head).eval()
        madds = count_madds(network, torch.empty(1, 3, 1025, 2049))
    assert f"{sum(p.numel() for p in network.parameters()) / 1e6:.3f}" == millions
    assert f"{madds / 1e9:.2f}" == billions


def count_madds(network, images):
    counted = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda conv, _, output: counted.append(output.numel() * conv.weight[0].numel())
            )
    network(images)
    return sum(counted)


def pooled(head, height, width):
    return head._pool(torch.rand(1, 3, height, width)).shape[-2:]


def test_pooling_window_is_49_with_steps_16_and_20_at_stride_16():
    # 65 x 129, a 1025 x 2049 image: (65 - 49) / 16 + 1 = 2 rows, (129 - 49) / 20 + 1 = 5 columns
    assert pooled(LRASPPHead(TAPS, 4), 65, 129) == (2, 5)


def test_pooling_window_is_25_with_steps_4_and_5_at_stride_32():
    # 33 x 65: (33 - 25) / 4 + 1 = 3 rows, (65 - 25) / 5 + 1 = 9 columns
    assert pooled(LRASPPHead(TAPS | {"c5": Tap(3, 32)}, 4), 33, 65) == (3, 9)


def test_pooling_is_global_on_features_smaller_than_the_window():
    feature = torch.rand(2, 3, 23, 30)
    torch.testing.assert_close(LRASPPHead(TAPS, 4)._pool(feature), feature.mean((2, 3), keepdim=True))
    # smaller in height only: the window covers all rows and moves along the columns, (69 - 49) / 20 + 1 = 2
    assert pooled(LRASPPHead(TAPS, 4), 23, 69) == (1, 2)
    assert pooled(LRASPPHead(TAPS, 4, pooling="global"), 65, 129) == (1, 1)


def test_invalid_pooling_raises_an_error():
    with pytest.raises(ValueError, match="wide"):
        LRASPPHead(TAPS, 4, pooling="wide")
    with pytest.raises(ValueError, match="stride"):
        LRASPPHead(TAPS | {"c5": Tap(3, 8)}, 4)


def test_lraspp_is_the_upsampled_gated_feature_plus_low_level_logits():
    """Compute Figure 10 step by step."""
    head = LRASPPHead(TAPS, 4, filters=5).eval()
    low, high = torch.randn(1, 2, 13, 11), torch.randn(1, 3, 7, 6)
    conv, norm, _ = head.project
    branch = F.relu(F.batch_norm(F.conv2d(high, conv.weight), norm.running_mean, norm.running_var,
                                 norm.weight, norm.bias, eps=1e-3))  # fmt: skip
    gate = F.conv2d(high.mean((2, 3), keepdim=True), head.gate.weight, head.gate.bias)
    product = branch * (F.relu6(gate + 3) / 6)
    up = F.interpolate(product, (14, 12), mode="bilinear", align_corners=False)[..., :13, :11]
    expected = F.conv2d(up, head.high_logits.weight, head.high_logits.bias)
    expected = expected + F.conv2d(low, head.low_logits.weight, head.low_logits.bias)
    torch.testing.assert_close(head({"c3": low, "c5": high}), expected)


def ramp_head(**options):
    """Return a head whose only weights that count copy the coarser feature, with a gate of 1."""
    head = LRASPPHead(TAPS | {"c5": Tap(1, 16)}, 1, filters=1, **options).eval()
    for layer in (head.project[0], head.gate, head.high_logits, head.low_logits):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias) if layer.bias is not None else None
    nn.init.constant_(head.gate.bias, 3.0)
    nn.init.ones_(head.project[0].weight)
    nn.init.ones_(head.high_logits.weight)
    head.project[1].eps = 0.0
    return head


def test_a_cell_lies_where_it_does_in_a_training_crop_if_the_sides_are_odd():
    # 5 rows at stride 8 are 3 at stride 16, which cover 6: row i is at (i + 0.5) / 2 - 0.5 of 0, 1, 2.
    features = {"c3": torch.zeros(1, 2, 5, 4), "c5": torch.tensor([[[[0.0, 0]], [[1, 1]], [[2, 2]]]]).view(1, 1, 3, 2)}
    rows = ramp_head()(features)[0, 0, :, 0].tolist()
    assert rows == pytest.approx([0, 0.25, 0.75, 1.25, 1.75])
    # torchvision puts the 3 rows on 5: row i is at (i + 0.5) * 3 / 5 - 0.5
    assert ramp_head(stretch=True)(features)[0, 0, :, 0].tolist() == pytest.approx([0, 0.4, 1.0, 1.6, 2.0])
    # with the corners in place, at i * 2 / 4
    assert ramp_head(align_corners=True)(features)[0, 0, :, 0].tolist() == pytest.approx([0, 0.5, 1.0, 1.5, 2.0])


def test_raspp_raises_an_error_for_training_on_one_image():
    head = RASPPHead(TAPS, 4)
    with pytest.raises(UserError, match="batch_size"):
        head({"c5": torch.rand(1, 3, 7, 6)})
    assert head.eval()({"c5": torch.rand(1, 3, 7, 6)}).shape == (1, 4, 7, 6)


def test_raspp_concatenates_local_and_image_level_features():
    head = RASPPHead(TAPS, 4, filters=5).eval()
    high = torch.randn(2, 3, 7, 6)
    joined = torch.cat(
        [head.local_branch(high), head.image_branch(high.mean((2, 3), keepdim=True)).repeat(1, 1, 7, 6)], 1
    )
    torch.testing.assert_close(head({"c5": high}), head.logits(head.join(joined)))
    assert [m.p for m in head.modules() if isinstance(m, nn.Dropout)] == [0.1]


def test_gate_can_be_a_sigmoid_without_bias():
    head = LRASPPHead(TAPS, 4, pooling="global", gate="sigmoid", bn_eps=1e-5)
    assert head.gate.bias is None and head.project[1].eps == 1e-5
    assert LRASPPHead(TAPS, 4).gate.bias is not None and LRASPPHead(TAPS, 4).project[1].eps == 1e-3
    nn.init.zeros_(head.gate.weight)  # gates of sigmoid(0) = 0.5
    features = {"c3": torch.zeros(1, 2, 4, 4), "c5": torch.rand(1, 3, 2, 2)}
    nn.init.zeros_(head.low_logits.bias)
    wanted = head.eval().high_logits(F.interpolate(head.project(features["c5"]) / 2, size=(4, 4), mode="bilinear"))
    assert (head(features) - wanted).abs().max() < 1e-6
    with pytest.raises(ValueError, match="gate must be 'hsigmoid' or 'sigmoid', not 'relu'"):
        LRASPPHead(TAPS, 4, gate="relu")
