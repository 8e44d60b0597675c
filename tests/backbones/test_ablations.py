"""The ablations of Table 5 and Figure 9, with counts by hand."""

import pytest
import torch
from torch import nn

from densevision.backbones import BACKBONES, Classifier, Tap, build_backbone
from densevision.backbones.layers import SqueezeExcite
from densevision.complexity import count_layers, total_madds, total_params


def counted(name, **options):
    counts = count_layers(Classifier(name, **options), (224, 224))
    return total_params(counts, norm=True), total_madds(counts)


def test_efficient_last_stage_saves_the_madds_of_the_paper():
    (_, efficient), (_, original) = counted("mobilenet_v3_large"), counted("mobilenet_v3_large_original_last")
    # On 7x7 = 49 positions; original: the bottleneck 160*960 + 9*960 + 960*320 and 320*1280 after it; efficient:
    # 160*960, and 960*1280 on the pooled position. 43,072,960 - 8,755,200; the paper says "30 millions".
    assert original - efficient == 34_317_760


def test_original_last_stage_of_figure_5():
    spec = BACKBONES["mobilenet_v3_large_original_last"]
    block = spec.blocks[-1]
    assert (block.kernel, block.expand, block.out, block.stride, spec.last) == (3, 960, 320, 1, 1280)
    assert build_backbone("mobilenet_v3_large_original_last").taps["c5"] == Tap(1280, 32)
    head = Classifier("mobilenet_v3_large_original_last", num_classes=10).head
    assert [type(layer) for layer in head] == [nn.Dropout, nn.Linear] and head[-1].in_features == 1280


def test_stem_of_16_saves_the_madds_of_the_paper():
    (_, narrow), (_, wide) = counted("mobilenet_v3_large"), counted("mobilenet_v3_large_wide_stem")
    # On 112x112 = 12,544 positions: 16 filters of 27 weights, 16 depthwise ones of 9, and 16 x 16 weights of the
    # first projection less. The paper says "10 million MAdds".
    assert wide - narrow == 12_544 * (16 * 27 + 16 * 9 + 16 * 16) == 10_436_608
    stem = build_backbone("mobilenet_v3_large_wide_stem").stem
    assert stem[0].out_channels == 32 and isinstance(stem[2], nn.ReLU)


def test_without_se_removes_only_the_gates():
    full, bare = Classifier("mobilenet_v3_large"), Classifier("mobilenet_v3_large_no_se")
    gates = [module for module in full.modules() if isinstance(module, SqueezeExcite)]
    assert len(gates) == 8 and not any(isinstance(module, SqueezeExcite) for module in bare.modules())
    in_gates = sum(p.numel() for gate in gates for p in gate.parameters())
    # widths 72, 120, 120, 480, 672, 672, 960, 960 with gates of 24, 32, 32, 120, 168, 168, 240, 240:
    # 2 * 72 * 24 + 72 + 24 = 3,552; 7,832 twice; 115,800; 226,632 twice; 462,000 twice
    assert in_gates == 3_552 + 2 * 7_832 + 115_800 + 2 * 226_632 + 2 * 462_000
    assert counted("mobilenet_v3_large")[0] - counted("mobilenet_v3_large_no_se")[0] == in_gates


@pytest.mark.parametrize(
    ("channels", "hswishes"),
    [
        # stem, two per block, the last convolution and the hidden layer of the classifier
        (None, 0),  # ReLU everywhere
        (16, 1 + 29 + 1 + 1),  # the first block has no expansion
        (80, 1 + 18 + 1 + 1),  # blocks 7 to 15
        (112, 1 + 10 + 1 + 1),  # blocks 11 to 15
        ("table", 1 + 18 + 1 + 1),
    ],
)
def test_hswish_starts_at_a_number_of_channels(channels, hswishes):
    model = Classifier("mobilenet_v3_large", hswish_from=channels)
    assert sum(isinstance(module, nn.Hardswish) for module in model.modules()) == hswishes
    assert counted("mobilenet_v3_large", hswish_from=channels) == counted("mobilenet_v3_large")


def test_ablations_combine_and_train():
    backbone = build_backbone("mobilenet_v3_large_original_last", hswish_from=None, reduced_tail="detection")
    assert backbone.taps["c5"] == Tap(640, 32)
    backbone(torch.randn(2, 3, 64, 64))["c5"].mean().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())
