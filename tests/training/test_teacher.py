"""Trainings with a teacher: what they contain, that they resume bit for bit, and what they refuse."""

import re

import pytest
import torch

from densevision.checkpoints.config import describe_config
from densevision.checkpoints.model import build_model, load_model
from densevision.config.load import load_config
from densevision.config.teacher import TeacherOptions
from densevision.errors import UserError
from densevision.registry import MODELS
from densevision.training.teacher import load_teacher
from tests.detection.test_model import sample, small_model
from tests.segmentation.test_auxiliary import segmentor
from tests.segmentation.test_resume import CONFIG, check_resume, frames, train  # noqa: F401  # a fixture
from tests.training.test_distributed import TORCHRUN, run

CLASSES = ["road", "car", "sky"]  # in another order than the training's


def saved(path, options, classes=CLASSES, config=CONFIG):
    """Write the checkpoint of an untrained network of a config; return its path as text."""
    loaded = load_config(config, [*options, f"model.num_classes={len(classes)}"])
    torch.manual_seed(1)
    model = build_model(loaded, len(classes))
    meta = dict(dataset_meta=dict(classes=classes), **describe_config(loaded))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return str(path)


@pytest.fixture
def teacher(tmp_path):
    return saved(tmp_path / "large.pth", ["model.backbone.width=0.5"])


def test_a_training_follows_a_teacher_that_no_checkpoint_contains(tmp_path, frames, teacher, capsys):  # noqa: F811
    options = [*frames, "train_cfg.max_iters=1", "train_cfg.val_interval=1"]
    runner = train(tmp_path / "run", [*options, f"teacher={teacher}"])
    out = capsys.readouterr().out
    assert re.search(r"teacher: \S+large.pth, Segmentor, [\d,]+ parameters\n", out)
    assert runner.model.teacher is None  # after the training
    assert runner.message_hub.get_scalar("train/loss_teacher").current() > 0
    plain = torch.load(tmp_path / "run" / "iter_1.pth", weights_only=True)
    names = list(segmentor().state_dict())
    assert list(plain["state_dict"]) == [*names]
    assert {name.removeprefix("module.") for name in plain["ema_state_dict"]} <= {*names, "steps"}
    assert plain["meta"]["made_from"]["settings"]["teacher"] == teacher
    model, _ = load_model(load_config(CONFIG, options), tmp_path / "run" / "best.pth")
    assert model.teacher is None and list(model.state_dict()) == names


def test_the_teachers_classes_are_found_by_name(teacher):
    found = load_teacher(TeacherOptions(teacher), segmentor(num_classes=3), ["sky", "car"])
    assert found.columns == [2, 1]
    assert not found.network.training and not any(p.requires_grad for p in found.network.parameters())


def test_losses_are_divided_by_their_weight_and_val_loss_has_none():
    torch.manual_seed(0)
    model, samples = small_model().eval(), [sample([[5.0, 5, 30, 40]], [1])]
    images = torch.randn(1, 3, 64, 64)
    plain = model.loss(images, samples)
    model.teacher = lambda *inputs: dict(loss_teacher_cls=torch.tensor(float(len(inputs))))
    assert model.loss(images, samples) == plain | dict(loss_teacher_cls=4)
    assert set(model.val_loss(model.forward_head(images), samples)) == set(plain)
    assert "teacher" not in dict(model.named_modules()) and "teacher" not in "".join(model.state_dict())


def test_a_teacher_sees_images_normalized_as_its_own(teacher):
    student = segmentor(num_classes=3).eval()
    found = load_teacher(TeacherOptions(teacher), student, CLASSES)
    other = dict(type="Normalize", mean=[100.0, 110.0, 120.0], std=[50.0, 60.0, 70.0])
    pixels = torch.rand(1, 3, 32, 32) * 255
    wanted = found.network.data_preprocessor.normalize(pixels)
    assert found._normalized(wanted, student) is wanted
    student.data_preprocessor = MODELS.build(other)
    assert torch.allclose(found._normalized(student.data_preprocessor.normalize(pixels), student), wanted, atol=1e-5)


@pytest.mark.slow
def test_resume_is_exact_with_a_teacher(tmp_path, frames, teacher, capsys):  # noqa: F811
    options = [*frames, f"teacher={teacher}"]
    check_resume(tmp_path, options)
    assert "teacher: its file" not in capsys.readouterr().out
    saved(teacher, ["model.backbone.width=0.35"])
    train(tmp_path / "again", options, resume_from=str(tmp_path / "whole" / "iter_2.pth"))
    assert "teacher: its file has other weights than before, from here on" in capsys.readouterr().out


@pytest.mark.slow
def test_each_process_has_a_teacher(tmp_path, frames, teacher):  # noqa: F811
    command = ["-m", "densevision.cli.main", "train", CONFIG, "--work-dir", tmp_path / "run", "--launcher", "pytorch"]
    options = [*frames, f"teacher={teacher}", "train_cfg.max_iters=2", "train_dataloader.batch_size=1"]
    out = run(*TORCHRUN, *command, "--cfg-options", *options, folder=tmp_path)
    assert "large.pth, Segmentor" in out and "teacher" in re.search(r"iter 2/2 .*", out)[0]


def test_bad_teachers_are_one_line(tmp_path, teacher):
    model = segmentor(num_classes=3)
    detector = saved(tmp_path / "detector.pth", ["model.backbone.width=0.35"], config="ssdlite_v3_small_coco")
    (tmp_path / "text.pth").write_text("no checkpoint")
    torch.save(dict(state_dict={}), tmp_path / "plain.pth")
    cases = [
        (tmp_path / "no.pth", "teacher: no weights file .*no.pth"),
        (tmp_path / "text.pth", "teacher: .*text.pth is a text file"),
        (tmp_path / "plain.pth", "teacher: .*plain.pth does not contain its config"),
        (detector, "teacher: .*detector.pth is for detection, the model for segmentation"),
        (saved(tmp_path / "other.pth", [], ["road", "car"]), "other.pth does not know sky; .*classes road, car"),
    ]
    for path, message in cases:
        with pytest.raises(UserError, match=message) as caught:
            load_teacher(TeacherOptions(str(path)), model, CLASSES)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="name no classes"):
        load_teacher(TeacherOptions(teacher), model, ())
    with pytest.raises(UserError, match="Linear takes no teacher"):
        load_teacher(TeacherOptions(teacher), torch.nn.Linear(1, 1), CLASSES)
    loss = dict(type="densevision.AnchorDistillation")
    with pytest.raises(UserError, match="teacher.loss is AnchorDistillation; for segmentation it is PixelDistill"):
        load_teacher(TeacherOptions(teacher, loss), model, CLASSES)


def test_another_input_size_is_one_line(tmp_path):
    options = ["model.backbone.width=0.35", "model.input_size=(64, 96)"]
    path = saved(tmp_path / "wide.pth", options, config="ssdlite_v3_small_coco")
    with pytest.raises(UserError, match=r"wide.pth has model.input_size=\(64, 96\), the model \(64, 64\)"):
        load_teacher(TeacherOptions(path), small_model(), CLASSES[:2])


@pytest.mark.parametrize("value", [3, {}, dict(loss=dict(type="X")), dict(checkpoint="a", loss=3), dict(file="a")])
def test_other_content_of_the_key_is_one_line(value):
    with pytest.raises(UserError, match="teacher is .*; give the file of a checkpoint"):
        TeacherOptions.parse(value)


def test_the_training_refuses_before_it_begins(tmp_path, frames):  # noqa: F811
    with pytest.raises(UserError, match="teacher: no weights file no.pth"):
        train(tmp_path / "run", [*frames, "teacher=no.pth"])
    assert not (tmp_path / "run").exists()
    own = saved(tmp_path / "best.pth", ["model.backbone.width=0.35"])
    with pytest.raises(UserError, match="best.pth is in this training's own results folder"):
        train(tmp_path, [*frames, f"teacher={own}"])
