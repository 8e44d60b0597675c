import pytest

from densevision.errors import UserError
from densevision.weights.source import find_source, rename_prefix, sources
from tests.weights.peers import CLASSIFIERS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("features.0.1.weight", "stem.1.weight"),
        ("features.1.block.0.0.weight", "first.0.weight"),
        ("features.10.weight", "features.10.weight"),  # the prefix "features.1" does not match
        ("features.0", "stem"),
        ("other.weight", "other.weight"),
    ],
)
def test_longest_prefix_of_whole_parts_is_replaced(name, expected):
    assert rename_prefix(name, {"features.0": "stem", "features.1": "x", "features.1.block.0": "first"}) == expected


def test_every_network_can_be_converted():
    known = set(sources())
    assert known >= set(CLASSIFIERS)
    assert known >= {"torchvision:ssdlite320_mobilenet_v3_large", "torchvision:lraspp_mobilenet_v3_large"}


@pytest.mark.parametrize(
    ("name", "theirs", "ours"),
    [
        ("torchvision:mobilenet_v2", "features.1.conv.0.0.weight", "backbone.blocks.0.depthwise.0.weight"),
        ("torchvision:mobilenet_v2", "features.2.conv.3.bias", "backbone.blocks.1.projection.1.bias"),
        ("torchvision:mobilenet_v3_large", "features.4.block.2.fc1.bias", "backbone.blocks.3.se.reduce.bias"),
        ("torchvision:mobilenet_v3_large", "classifier.3.weight", "head.3.weight"),
        (
            "torchvision:ssdlite320_mobilenet_v3_large",
            "backbone.features.0.13.0.weight",
            "backbone.blocks.12.expansion.0.weight",
        ),
        (
            "torchvision:ssdlite320_mobilenet_v3_large",
            "backbone.features.1.0.2.fc2.weight",
            "backbone.blocks.12.se.expand.weight",
        ),
        ("torchvision:lraspp_mobilenet_v3_large", "classifier.scale.1.weight", "head.gate.weight"),
        ("timm:mobilenetv3_small_100", "blocks.0.0.conv_pw.weight", "backbone.blocks.0.projection.0.weight"),
        ("timm:mobilenetv3_small_100", "blocks.3.1.bn2.running_var", "backbone.blocks.7.depthwise.1.running_var"),
        ("timm:mobilenetv2_100", "conv_head.weight", "backbone.last.0.weight"),
    ],
)
def test_names(name, theirs, ours):
    assert find_source(name).rename(theirs) == ours


def test_unknown_network_raises_an_error_with_similar_names():
    with pytest.raises(UserError, match="'timm:mobilenetv3_smal_100' is available; there are timm:mobilenetv3_small_"):
        find_source("timm:mobilenetv3_smal_100")
