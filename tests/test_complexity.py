import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from densevision.backbones import Classifier, build_backbone
from densevision.complexity import count_layers, peak_activation, total_madds, total_params
from densevision.detection.model import SSDLite
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor


def test_two_layers_by_hand():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1, groups=8)
    )
    counts = count_layers(model, (4, 6))
    # 3*8*9 = 216 weights; 2*8 = 16 of the norm; 8*9 + 8 = 80
    assert [layer.params for layer in counts] == [216, 16, 80]
    # the output is 2x3: 216*6 = 1296; none; 72*6 = 432
    assert [layer.madds for layer in counts] == [1296, 0, 432]
    assert counts[0].output_shape == (8, 2, 3)
    assert total_params(counts, norm=True) == 312 and total_params(counts, norm=False) == 296
    # first layer: (3*4*6 + 8*2*3) * 4 bytes = 480; norm in place; the last: (48 + 48) * 4 = 384
    assert peak_activation(model, (4, 6)) == 480


class Branches(nn.Module):
    """A tap and a residual addition; every map except the image is 8x2x2, 128 bytes."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Hardswish())
        self.first = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Conv2d(8, 8, 1)

    def forward(self, images):
        tap = self.stem(images)
        x = self.first(tap)
        return tap, x + self.second(x)


def test_peak_memory_includes_taps_and_residual_inputs():
    # bytes alive: image 3*4*4*4 = 192 + tap 128 = 320; tap + first = 256; tap + first + second = 384;
    # the addition: tap (an output, still alive) + first + second + sum = 512
    assert peak_activation(Branches(), (4, 4)) == 512
    # at 8x8 all are four times as large
    assert peak_activation(Branches(), (8, 8)) == 2048


def test_peak_memory_of_a_backbone_is_that_of_its_widest_step():
    # V3-Large at 64x64: block 2 expands 16x32x32 to 64x32x32 (4 bytes each): 65,536 + 262,144 = 327,680, and its
    # depthwise layer reads 64x32x32 and writes 64x16x16: 262,144 + 65,536 = 327,680 too
    assert peak_activation(build_backbone("mobilenet_v3_large"), (64, 64)) == 327_680


def test_views_share_memory_and_weights_do_not_count():
    # the image is 3*2*2*4 = 48 bytes, its flat view nothing, the output 5*4 = 20
    assert peak_activation(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (2, 2)) == 68


# Kernel, expansion, out, gate, stride: Table 2, and the blocks of Table 2 of Sandler et al. A gate is a quarter of the
# expansion, rounded to 8.
SMALL_ROWS = [
    (3, 16, 16, 8, 2),
    (3, 72, 24, 0, 2),
    (3, 88, 24, 0, 1),
    (5, 96, 40, 24, 2),
    (5, 240, 40, 64, 1),
    (5, 240, 40, 64, 1),
    (5, 120, 48, 32, 1),
    (5, 144, 48, 40, 1),
    (5, 288, 96, 72, 2),
    (5, 576, 96, 144, 1),
    (5, 576, 96, 144, 1),
]
V2_ROWS = [
    (3, 32, 16, 0, 1),
    (3, 96, 24, 0, 2),
    (3, 144, 24, 0, 1),
    (3, 144, 32, 0, 2),
    (3, 192, 32, 0, 1),
    (3, 192, 32, 0, 1),
    (3, 192, 64, 0, 2),
    (3, 384, 64, 0, 1),
    (3, 384, 64, 0, 1),
    (3, 384, 64, 0, 1),
    (3, 384, 96, 0, 1),
    (3, 576, 96, 0, 1),
    (3, 576, 96, 0, 1),
    (3, 576, 160, 0, 2),
    (3, 960, 160, 0, 1),
    (3, 960, 160, 0, 1),
    (3, 960, 320, 0, 1),
]


def by_formula(stem, rows, last, linears, side=224):
    """Compute parameters with batch norm and MAdds of a classifier from the rows."""
    side //= 2
    params, madds, channels = 3 * 9 * stem + 2 * stem, 3 * 9 * stem * side**2, stem
    for kernel, expand, out, gate, stride in rows:
        if expand != channels:
            params += channels * expand + 2 * expand
            madds += channels * expand * side**2
        side //= stride
        params += kernel**2 * expand + 2 * expand + (2 * expand * gate + expand + gate if gate else 0)
        madds += kernel**2 * expand * side**2 + 2 * expand * gate
        params += expand * out + 2 * out
        madds += expand * out * side**2
        channels = out
    params, madds = params + channels * last + 2 * last, madds + channels * last * side**2
    return params + sum(a * b + b for a, b in linears), madds + sum(a * b for a, b in linears)


@pytest.mark.parametrize(
    ("name", "classes", "formula"),
    [
        ("mobilenet_v3_small", 1001, by_formula(16, SMALL_ROWS, 576, [(576, 1024), (1024, 1001)])),
        ("mobilenet_v2", 1000, by_formula(32, V2_ROWS, 1280, [(1280, 1000)])),
    ],
)
def test_two_networks_by_formula(name, classes, formula):
    counts = count_layers(Classifier(name, num_classes=classes), (224, 224))
    assert (total_params(counts, norm=True), total_madds(counts)) == formula


DENSE = dict(name="mobilenet_v3_small", reduced_tail="segmentation", output_stride=16)
NETWORKS = {
    "large": lambda: Classifier("mobilenet_v3_large"),
    "v2": lambda: Classifier("mobilenet_v2"),
    "v1": lambda: Classifier("mobilenet_v1"),
    "detector": lambda: SSDLite(dict(name="mobilenet_v3_small"), num_classes=4, input_size=(96, 128)),
    "segmentor": lambda: Segmentor(DENSE, dict(type=LRASPPHead, filters=128), num_classes=4),
}


@pytest.mark.reference
@pytest.mark.parametrize("name", NETWORKS)
def test_madds_are_half_the_flops_of_torch(name):
    model = NETWORKS[name]()
    model.eval()
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
