"""A user-defined network registered as a backbone, with no attribute except ``taps``."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from densevision.backbones import BACKBONES, Tap, build_backbone, register_backbone
from densevision.checkpoints.settings import settings_of
from densevision.config.init_from import InitFrom
from densevision.detection.model import SSDLite
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


def test_norm_statistics_of_any_network_can_be_frozen(plain):
    model = models(plain | dict(freeze_norm_statistics=True))[0]
    changed = moved(*train(model, detector()[1], steps=1))
    assert "backbone.low.1.weight" in changed and "backbone.low.1.running_mean" not in changed


def test_duplicate_name_raises_an_error(plain):
    with pytest.raises(ValueError, match="already"):
        register_backbone("plain", SimpleNamespace)
