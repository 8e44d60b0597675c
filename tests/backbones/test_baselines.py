import pytest
import torch
from torch import nn

from densevision.backbones import BACKBONES, Classifier, Tap, build_backbone
from densevision.backbones.spec import scale_spec


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("mobilenet_v1", (256, 512, 1024)),
        ("mobilenet_v2", (192, 576, 1280)),
        ("mobilenet_v2_no_last", (192, 576, 320)),
        ("mnasnet_a1", (120, 672, 1280)),
        ("mnasnet_small", (96, 192, 1280)),
        ("proxylessnas_mobile", (120, 576, 1280)),
        ("mobilenet_v3_large_minimalistic", (120, 672, 960)),
    ],
)
def test_taps(name, channels):
    strides = (8, 16, 32)
    taps = {t: Tap(c, s) for t, c, s in zip(("c3", "c4", "c5"), channels, strides, strict=True)}
    assert build_backbone(name).taps == taps


def test_v2_tail_keeps_the_first_expansion():
    spec = scale_spec(BACKBONES["mobilenet_v2_no_last"], reduced_tail="segmentation")
    assert [(b.expand, b.out) for b in spec.blocks[13:]] == [(576, 80), (480, 80), (480, 80), (480, 160)]


def test_v1_halves_the_blocks_after_c4():
    spec = scale_spec(BACKBONES["mobilenet_v1"], reduced_tail="detection")
    assert [(b.expand, b.out) for b in spec.blocks[10:]] == [(512, 512), (512, 512), (512, 512)]


def test_minimalistic_has_neither_gates_nor_hswish_nor_large_kernels():
    for module in build_backbone("mobilenet_v3_small_minimalistic").modules():
        assert not isinstance(module, nn.Hardswish)
        assert not isinstance(module, nn.Conv2d) or (module.kernel_size <= (3, 3) and module.bias is None)


def _load_in_order(ours, theirs):
    """Copy weights in the order of the layers, with the epsilon of published weights, 1e-5."""
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after a training
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))


def _largest_difference(ours, theirs):
    torch.manual_seed(0)
    _load_in_order(ours.eval(), theirs.eval())
    images = torch.randn(2, 3, 96, 128)
    with torch.no_grad():
        return (ours(images) - theirs(images)).abs().max().item()


@pytest.mark.reference
@pytest.mark.parametrize("width", [1.0, 0.35])
def test_v2_logits_equal_torchvision(width):
    models = pytest.importorskip("torchvision.models")
    ours = Classifier("mobilenet_v2", width=width, num_classes=1000)
    assert _largest_difference(ours, models.mobilenet_v2(width_mult=width)) < 1e-4


@pytest.mark.reference
@pytest.mark.parametrize(
    ("name", "theirs"),
    [("mnasnet_a1", "semnasnet_100"), ("mobilenet_v2", "mobilenetv2_100"), ("mnasnet_small", "mnasnet_small")],
)
def test_logits_equal_timm(name, theirs):
    timm = pytest.importorskip("timm")
    ours = Classifier(name, num_classes=1000)
    assert _largest_difference(ours, timm.create_model(theirs)) < 1e-4
