import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from densevision.backbones import Classifier
from densevision.counting import count_layers, peak_activation, total_madds, total_params


def test_two_layers_by_hand():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8),
                          nn.Conv2d(8, 8, 3, padding=1, groups=8))
    counts = count_layers(model, (4, 6))
    # 3*8*9 = 216 weights; 2*8 = 16 of the norm; 8*9 + 8 = 80
    assert [layer.params for layer in counts] == [216, 16, 80]
    # the output is 2x3: 216*6 = 1296; none; 72*6 = 432
    assert [layer.madds for layer in counts] == [1296, 0, 432]
    assert counts[0].output_shape == (8, 2, 3)
    assert total_params(counts, norm=True) == 312 and total_params(counts, norm=False) == 296
    # first layer: (3*4*6 + 8*2*3) * 4 bytes = 480; the others: (48 + 48) * 4 = 384
    assert peak_activation(counts) == 480


@pytest.mark.reference
@pytest.mark.parametrize("name", ["mobilenet_v3_large", "mobilenet_v2", "mobilenet_v1"])
def test_madds_are_half_of_torchs_flops(name):
    model = Classifier(name).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.zeros(1, 3, 96, 128))
    params = sum(p.numel() for p in model.parameters())
    counts = count_layers(model, (96, 128))
    assert total_madds(counts) * 2 == counter.get_total_flops()
    assert total_params(counts, norm=True) == params


def _madds(width, size):
    return total_madds(count_layers(Classifier("mobilenet_v3_large", width=width), (size, size)))


def test_madds_grow_with_width_and_with_the_square_of_the_resolution():
    by_width = [_madds(width, 64) for width in (0.35, 0.5, 0.75, 1.0, 1.25)]
    assert by_width == sorted(by_width) and 3 < _madds(1.0, 224) / _madds(0.5, 224) < 4
    assert 3.5 < _madds(1.0, 256) / _madds(1.0, 128) < 4  # the gates and the classifier do not grow
