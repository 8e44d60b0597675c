"""A table in the config, as ``densevision adapt`` writes it."""

import pytest
from mmengine.config import ConfigDict

from densevision.backbones import BACKBONES, build_backbone
from densevision.backbones.spec import explicit, spec_to_plain
from densevision.detection.head import ExtraLayers


def shapes(network):
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def test_a_table_in_the_config_is_the_network_of_the_registered_one():
    table = ConfigDict(spec_to_plain(explicit(BACKBONES["mobilenet_v3_small"], output_stride=16)))
    own = build_backbone("mine", table=table, output_stride=16)
    registered = build_backbone("mobilenet_v3_small", output_stride=16)
    assert shapes(own) == shapes(registered)
    assert own.taps == registered.taps


def test_its_channels_are_final():
    table = spec_to_plain(BACKBONES["mobilenet_v3_small"])
    with pytest.raises(ValueError, match="model.backbone has a table and width; leave width out"):
        build_backbone("mine", table=table, width=0.5)


def test_extra_layers_of_given_depths():
    layers = ExtraLayers(16, depths=[(8, 16), (24, 32)])
    assert layers.out_channels == [16, 32]
    assert [layer[1][0].out_channels for layer in layers] == [8, 24]
    assert shapes(ExtraLayers(16, width=0.5)) == shapes(
        ExtraLayers(16, depths=[(128, 256), (64, 128), (64, 128), (32, 64)])
    )
