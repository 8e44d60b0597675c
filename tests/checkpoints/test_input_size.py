"""A detector at another input size than it was trained at."""

import pytest
import torch
from mmengine.config import ConfigDict

from densevision.checkpoints.config import checkpoint_config, describe_config
from densevision.checkpoints.model import load_model
from densevision.classification.model import ImageClassifier
from densevision.config.load import complete_config
from densevision.detection.model import SSDLite
from densevision.errors import UserError


def detector(**settings):
    model = dict(type=SSDLite, backbone=dict(name="mobilenet_v3_small", width=0.35), num_classes=2, **settings)
    return complete_config(ConfigDict(model=model), (), "a.py")


def trained(path, config):
    """Write a checkpoint of fresh weights."""
    settings = config.model.to_dict()
    weights = settings.pop("type")(**settings).state_dict()
    torch.save(
        dict(state_dict=weights, meta=describe_config(config) | dict(dataset_meta=dict(classes=["a", "b"]))), path
    )
    return path


def side(config):
    return config.model.get("anchor_side")


def test_anchors_keep_the_pixels_they_were_trained_with(tmp_path):
    path = trained(tmp_path / "a.pth", detector(input_size=(64, 96)))
    config = checkpoint_config(path, None, ["model.input_size=(100, 120)"])
    assert side(config) == 64 and config.model.input_size == (100, 120)
    model, _ = load_model(config, path)
    # The first shape of the first map is a square of 0.1 of 64 pixels, at the center of a cell of 16.
    assert model.anchors[0].tolist() == pytest.approx([8 - 3.2, 8 - 3.2, 8 + 3.2, 8 + 3.2])
    own, _ = load_model(checkpoint_config(path), path)
    assert own.anchors[0].tolist() == model.anchors[0].tolist()


@pytest.mark.parametrize("size", ["(64, 96)", "[64, 96]"])
def test_the_size_of_the_training_changes_nothing(tmp_path, size):
    path = trained(tmp_path / "a.pth", detector(input_size=(64, 96)))
    assert side(checkpoint_config(path)) is None
    assert side(checkpoint_config(path, None, [f"model.input_size={size}"])) is None


def test_a_config_of_its_own_is_compared_with_the_training(tmp_path):
    path = trained(tmp_path / "a.pth", detector())  # 320x320, the default
    assert side(checkpoint_config(path, detector(input_size=(256, 448)))) == 320
    assert side(checkpoint_config(path, detector(input_size=(320, 320)))) is None
    assert side(checkpoint_config(path, detector(), ["model.input_size=(96, 96)"])) == 320


def test_a_side_that_is_stated_counts(tmp_path):
    path = trained(tmp_path / "a.pth", detector(input_size=(64, 96), anchor_side=50))
    assert side(checkpoint_config(path)) == 50
    assert side(checkpoint_config(path, None, ["model.input_size=(96, 96)"])) == 50
    assert side(checkpoint_config(path, detector(input_size=(96, 96)))) == 50
    assert side(checkpoint_config(path, None, ["model.input_size=(96, 96)", "model.anchor_side=80"])) == 80


@pytest.mark.parametrize("wrong", [0, -3, 6.5, "x", True])
def test_a_side_that_is_none_is_refused(wrong):
    with pytest.raises(UserError, match="model.anchor_side"):
        SSDLite(dict(name="mobilenet_v3_small"), 2, anchor_side=wrong)


def test_models_without_anchors_are_left_alone(tmp_path):
    model = dict(type=ImageClassifier, backbone=dict(name="mobilenet_v3_small"), num_classes=2, input_size=(64, 64))
    path = trained(tmp_path / "a.pth", complete_config(ConfigDict(model=model), (), "a.py"))
    assert "anchor_side" not in checkpoint_config(path, None, ["model.input_size=(96, 96)"]).model


@pytest.mark.parametrize("meta", [None, {}, {"stored_config": 3}])
def test_weights_without_their_config_were_trained_as_the_given_one(tmp_path, meta):
    config, path = detector(input_size=(64, 96)), tmp_path / "a.pth"
    torch.save(dict(state_dict={}, meta=meta), path)
    for checkpoint in (path, tmp_path / "missing.pth"):
        assert side(checkpoint_config(checkpoint, config)) is None
        assert side(checkpoint_config(checkpoint, config, ["model.input_size=(96, 96)"])) == 64


def test_a_damaged_config_in_the_weights_is_reported_elsewhere(tmp_path):
    path = tmp_path / "a.pth"
    torch.save(dict(state_dict={}, meta=dict(stored_config=dict(content=dict(model=[2])))), path)
    assert side(checkpoint_config(path, detector(), ["model.input_size=(96, 96)"])) is None
