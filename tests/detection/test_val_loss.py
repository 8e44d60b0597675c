"""The loss on the val data and the example images of a training: no change to the training, and no failure."""

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from PIL import Image

from densevision.config.load import load_config
from densevision.training.curves import read_table
from densevision.training.example_images import resize_labels
from densevision.training.runner import build_runner
from tests.detection.test_training import CONFIG
from tests.training.test_resume import differing


@pytest.fixture
def run(coco_root, tmp_path):
    """Train the tiny detector of ``test_training`` in this process; return the runner."""
    (coco_root / "val.json").write_text((coco_root / "truth.json").read_text())
    path = tmp_path / "tiny.py"
    path.write_text(CONFIG.format(base="densevision.configs._base_", root=str(coco_root)))

    def train(name="run", *overrides):
        config = load_config(path, overrides)
        config.work_dir = str(tmp_path / name)
        runner = build_runner(config)
        runner.train()
        return runner

    return train


def checkpoint(runner):
    found = torch.load(f"{runner.work_dir}/iter_2.pth", weights_only=True)
    return {part: found[part] for part in ("state_dict", "ema_state_dict", "optimizer")}


def test_val_loss_and_images_change_no_weight_and_no_metric(run, capsys, tmp_path, monkeypatch):
    runner = run()
    batch, predictions = (Image.open(tmp_path / "run" / name) for name in ("train_batch.png", "val_predictions.png"))
    assert batch.size[0] > 2 * 64 and predictions.size[0] > 2 * 64  # two images side by side
    row = read_table(tmp_path / "run" / "curves.csv")[-1]
    assert f"val loss {row['val_loss']:.3f}" in capsys.readouterr().out and not runner.model.head._forward_hooks
    assert row["val_loss"] == pytest.approx(mean_loss(runner), rel=1e-5)
    for name in ("ValLossHook", "ExampleImagesHook"):
        monkeypatch.setattr(f"densevision.training.plan.{name}", Hook)
    without = run("without")
    assert differing(checkpoint(runner), checkpoint(without)) == []
    other = read_table(tmp_path / "without" / "curves.csv")[-1]
    assert other == pytest.approx({key: value for key, value in row.items() if key != "val_loss"}, nan_ok=True)


def mean_loss(runner):
    """Return the mean loss over the val images, of the weights in the checkpoint: the moving average."""
    model, total, images = runner.model, 0.0, 0
    model.load_state_dict(checkpoint(runner)["state_dict"])
    model.eval()
    with torch.no_grad():
        for batch in runner.val_dataloader:
            data = model.data_preprocessor(batch, False)
            losses = model.loss(data["inputs"], data["data_samples"])
            total += float(sum(losses.values())) * len(batch["inputs"])
            images += len(batch["inputs"])
    assert images == 3  # in batches of 2 and 1
    return total / images


@pytest.mark.slow
def test_an_image_that_cannot_be_drawn_ends_nothing_and_an_earlier_one_is_set_aside(run, monkeypatch, tmp_path):
    monkeypatch.setattr("densevision.training.example_images.side_by_side", lambda *grid: 1 / 0)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train_batch.png").write_bytes(b"earlier")
    runner = run()
    (moved,) = (tmp_path / "run").glob("before_*/train_batch.png")
    assert moved.read_bytes() == b"earlier" and not (tmp_path / "run" / "train_batch.png").exists()
    log = next((tmp_path / "run").glob("*/*.log")).read_text()
    assert "no example images: ZeroDivisionError" in log and runner.iter == 2
    assert (tmp_path / "run" / "best.pth").is_file()


def test_labels_are_resized_to_the_nearest():
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    assert resize_labels(labels, (4, 2)).tolist() == [[0, 1], [0, 1], [2, 255], [2, 255]]
    assert resize_labels(labels, (1, 1)).tolist() == [[0]]
