"""The classifier: loss by hand, modes, equal logits with published networks."""

import math

import pytest
import torch
from mmengine.structures import LabelData
from torch import nn

from densevision.backbones import BACKBONES, Classifier, Tap, register_backbone
from densevision.classification.model import ImageClassifier
from densevision.config.init_from import InitFrom
from densevision.data.samples import ClsSample
from densevision.detection.model import SSDLite
from densevision.weights.initialize import initialize


def samples(*labels):
    return [ClsSample(gt=LabelData(label=torch.tensor([label]))) for label in labels]


def test_loss_with_smoothed_labels():
    model = ImageClassifier(dict(name="mobilenet_v3_small", width=0.35), 2, label_smoothing=0.2)
    # softmax of (ln 3, 0) is 3/4, 1/4; the target of label 0 is 0.9, 0.1
    loss = model.val_loss(torch.tensor([[math.log(3), 0.0]]), samples(0))["loss_cls"]
    assert float(loss) == pytest.approx(-(0.9 * math.log(0.75) + 0.1 * math.log(0.25)))


def test_three_modes_and_the_names_of_a_classifier():
    settings = dict(name="mobilenet_v3_small", width=0.35)
    model = ImageClassifier(settings, 3, (32, 32), dropout=0.5, bn_momentum=0.1)
    assert list(model.state_dict()) == list(Classifier("mobilenet_v3_small", width=0.35, num_classes=3).state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert model(images, samples(0, 2), mode="loss")["loss_cls"].isfinite()
    model.eval()
    logits = model(images)
    found = model(images, samples(0, 2), mode="predict")
    assert torch.stack([one.pred.score for one in found]).sum(1).tolist() == pytest.approx([1, 1])
    assert found[0].pred.score.argmax() == logits[0].argmax()
    with pytest.raises(ValueError, match="mode"):
        model(images, mode="guess")


def test_frozen_stages_and_a_backbone_of_ones_own():
    model = ImageClassifier(dict(name="mobilenet_v3_small", frozen_stages=2), 3).train()
    assert not model.backbone.stem[0].weight.requires_grad and not model.backbone.stem[1].training

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 3, stride=2, padding=1)
            self.taps = {"c5": Tap(5, 2)}

        def forward(self, images):
            return {"c5": self.layer(images)}

    register_backbone("own_of_this_test", Own)
    try:
        assert ImageClassifier(dict(name="own_of_this_test"), 4)(torch.zeros(1, 3, 8, 8)).shape == (1, 4)
    finally:
        BACKBONES.pop("own_of_this_test")


def test_a_detector_starts_from_a_classifier(tmp_path):
    settings = dict(name="mobilenet_v3_small", width=0.35)
    classifier = ImageClassifier(settings, 2)
    meta = dict(dataset_meta=dict(classes=["RBC", "WBC"]))
    torch.save(dict(state_dict=classifier.state_dict(), meta=meta), tmp_path / "best.pth")
    detector = SSDLite(dict(settings, reduced_tail="detection"), 2, (64, 64))
    report = initialize(detector, InitFrom(str(tmp_path / "best.pth"), halved_tail="first_half"), ["RBC", "WBC"])
    assert torch.equal(detector.backbone.stem[0].weight, classifier.backbone.stem[0].weight)
    assert all(name.startswith("backbone.") for name in (*report.loaded, *report.cut)) and report.cut
    other = ImageClassifier(settings, 2)
    swapped = initialize(other, InitFrom(str(tmp_path / "best.pth"), same_classes=True), ["WBC", "RBC"])
    assert swapped.kept_classes == ["WBC", "RBC"]
    assert torch.equal(other.head[-1].weight, classifier.head[-1].weight.flip(0))


def with_statistics(theirs):
    torch.manual_seed(0)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after a training
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return theirs.eval()


def difference(ours, theirs):
    """Give our model the tensors of theirs in order, and compare the logits."""
    names, tensors = list(ours.state_dict()), list(theirs.state_dict().values())
    shapes = [tensor.shape for tensor in ours.state_dict().values()]
    assert len(names) == len(tensors)
    filled = {n: t.reshape(s) for n, t, s in zip(names, tensors, shapes, strict=True)}
    ours.load_state_dict(filled)
    return compare(ours, theirs)


def compare(ours, theirs):
    """Return the largest difference of the logits, as a share of the largest one."""
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        wanted = theirs(images)
        return ((ours.eval()(images) - wanted).abs().max() / wanted.abs().max()).item()


@pytest.mark.reference
@pytest.mark.parametrize("size", ["large", "small"])
def test_logits_equal_torchvision(size):
    models = pytest.importorskip("torchvision.models")
    theirs = with_statistics(getattr(models, f"mobilenet_v3_{size}")())
    error = difference(ImageClassifier(dict(name=f"mobilenet_v3_{size}"), 1000), theirs)
    assert error < 1e-4, error


@pytest.mark.reference
@pytest.mark.parametrize("size", ["large", "small"])
def test_logits_equal_timm(size):
    timm = pytest.importorskip("timm")
    from densevision.weights.convert import to_checkpoint
    from densevision.weights.source import find_source

    theirs = with_statistics(timm.create_model(f"mobilenetv3_{size}_100"))
    name = f"timm:mobilenetv3_{size}_100"
    checkpoint, _ = to_checkpoint(name, find_source(name), theirs.state_dict())
    ours = ImageClassifier(dict(name=f"mobilenet_v3_{size}", bn_eps=1e-5), 1000)
    ours.load_state_dict(checkpoint["state_dict"])
    error = compare(ours, theirs)
    assert error < 1e-4, error
