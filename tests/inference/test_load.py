import subprocess
import sys

import numpy as np
import pytest
import torch

from densevision.errors import UserError
from densevision.inference.load import load_predictor

DETECTOR = """
from densevision.detection.model import SSDLite
model = dict(
    type=SSDLite, backbone=dict(name="mobilenet_v3_small", width=0.35), num_classes=None, input_size=(96, 96),
)
"""
SEGMENTOR = """
from densevision.segmentation.head import LRASPPHead
from densevision.segmentation.model import Segmentor
model = dict(
    type=Segmentor, backbone=dict(name="mobilenet_v3_small", width=0.35, output_stride=16),
    head=dict(type=LRASPPHead, filters=16), num_classes=None,
)
"""
META = dict(classes=["car", "bus"], palette=[[255, 0, 0], [0, 0, 255]])


def save(folder, text: str, meta: dict = META):
    """Write a config and a checkpoint of its model with random weights."""
    from densevision.config.load import load_config
    from densevision.inference.load import build_model

    config = folder / "config.py"
    config.write_text(text)
    torch.manual_seed(0)
    model = build_model(load_config(config), 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))  # a fresh model scores everything the same
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=meta)), folder / "model.pth")
    return config, folder / "model.pth", model.eval()


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (120, 180, 3), np.uint8)


def test_detector_finds_what_the_model_finds(tmp_path, image):
    from mmengine.structures import InstanceData

    from densevision.data.samples import DetSample
    from densevision.images import resize_image

    config, checkpoint, model = save(tmp_path, DETECTOR)
    predictor = load_predictor(config, checkpoint, score_threshold=0.01)
    found = predictor(image)
    pixels = torch.from_numpy(resize_image(image, (96, 96)).transpose(2, 0, 1).copy())
    sample = DetSample(metainfo=dict(ori_size=(120, 180)))
    sample.gt = InstanceData()
    with torch.inference_mode():
        inputs = model.data_preprocessor(dict(inputs=[pixels]))["inputs"]
        (wanted,) = model(inputs, [sample], mode="predict")
    assert len(found) == len(wanted.pred.scores) > 0
    assert np.abs(found.scores - wanted.pred.scores.numpy()).max() < 1e-6
    assert np.abs(found.boxes - wanted.pred.boxes.numpy()).max() < 1e-3
    assert predictor.classes == ("car", "bus")


def test_segmentor_labels_what_the_model_labels(tmp_path, image):
    config, checkpoint, model = save(tmp_path, SEGMENTOR)
    labels = load_predictor(config, checkpoint)(image)
    with torch.inference_mode():
        pixels = torch.from_numpy(image.transpose(2, 0, 1).copy())
        wanted = model(model.data_preprocessor(dict(inputs=[pixels]))["inputs"]).argmax(1)[0].numpy()
    assert labels.shape == (120, 180) and (labels == wanted).mean() > 0.999


def test_a_checkpoint_of_another_model_is_refused_with_three_names(tmp_path):
    (tmp_path / "other").mkdir()
    config, _, _ = save(tmp_path, DETECTOR)
    _, other, model = save(tmp_path / "other", SEGMENTOR)
    with pytest.raises(UserError) as raised:
        load_predictor(config, other)
    text = str(raised.value)
    assert "model.pth belongs to another model" in text and text.count("\n") == 0
    assert len(text.split("first ")[1].split(", ")) == 3


def test_a_checkpoint_with_another_number_of_classes_is_refused(tmp_path):
    config, checkpoint, _ = save(tmp_path, DETECTOR)
    content = torch.load(checkpoint, weights_only=True)
    content["meta"]["dataset_meta"]["classes"] = ["a", "b", "c"]
    torch.save(content, checkpoint)
    with pytest.raises(UserError, match="first head.classify"):
        load_predictor(config, checkpoint)


def test_a_checkpoint_without_classes_is_refused(tmp_path):
    config, checkpoint, _ = save(tmp_path, DETECTOR, meta={})
    with pytest.raises(UserError, match="names no classes"):
        load_predictor(config, checkpoint)


def test_missing_and_damaged_files_are_named(tmp_path):
    config, checkpoint, _ = save(tmp_path, DETECTOR)
    with pytest.raises(UserError, match="absent.pth"):
        load_predictor(config, tmp_path / "absent.pth")
    with pytest.raises(UserError, match="absent.py"):
        load_predictor(tmp_path / "absent.py", checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(UserError, match="model.pth is damaged"):
        load_predictor(config, checkpoint)


def test_a_config_without_a_model_is_named(tmp_path):
    _, checkpoint, _ = save(tmp_path, DETECTOR)
    (tmp_path / "empty.py").write_text("custom_hooks = []\n")
    with pytest.raises(UserError, match="empty.py has no model"):
        load_predictor(tmp_path / "empty.py", checkpoint)


def test_predictors_import_without_torch():
    code = "import sys, densevision.inference.predictor; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
