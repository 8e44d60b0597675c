import subprocess
import sys

import pytest
import torch

from densevision.cli.main import main
from tests.training.toy_runs import CONFIG, ROOT, command


def run(*words: object) -> int:
    return main(["train", str(CONFIG), *map(str, words)])


def test_a_training_from_the_command_line(tmp_path, capsys):
    assert run("--work-dir", tmp_path / "run", "--cfg-options", "train_cfg.max_iters=3", "randomness.seed=5") == 0
    assert f"checkpoints and curves are in {tmp_path / 'run'}" in capsys.readouterr().out
    assert torch.load(tmp_path / "run" / "iter_3.pth")["meta"]["seed"] == 5


def test_the_default_work_dir_carries_the_config_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("--cfg-options", "train_cfg.max_iters=1") == 0
    assert (tmp_path / "work_dirs" / "toy_config" / "iter_1.pth").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume"], "--resume: no checkpoint in"),
        (["--cfg-options", "model.num_clases=2"], "did you mean num_classes"),
        (["--cfg-options", "train_cfg.max_iters=0"], "train_cfg.max_iters is 0; it must be a whole number from 1"),
        (["--cfg-options", "train_dataloader.batch_size=1.5"], "train_dataloader.batch_size is 1.5"),
        (["--launcher", "slurm"], "--launcher: without a GPU only torchrun"),
        (["--launcher", "pytorch"], "--launcher: without a GPU only torchrun"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, capsys, words, message):
    assert run("--work-dir", tmp_path, *words) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("densevision: error: ") and message in errors and errors.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_fp16_needs_a_gpu(tmp_path, capsys):
    assert run("--work-dir", tmp_path, "--amp", "fp16") == 2
    assert "config, optim_wrapper.amp (--amp) is 'fp16', which needs a CUDA GPU" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("amp", [["--amp"], ["--amp", "bf16"], ["--amp=bf16"]])
def test_bf16_trains_everywhere(tmp_path, amp):
    assert run("--work-dir", tmp_path, *amp, "--cfg-options", "train_cfg.max_iters=2") == 0
    checkpoint = torch.load(tmp_path / "iter_2.pth")
    assert all(tensor.dtype is not torch.bfloat16 for tensor in checkpoint["state_dict"].values())
    assert checkpoint["meta"]["made_from"]["settings"]["optim_wrapper.amp"] == "bf16"


def test_amp_leaves_the_config_that_follows_it(tmp_path):
    words = ["--work-dir", str(tmp_path), "--cfg-options", "train_cfg.max_iters=1"]
    assert main(["train", "--amp", str(CONFIG), *words]) == 0


@pytest.mark.gpu
def test_fp16_trains(tmp_path):
    assert run("--work-dir", tmp_path, "--amp", "fp16", "--cfg-options", "train_cfg.max_iters=3") == 0
    assert "loss_scaler" in torch.load(tmp_path / "iter_3.pth")["optimizer"]


def test_stop_by_a_signal_says_how_to_go_on(tmp_path, capsys):
    assert run("--work-dir", tmp_path, "--cfg-options", "custom_hooks.0.at=3") == 130
    assert capsys.readouterr().err.endswith(
        "stopped by SIGINT at iteration 3; the same command with --resume continues from there\n"
    )
    assert run("--work-dir", tmp_path, "--resume", "--cfg-options", "train_cfg.max_iters=5") == 0
    assert (tmp_path / "iter_5.pth").is_file()


@pytest.mark.slow
def test_the_tools_script_is_the_command(tmp_path):
    status, output, errors = command(tmp_path / "a", "--cfg-options", "train_cfg.max_iters=1")
    assert status == 0 and "Warning" not in errors, errors
    words = [sys.executable, str(ROOT / "tools" / "train.py"), "nowhere.py"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("densevision: error: no config file nowhere.py")
