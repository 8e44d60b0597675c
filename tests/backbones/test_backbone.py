import pytest
import torch
from torch import nn

from densevision.backbones import BACKBONES, BackboneSpec, Block, Tap, build_backbone, register_backbone
from densevision.backbones.layers import Conv2d

OWN = "these tests"  # source of a table that another test file may have registered
TABLES = sorted(name for name, table in BACKBONES.items() if isinstance(table, BackboneSpec) and table.source != OWN)


@pytest.mark.parametrize(
    ("name", "c3", "c4", "c5"),
    [("mobilenet_v3_large", 120, 672, 960), ("mobilenet_v3_small", 88, 288, 576)],
)
def test_taps(name, c3, c4, c5):
    backbone = build_backbone(name)
    assert backbone.taps == {"c3": Tap(c3, 8), "c4": Tap(c4, 16), "c5": Tap(c5, 32)}
    features = backbone(torch.zeros(2, 3, 64, 96))
    assert {tap: tuple(x.shape) for tap, x in features.items()} == {
        "c3": (2, c3, 8, 12),
        "c4": (2, c4, 4, 6),
        "c5": (2, c5, 2, 3),
    }


@pytest.mark.parametrize(("output_stride", "strides"), [(8, (8, 8, 8)), (16, (8, 16, 16)), (32, (8, 16, 32))])
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("padding", ["symmetric", "same"])
def test_feature_size_is_the_input_size_over_the_stride_rounded_up(name, output_stride, strides, padding):
    backbone = build_backbone(name, output_stride=output_stride, padding=padding, width=0.35).eval()
    assert tuple(tap.stride for tap in backbone.taps.values()) == strides
    with torch.no_grad():
        features = backbone(torch.zeros(1, 3, 65, 90))
    for tap, feature in features.items():
        stride = backbone.taps[tap].stride
        assert feature.shape[1:] == (backbone.taps[tap].channels, -(-65 // stride), -(-90 // stride))


@pytest.mark.parametrize(("name", "number"), [("mobilenet_v3_large", 13), ("mobilenet_v3_small", 9)])
def test_c4_is_the_expansion_output_of_the_block_in_the_paper(name, number):
    backbone = build_backbone(name).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        x = backbone.stem(images)
        for block in backbone.blocks[: number - 1]:
            x = block(x)
        convolution, norm, activation = backbone.blocks[number - 1].expansion
        by_hand = activation(norm(convolution(x)))
        c4 = backbone(images)["c4"]
    assert convolution.kernel_size == (1, 1) and isinstance(activation, nn.Hardswish)
    assert torch.equal(c4, by_hand)


@pytest.mark.parametrize(("name", "number"), [("mobilenet_v3_large", 6), ("mobilenet_v3_small", 3)])
def test_c3_is_the_depthwise_output_before_the_gate(name, number):
    backbone = build_backbone(name).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        x = backbone.stem(images)
        for block in backbone.blocks[: number - 1]:
            x = block(x)
        block = backbone.blocks[number - 1]
        by_hand = block.depthwise(block.expansion(x))
        assert torch.equal(backbone(images)["c3"], by_hand)


def test_output_stride_16_dilates_after_the_block_that_lost_its_stride():
    backbone = build_backbone("mobilenet_v3_large", output_stride=16)
    depthwise = [block.depthwise[0] for block in backbone.blocks[12:]]
    assert [(c.stride, c.dilation, c.padding) for c in depthwise] == [
        ((1, 1), (1, 1), (2, 2)),
        ((1, 1), (2, 2), (4, 4)),
        ((1, 1), (2, 2), (4, 4)),
    ]


def test_dilation_computes_the_same_features_on_a_denser_grid():
    coarse = build_backbone("mobilenet_v3_small", output_stride=32).eval()
    dense = build_backbone("mobilenet_v3_small", output_stride=16).eval()
    dense.load_state_dict(coarse.state_dict())
    for block in (*coarse.blocks, *dense.blocks):
        block.se = nn.Identity()  # the gate averages over the whole map, so it depends on the grid
    images = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        error = (dense(images)["c5"][..., ::2, ::2] - coarse(images)["c5"]).abs().max().item()
    assert error < 1e-5, error


def test_same_padding_adds_the_odd_pixel_at_the_bottom_right():
    layer = Conv2d(1, 1, 3, stride=2, padding="same")
    nn.init.ones_(layer.weight)
    ones = torch.ones(1, 1, 4, 4)
    # even size: no padding at the top and left, one row at the bottom and one column at the right
    assert layer(ones).tolist() == [[[[9.0, 6.0], [6.0, 4.0]]]]
    assert layer(ones[..., :3, :3]).tolist() == [[[[4.0, 4.0], [4.0, 4.0]]]]


def test_unknown_name_raises_an_error_with_similar_names():
    with pytest.raises(ValueError, match="unknown backbone 'mobilenet_v3_lage'; did you mean mobilenet_v3_large or"):
        build_backbone("mobilenet_v3_lage")


def test_registered_table_builds():
    blocks = tuple(Block(3, 16 + 8 * i, 16 + 8 * i, False, "relu", 2) for i in range(4))
    register_backbone("four_blocks", BackboneSpec(16, "relu", blocks, 64, c3=1, c4=2, source="this test"))
    try:
        assert build_backbone("four_blocks").taps["c5"] == Tap(64, 32)
        with pytest.raises(ValueError, match="already"):
            register_backbone("four_blocks", BACKBONES["mobilenet_v3_large"])
    finally:
        BACKBONES.pop("four_blocks")


@pytest.mark.reference
@pytest.mark.parametrize("size", ["large", "small"])
def test_logits_equal_torchvision(size):
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    theirs = getattr(models, f"mobilenet_v3_{size}")().eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after a training
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    ours = build_backbone(f"mobilenet_v3_{size}").eval()
    weights = list(theirs.features.state_dict().values())
    names = list(ours.state_dict())
    assert len(weights) == len(names)  # both list their layers from input to output
    ours.load_state_dict(dict(zip(names, weights, strict=True)))
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        logits = theirs.classifier(ours(images)["c5"].mean((2, 3)))
        error = (logits - theirs(images)).abs().max().item()
    assert error < 1e-4, error


def test_torchvision_segmentation_backbone_taps_an_output_and_dilates_the_strided_convolution():
    backbone = build_backbone("mobilenet_v3_large_lraspp_torchvision", output_stride=16)
    assert backbone.taps == {"c3": Tap(40, 8), "c4": Tap(672, 16), "c5": Tap(960, 16)}
    assert backbone(torch.zeros(1, 3, 64, 96))["c3"].shape == (1, 40, 8, 12)
    dilations = [backbone.blocks[index].depthwise[0].dilation for index in (11, 12, 13)]
    assert dilations == [(1, 1), (2, 2), (2, 2)]
    ours = build_backbone("mobilenet_v3_large", output_stride=16)
    assert [ours.blocks[index].depthwise[0].dilation for index in (11, 12, 13)] == [(1, 1), (1, 1), (2, 2)]


def test_fixed_stem_keeps_its_16_channels_and_its_first_expansion():
    spec = build_backbone("mobilenet_v3_small_fixed_stem", width=0.5).spec
    # 16 stem channels * 16/16 = 16, to 16 * 0.5 = 8; the next expansion is 8 * 72/16 = 36 -> 40
    assert (spec.stem, spec.blocks[0].expand, spec.blocks[0].out, spec.blocks[1].expand) == (16, 16, 8, 40)
    assert build_backbone("mobilenet_v3_small", width=0.5).spec.stem == 8


@pytest.mark.parametrize("options", [{}, dict(bn_eps=1e-5)])
def test_epsilon_of_every_batch_norm(options):
    norms = [m for m in build_backbone("mobilenet_v3_small", **options).modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 34 and {norm.eps for norm in norms} == {options.get("bn_eps", 1e-3)}
