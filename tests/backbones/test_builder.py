"""A user-defined network registered as a backbone, with no attribute except ``taps``."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from densevision.backbones import BACKBONES, Tap, build_backbone, register_backbone
from densevision.checkpoints.settings import settings_of
from densevision.config.init_from import InitFrom
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
from densevision.weights.initialize import initialize
from tests.backbones.test_freeze import detector, moved, segmentation_model, train


class Plain(nn.Module):
    """Three convolutions with batch norms."""

    def __init__(self, channels: int = 8, value: float | None = None):
        super().__init__()
        self.taps = {"c3": Tap(channels, 8), "c4": Tap(channels, 16), "c5": Tap(2 * channels, 32)}
        self.low = nn.Sequential(nn.Conv2d(3, channels, 8, 8), nn.BatchNorm2d(channels), nn.ReLU())
        self.middle = nn.Conv2d(channels, channels, 2, 2)
        self.high = nn.Conv2d(channels, 2 * channels, 2, 2)
        if value is not None:
            nn.init.constant_(self.high.weight, value)

    def forward(self, images):
        low = self.low(images)
        middle = self.middle(low)
        return {"c3": low, "c4": middle, "c5": self.high(middle)}


@pytest.fixture
def plain():
    register_backbone("plain", Plain)
    yield dict(name="plain", channels=6)
    BACKBONES.pop("plain")


def models(backbone):
    head = dict(type=LRASPPHead, filters=8, pooling="global")
    return SSDLite(backbone, 2, (64, 64)), Segmentor(backbone, head, 2)


def test_network_trains_in_both_models(plain):
    samples = detector()[1], segmentation_model()[1]
    for model, batch in zip(models(plain), samples, strict=True):
        assert model.backbone.taps["c5"] == Tap(12, 32)
        assert "backbone.low.0.weight" in moved(*train(model, batch, steps=1))


def test_network_keeps_its_initial_weights(plain):
    for model in models(plain | dict(value=0.5)):
        assert (model.backbone.high.weight == 0.5).all()


def test_network_initializes_one_with_other_classes(plain, tmp_path):
    for model, other in zip(models(plain), models(plain), strict=True):
        settings = settings_of(model)
        assert "backbone.padding" not in settings and settings["backbone.bn_eps"] == 1e-5
        meta = dict(dataset_meta=dict(classes=["a", "b"]), settings=settings)
        torch.save(dict(state_dict=model.state_dict(), meta=meta), tmp_path / "w.pth")
        report = initialize(other, InitFrom(str(tmp_path / "w.pth")), ["a", "c"])
        assert "backbone.high.weight" in report.loaded and report.reinitialized


def test_missing_attributes_raise_a_one_line_error(plain):
    with pytest.raises(ValueError, match="frozen_stages is 1; this backbone names no stages, give at most 0"):
        build_backbone(**plain, frozen_stages=1)
    register_backbone("bare", lambda: nn.Conv2d(3, 3, 1))
    try:
        with pytest.raises(ValueError, match="the builder of backbone 'bare' gave no network with taps"):
            build_backbone("bare")
    finally:
        BACKBONES.pop("bare")


@pytest.mark.parametrize("name", ["c4", "c5"])
def test_missing_tap_is_named_with_the_others(plain, name):
    class Without(Plain):
        def __init__(self):
            super().__init__()
            del self.taps[name]

    register_backbone("without", Without)
    try:
        with pytest.raises(KeyError, match=f"the backbone has no tap '{name}'; it has c3, c{9 - int(name[1])}"):
            SSDLite(dict(name="without"), 2, (64, 64))
    finally:
        BACKBONES.pop("without")


@pytest.mark.parametrize(
    ("taps", "message"),
    [
        (dict(c5=Tap(99, 32)), r"forward returns 'c5' with 16 channels and 2x2 cells for an image of 64x64, which is"),
        (dict(c4=Tap(8, 8)), r"returns 'c4' .* 4x4 cells .* not Tap\(channels=8, stride=8\); correct taps"),
        (dict(c6=Tap(8, 64)), "forward must return a dict with the taps c3, c4, c5, c6"),
    ],
)
def test_taps_that_forward_does_not_return_raise_an_error(taps, message):
    class Wrong(Plain):
        def __init__(self):
            super().__init__()
            self.taps.update(taps)

    register_backbone("wrong", Wrong)
    try:
        for model, batch in zip(models(dict(name="wrong")), (detector()[1], segmentation_model()[1]), strict=True):
            with pytest.raises(UserError, match=message):
                train(model, batch, steps=1)
    finally:
        BACKBONES.pop("wrong")


def test_maps_that_are_rounded_down_fit_no_detector(plain):
    model = SSDLite(plain, 2, (72, 72))
    with pytest.raises(UserError, match="SSDLiteHead returns logits of .* anchors, the model has .*, rounded up"):
        model(torch.zeros(1, 3, 72, 72))


def test_width_of_the_extra_maps_is_the_users_or_that_of_a_table(plain):
    table = dict(name="mobilenet_v3_small", width=0.5)
    assert SSDLite(table, 2, (64, 64)).extra.out_channels == [256, 128, 128, 64]
    assert SSDLite(table, 2, (64, 64), extra=dict(width=0.25)).extra.out_channels == [128, 64, 64, 32]
    register_backbone("wide", lambda width: Plain())
    try:  # what a builder's options mean is the builder's own business
        assert SSDLite(dict(name="wide", width="x"), 2, (64, 64)).extra.out_channels == [512, 256, 256, 128]
    finally:
        BACKBONES.pop("wide")


def test_norm_statistics_of_any_network_can_be_frozen(plain):
    model = models(plain | dict(freeze_norm_statistics=True))[0]
    changed = moved(*train(model, detector()[1], steps=1))
    assert "backbone.low.1.weight" in changed and "backbone.low.1.running_mean" not in changed


def test_duplicate_name_raises_an_error(plain):
    with pytest.raises(ValueError, match="already"):
        register_backbone("plain", SimpleNamespace)
