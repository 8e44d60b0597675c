import json
import re

import pytest
import torch

from densevision.cli.main import main
from densevision.errors import UserError
from densevision.segmentation.multi_scale import mean_scores
from densevision.structures import Views
from tests.segmentation.conftest import FRAMES, write_frame
from tests.segmentation.test_auxiliary import CONFIG, TINY, saved, segmentor

IMAGES = torch.tensor([[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]).expand(1, 3, 2, 4)


def test_scores_of_an_image_and_its_mirror_image_are_averaged():
    seen = []

    def logits_of(images):  # of class 1: the column, 0..3
        seen.append(images)
        columns = torch.arange(4.0).expand(1, 1, 2, 4)
        return torch.cat([torch.zeros_like(columns), columns], 1)

    scores = mean_scores(logits_of, IMAGES, Views(flip=True))
    assert torch.equal(seen[1], seen[0].flip(-1)) and len(seen) == 2
    upper = torch.arange(4.0).sigmoid()
    assert scores[0, 1, 0].tolist() == pytest.approx(((upper + upper.flip(0)) / 2).tolist())
    assert scores.sum(1).flatten().tolist() == pytest.approx([1] * 8)


def test_every_scale_is_resized_and_back():
    sizes = []

    def logits_of(images):
        sizes.append(tuple(images.shape[-2:]))
        return torch.stack([images[:, 0], 2 * images[:, 0]], 1)

    scores = mean_scores(logits_of, torch.full((1, 3, 10, 7), 0.5), Views((0.5, 1.0, 2.0)))
    assert sizes == [(5, 4), (10, 7), (20, 14)]
    assert scores.shape == (1, 2, 10, 7)
    assert scores[:, 1].flatten().tolist() == pytest.approx([torch.tensor(0.5).sigmoid().item()] * 70)


def test_one_view_is_the_network_itself():
    model, images = segmentor().eval(), torch.randn(1, 3, 33, 47)
    with torch.inference_mode():
        assert torch.equal(mean_scores(model, images, Views()).argmax(1), model(images).argmax(1))


@pytest.mark.parametrize("scales", [(), (0.0,), (1, 5), ("a",), (float("nan"),), 1])
def test_bad_scales_are_one_line(scales):
    with pytest.raises(UserError, match="^scales is .*; give"):
        Views(scales)


@pytest.mark.parametrize("flip", ["no", 1, None])
def test_flip_is_true_or_false(flip):
    with pytest.raises(UserError, match="^flip is .*; give True or False"):
        Views(flip=flip)


def test_the_command_reports_both_apart(tmp_path, capsys):
    write_frame(tmp_path, FRAMES[0])
    path, out = saved(tmp_path / "best.pth", segmentor(num_classes=3), ("sky", "road", "car")), tmp_path / "out.json"
    options = [f"{key}.dataset.data_root='{tmp_path}'" for key in ("train_dataloader", "val_dataloader")]
    options += ["val_dataloader.dataset.classes=['sky', 'road', 'car']", "val_dataloader.num_workers=0"]
    options += ["val_dataloader.dataset.image_suffix='_leftImg8bit.png'", *TINY]
    words = ["test", CONFIG, str(path), "--work-dir", str(tmp_path / "test"), "--json", str(out)]
    assert main([*words, "--scales", "1", "2", "--flip", "--cfg-options", *options]) == 0
    printed = capsys.readouterr().out
    assert "scales 1, 2, each also flipped; not comparable with the figures of one scale:" in printed
    assert printed.count("mIoU") >= 2
    found = json.loads(out.read_text())
    assert 0 <= found["seg/mIoU"] <= 1 and 0 <= found["multi_scale/seg/mIoU"] <= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ssdlite_v3_small_coco", "best.pth", "--flip"], "are for segmentation models, and .* has none"),
        (["model.tflite", "--config", CONFIG, "--flip"], "model.tflite has one input size; give the checkpoint"),
        ([CONFIG, "best.pth", "--scales", "9"], "scales is 9.0; give a number from 0.1 to 4"),
    ],
)
def test_what_cannot_be_evaluated_so_is_one_line(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("best.pth", "model.tflite"):
        saved(tmp_path / name, segmentor())
    assert main(["test", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1

    assert re.search(message, error), error
