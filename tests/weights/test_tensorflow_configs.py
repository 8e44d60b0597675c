"""The configs of the TensorFlow releases: post-processing of the raw outputs, and evaluation."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from densevision.cli.main import main
from densevision.config.load import load_config
from densevision.images import write_image
from densevision.inference.load import build_model
from densevision.weights.convert import to_checkpoint
from densevision.weights.source import find_source
from densevision.weights.tensorflow import to_pytorch
from tests.weights.bundle import release_variables, write_checkpoint

CONFIGS = Path(__file__).parents[2] / "configs"
DETECTION = CONFIGS / "detection" / "ssdlite_v3_small_reduced_coco_tensorflow_release.py"
SEGMENTATION = CONFIGS / "segmentation" / "lraspp_v3_small_reduced_os32_cityscapes_deeplab_release.py"


def anchors_of_the_release():
    """Return (ymin, xmin, ymax, xmax) in 0..1, as ssd_anchor_generator of the Object Detection API does."""
    scales = [*np.linspace(0.2, 0.95, 6), 1.0]
    boxes = []
    for level, size in enumerate((20, 10, 5, 3, 2, 1)):
        shapes = [(scales[level], ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 0.3333)]
        shapes.append((np.sqrt(scales[level] * scales[level + 1]), 1.0))
        if level == 0:
            shapes = [(0.1, 1.0), (0.2, 2.0), (0.2, 0.5)]
        for row in range(size):
            for column in range(size):
                for scale, ratio in shapes:
                    height, width = scale / np.sqrt(ratio), scale * np.sqrt(ratio)
                    y, x = (row + 0.5) / size, (column + 0.5) / size
                    boxes.append((y - height / 2, x - width / 2, y + height / 2, x + width / 2))
    return np.array(boxes)


def decode_as_the_release(codes, anchors):
    """[A, 4] (ty, tx, th, tw) -> (ymin, xmin, ymax, xmax): faster_rcnn_box_coder with scales 10, 10, 5, 5."""
    heights, widths = anchors[:, 2] - anchors[:, 0], anchors[:, 3] - anchors[:, 1]
    y = codes[:, 0] / 10 * heights + anchors[:, 0] + heights / 2
    x = codes[:, 1] / 10 * widths + anchors[:, 1] + widths / 2
    half_height, half_width = np.exp(codes[:, 2] / 5) * heights / 2, np.exp(codes[:, 3] / 5) * widths / 2
    return np.stack([y - half_height, x - half_width, y + half_height, x + half_width], axis=1)


def suppress_as_the_release(boxes, scores):
    """Run NMS per class over all boxes, 100 each, IoU 0.6; then clip, and return the best 100 (score, class, box)."""
    kept = []
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for label in range(scores.shape[1]):
        order, count = np.argsort(-scores[:, label]), 0
        while len(order) and count < 100:
            best, order, count = order[0], order[1:], count + 1
            kept.append((scores[best, label], label, *boxes[best].clip(0, 1)))
            low = np.maximum(boxes[best, :2], boxes[order, :2])
            high = np.minimum(boxes[best, 2:], boxes[order, 2:])
            shared = (high - low).clip(0).prod(axis=1)
            order = order[shared <= 0.6 * (area[best] + area[order] - shared)]
    return np.array(sorted(kept, reverse=True)[:100])


@pytest.fixture(scope="module")
def detector():
    name = "tensorflow:ssd_mobilenet_v3_small_coco"
    variables = release_variables("ssd_mobilenet_v3_small_coco")
    tensors = {variable: to_pytorch(variable, value) for variable, value in variables.items()}
    model = build_model(load_config(DETECTION), 90)
    model.load_state_dict(to_checkpoint(name, find_source(name), tensors)[0]["state_dict"])
    return model.eval()


def test_anchors_equal_the_release(detector):
    theirs = anchors_of_the_release()[:, [1, 0, 3, 2]] * 320
    assert theirs.shape == (2034, 4)
    # Their aspect ratio is 0.3333, ours 1/3: a hundredth of a pixel.
    assert np.abs(detector.anchors.numpy() - theirs).max() < 0.014


def test_boxes_and_detections_equal_the_release(detector):
    images = torch.rand(1, 3, 320, 320) * 2 - 1
    with torch.no_grad():
        logits, deltas = detector.forward_head(images)
        (found,) = detector.detect(images)
        boxes, _ = detector.predict_dense(images)
    codes = deltas[0].double().numpy()[:, [1, 0, 3, 2]]  # the order of their predictor: y, x, height, width
    theirs = decode_as_the_release(codes, anchors_of_the_release())
    assert np.abs(boxes[0].numpy() - theirs[:, [1, 0, 3, 2]] * 320).max() < 0.05
    assert boxes.min() < -10  # they extend beyond the image, and NMS uses them unclipped
    scores = 1 / (1 + np.exp(-logits[0, :, 1:].double().numpy()))  # background is the first of 91 columns
    expected = suppress_as_the_release(theirs, scores)
    assert len(found) == 100 and found.boxes.min() >= 0 and found.boxes.max() <= 320
    assert found.labels.tolist() == expected[:, 1].tolist()
    assert np.abs(found.scores.numpy() - expected[:, 0]).max() < 1e-6
    assert np.abs(found.boxes.numpy() - expected[:, [3, 2, 5, 4]] * 320).max() < 0.05


def converted(tmp_path, name):
    prefix = write_checkpoint(tmp_path / "model.ckpt", release_variables(name))
    assert main(["convert", str(prefix), "--model", f"tensorflow:{name}", "--out", str(tmp_path / "weights.pth")]) == 0
    return tmp_path / "weights.pth"


def evaluate(config, weights, folder, *options):
    options = [f"test_dataloader.{option}" for option in (f"dataset.data_root={folder}", "num_workers=0", *options)]
    arguments = ["test", str(config), str(weights), "--json", str(folder / "metrics.json"), "--work-dir", str(folder)]
    assert main([*arguments, "--cfg-options", *options]) == 0
    return json.loads((folder / "metrics.json").read_text())


def test_detection_release_is_evaluated_unchanged(tmp_path, capsys):
    write_image(tmp_path / "images" / "a.png", np.full((64, 96, 3), 90, np.uint8))
    truth = dict(
        images=[dict(id=1, file_name="a.png", height=64, width=96)],
        categories=[dict(id=1, name="person"), dict(id=90, name="toothbrush")],
        annotations=[dict(id=1, image_id=1, category_id=90, bbox=[10, 10, 40, 20], area=800, iscrowd=0)],
    )
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    weights = converted(tmp_path, "ssd_mobilenet_v3_small_coco")
    assert "350 of 350 tensors loaded" in capsys.readouterr().out
    metrics = evaluate(DETECTION, weights, tmp_path, "dataset.ann_file=truth.json", "dataset.image_dir=images")
    assert 0 <= metrics["coco/AP"] <= 1


def test_segmentation_release_is_evaluated_unchanged(tmp_path, capsys):
    for folder, suffix, pixels in (
        ("leftImg8bit", "leftImg8bit", np.full((64, 96, 3), 90, np.uint8)),
        ("gtFine", "gtFine_labelIds", np.full((64, 96), 7, np.uint8)),
    ):
        write_image(tmp_path / folder / "val" / "bern" / f"bern_000000_000019_{suffix}.png", pixels)
    weights = converted(tmp_path, "deeplab_mnv3_small_cityscapes_trainfine")
    assert "217 of 217 tensors loaded" in capsys.readouterr().out
    assert 0 <= evaluate(SEGMENTATION, weights, tmp_path)["seg/mIoU"] <= 1
