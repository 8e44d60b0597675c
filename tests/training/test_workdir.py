"""What a run writes to its folder, and what a start that fails leaves there (cases.md row 27)."""

import os
import re

import pytest

from densevision.cli.main import main
from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.training.runner import build_runner
from tests.training.toy_parts import Named
from tests.training.toy_runs import CONFIG, FAST, ROOT, listing, make_runner, train


@pytest.mark.parametrize(
    "override",
    [
        "train_dataloader.dataset=dict(type='tests.training.toy_parts.Halves', sizes=1)",
        "train_dataloader.dataset.size=0",
        "val_dataloader.dataset.size=0",
        "default_hooks.ema.ema_type=ExponentialMovingAverage",
        "train_dataloader.sampler=dict(type='DefaultSampler')",
        "val_dataloader.dataset=dict(type='tests.training.toy_parts.Halves', sizes=1)",
        "model.type=NoSuchModel",
        "model.num_classes=5",
        "default_hooks.checkpoint.save_best=toy/AP",
        "default_hooks.checkpoint.save_best=coco/AP",
        "optim_wrapper.optimizer.type=NoSuchOptimizer",
        "val_dataloader.dataset.names=['lower', 'upper']",
        "val_evaluator.type=tests.training.toy_parts.Refusing",
        "init_from=nowhere.pth",
    ],
)
def test_a_start_that_fails_leaves_nothing_behind(tmp_path, override):
    with pytest.raises(UserError) as raised:
        train(tmp_path / "a" / "run", *FAST, override)
    assert "\n" not in str(raised.value)
    assert listing(tmp_path) == set()


def test_a_start_that_fails_leaves_what_was_there(tmp_path):
    folder = tmp_path / "run"
    train(folder, *FAST)
    (folder / "notes.txt").write_text("mine")
    (folder / ".draft.tmp").write_text("mine too")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    refusing = "val_evaluator.type=tests.training.toy_parts.Refusing"
    for override in ("default_hooks.checkpoint.save_best=toy/AP", refusing):
        with pytest.raises(UserError):
            train(folder, *FAST, override)
    with pytest.raises(UserError):
        train(folder, *FAST, "train_cfg.max_iters=1", resume=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    train(folder, *FAST)
    assert (folder / ".draft.tmp").read_text() == "mine too"


def test_a_config_in_its_own_work_dir_is_not_overwritten(tmp_path, monkeypatch):
    text = CONFIG.read_text().replace("from ...configs._base_.runtime", "from ._base_.runtime")
    (tmp_path / "_base_").mkdir()
    (tmp_path / "_base_" / "runtime.py").write_bytes((ROOT / "configs/_base_/runtime.py").read_bytes())
    (tmp_path / "mine.py").write_text(text)
    options = ["--cfg-options", *FAST]
    assert main(["train", str(tmp_path / "mine.py"), "--work-dir", str(tmp_path), *options]) == 0
    assert main(["train", str(tmp_path / "mine.py"), "--work-dir", str(tmp_path), *options]) == 0
    assert (tmp_path / "mine.py").read_text() == text


def test_an_earlier_training_config_is_set_aside_with_it(tmp_path):
    train(tmp_path, *FAST, "randomness.seed=1")
    first = (tmp_path / "toy_config.py").read_text()
    train(tmp_path, *FAST, "randomness.seed=2")
    (aside,) = tmp_path.glob("before_*")
    assert (aside / "toy_config.py").read_text() == first
    assert "seed=2" in (tmp_path / "toy_config.py").read_text()


@pytest.mark.parametrize("command", ["train", "test"])
@pytest.mark.parametrize("kind", ["file", "below a file", "empty", "blank", "long", "read only"])
def test_a_work_dir_that_can_t_be_is_one_line(tmp_path, capsys, monkeypatch, finished, command, kind):
    (tmp_path / "file").write_text("mine")
    place = {
        "file": tmp_path / "file",
        "below a file": tmp_path / "file" / "run",
        "empty": "",
        "blank": "  ",
        "long": tmp_path / ("a" * 300),
        "read only": "/proc/here",
    }[kind]
    monkeypatch.chdir(tmp_path)
    words = [str(CONFIG)] if command == "train" else [str(CONFIG), str(finished / "best.pth")]
    assert main([command, *words, "--work-dir", str(place)]) == 2
    error = capsys.readouterr().err
    assert re.match("densevision: error: (can't write to the work dir .*|work_dir )", error)
    assert error.count("\n") == 1
    assert listing(tmp_path) == {"file"}


def test_a_null_character_is_refused_before_anything_else(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", str(CONFIG), "--work-dir", f"{tmp_path}/a\0b"])
    assert "--work-dir: " in capsys.readouterr().err and not any(tmp_path.iterdir())


def test_a_disk_that_is_full_is_one_line(tmp_path, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    runner = make_runner(tmp_path, *FAST)
    monkeypatch.setattr(runner, "save_checkpoint", full)
    with pytest.raises(UserError, match="iter_2.pth can't be written: No space left on device; free some disk space, "):
        runner.train()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="can't write to the work dir .*: Permission denied"):
        make_runner(tmp_path / "run")


def test_a_config_with_quotes_and_newlines_in_a_key_is_written_and_read_again(tmp_path):
    config = load_config(CONFIG, FAST)
    names = {"driver's seat": 1, "seat": 3, "two\nlines": 2}
    config.work_dir, config.custom_hooks = str(tmp_path), [dict(type=Named, names=names)]
    build_runner(config).train()
    assert load_config(tmp_path / CONFIG.name).custom_hooks[0].names == names
