"""``train --dry-run`` goes through a whole training of each task, and leaves nothing."""

import pytest

from tests.faults.good import CONFIGS, write_configs_and_data
from tests.faults.run import listing, run_main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("DENSEVISION_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    write_configs_and_data(tmp_path)
    return tmp_path


def written(folder, before):
    return [name for name in listing(folder) if "__pycache__" not in name and name not in before]


@pytest.mark.parametrize("task", CONFIGS)
def test_it_tries_batch_evaluation_and_checkpoint_and_leaves_nothing(task, folder):
    before = listing(folder)
    status, output, errors = run_main(("train", f"{task}.py", "--dry-run"))
    assert status == 0, errors
    last = output.strip().splitlines()[-1]
    assert last.startswith("dry run: one batch trained (loss ") and "one batch evaluated with its metrics" in last
    assert "MB written and read" in last
    assert "results: none are kept\n" in output and ".densevision_dry_run_" not in output
    assert not written(folder, before) and {path.name for path in folder.iterdir()} == {
        *(f"{name}.py" for name in CONFIGS),
        *("boxes", "masks", "cells"),
    }


def test_a_work_dir_that_exists_keeps_its_files(folder):
    (folder / "out").mkdir()
    (folder / "out/best.pth").write_bytes(b"mine")
    before = listing(folder)
    status, output, errors = run_main(("train", "cls.py", "--dry-run", "--work-dir", "out"))
    assert status == 0, errors
    assert not written(folder, before) and (folder / "out/best.pth").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "words, says",
    [
        (("--resume",), "--dry-run tries the start"),
        (("--max-time", "5m"), "--dry-run tries the start"),
        (("--cfg-options", "optim_wrapper.optimizer.lr=x"), "optim_wrapper.optimizer.lr"),
        (("--cfg-options", "default_hooks.checkpoint=None"), "CheckpointHook"),
        (("--cfg-options", "val_dataloader.dataset.image_dir=train/blue"), "train/blue"),
    ],
)
def test_a_fault_is_one_line_and_leaves_nothing(words, says, folder):
    before = listing(folder)
    status, output, errors = run_main(("train", "cls.py", "--dry-run", *words))
    assert (status, says in errors.splitlines()[-1]) == (2, True), errors
    assert not written(folder, before)
