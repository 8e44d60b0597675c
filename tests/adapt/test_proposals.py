"""Narrowing changes channels and nothing else."""

from dataclasses import replace

import pytest
import torch

from densevision.adapt.proposals import candidates, ladder, narrower, parts, propose, smallest
from densevision.adapt.shape import Shape, streams, widths, with_widths
from densevision.backbones import BACKBONES, Backbone, BackboneSpec
from densevision.backbones.spec import Block, explicit, scale_spec, spec_from_plain, spec_to_plain

LARGE, SMALL = (Shape(explicit(BACKBONES[f"mobilenet_v3_{size}"])) for size in ("large", "small"))
TABLES = [name for name, table in BACKBONES.items() if isinstance(table, BackboneSpec)]


def test_the_parts_of_the_small_network_are_its_expansions_and_what_residuals_tie():
    # Block 0 has no expansion; residuals are in blocks 2, 4, 5, 7, 9 and 10.
    assert [name for name in parts(SMALL) if "expansion" in name] == [f"block {i} expansion" for i in range(1, 11)]
    assert [name for name in parts(SMALL) if "output" in name] == [
        "output of stem",
        "output of block 0",
        "output of blocks 1-2",
        "output of blocks 3-5",
        "output of blocks 6-7",
        "output of blocks 8-10",
    ]
    assert list(parts(SMALL))[-1] == "last convolution"


def test_the_stem_of_the_large_network_is_tied_to_its_first_block():
    assert [name for name in parts(LARGE) if "output" in name][:2] == [
        "output of stem and block 0",
        "output of blocks 1-2",
    ]


def test_a_ladder_takes_at_most_16_channels_or_a_quarter():
    # 240: a quarter is 60, rounded up to 64; 40: 16
    assert [widths(shape)["expand4"] for shape in ladder(SMALL, ("expand4",))] == list(range(232, 175, -8))
    assert [widths(shape)["out3"] for shape in ladder(SMALL, ("out3",))] == [32, 24]
    assert [widths(shape)["stem"] for shape in ladder(SMALL, ("stem",))] == [8]


def test_a_gate_follows_its_block():
    shape = narrower(SMALL, {"expand4": 176})
    assert shape.spec.blocks[4].squeezed == 48  # 176 / 4 = 44, rounded to 8; 240 has 64
    assert SMALL.spec.blocks[4].squeezed == 64


def structure(spec):
    return [
        (block.expansion, block.residual, bool(block.squeezed), block.kernel, block.stride) for block in spec.blocks
    ]


@pytest.mark.parametrize("shape", [LARGE, SMALL])
def test_no_proposal_changes_the_structure(shape):
    found = list(candidates(shape))
    assert len(found) > 50
    for each in found:
        assert structure(each.spec) == structure(shape.spec)
        assert streams(each.spec) == streams(shape.spec)


def modules(spec):
    with torch.device("meta"):
        network = Backbone(spec)
    return [(type(block.expansion).__name__, block.residual) for block in network.blocks]


def test_an_expansion_of_as_many_channels_as_the_input_stays():
    # expand2 = 24 is the input of block 2: without the statement it would become an Identity.
    assert modules(narrower(SMALL, {"expand2": 24}).spec) == modules(SMALL.spec)


def test_equal_channels_add_no_residual():
    # Blocks 6-7 narrowed to the 40 channels before them: block 6 must not add its input.
    assert modules(narrower(SMALL, {"out6": 40}).spec) == modules(SMALL.spec)


@pytest.mark.parametrize("name", TABLES)
def test_an_explicit_table_and_its_plain_form_are_the_same_network(name):
    spec = BACKBONES[name]
    stated = explicit(scale_spec(spec, width=0.5))
    assert spec_from_plain(spec_to_plain(stated)) == stated
    with torch.device("meta"):
        networks = Backbone(scale_spec(spec, width=0.5)), Backbone(stated)
    shapes = [{name: tensor.shape for name, tensor in network.state_dict().items()} for network in networks]
    assert shapes[0] == shapes[1]


def test_a_table_that_contradicts_itself_is_refused():
    block = Block(3, 24, 16, False, "relu", 1, expansion=False, residual=False)
    table = spec_to_plain(replace(SMALL.spec, blocks=(block, *SMALL.spec.blocks[1:])))
    with pytest.raises(ValueError, match="block 0 does not fit the 16 channels"):
        spec_from_plain(table)
    with pytest.raises(ValueError, match="is not one"):
        spec_from_plain(dict(stem=16))


def test_other_widths_give_back_the_same_shape():
    for shape in (LARGE, SMALL, Shape(SMALL.spec, ((256, 512), (128, 256)), 128)):
        assert with_widths(shape, widths(shape)) == shape


def test_proposals_save_what_is_asked_with_the_widest_layer_that_does():
    def latency(shape):  # a staircase: every 16 channels of a layer cost 1 ms
        return float(sum(-(-width // 16) for name, width in widths(shape).items() if name.startswith("expand")))

    found = {proposal.name: proposal for proposal in propose(SMALL, latency, 2)}
    assert widths(found["block 4 expansion"].shape)["expand4"] == 208  # 15 steps of 16; 13 are 208
    assert found["block 4 expansion"].latency_ms == latency(SMALL) - 2
    assert "last convolution" not in found  # saves nothing here
    assert found["uniform"].latency_ms <= latency(SMALL) - 2


def test_the_smallest_network_has_eight_channels_everywhere():
    assert set(widths(smallest(SMALL)).values()) == {8}
    assert structure(smallest(SMALL).spec) == structure(SMALL.spec)
