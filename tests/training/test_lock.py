"""One run at a time writes to a work directory."""

import pytest

from densevision.errors import UserError
from densevision.training.lock import locked
from tests.training.toy_runs import FAST, command, listing, train


def test_a_second_run_is_refused_and_changes_nothing(tmp_path):
    train(tmp_path, *FAST)
    before = listing(tmp_path)
    with locked(tmp_path), pytest.raises(UserError, match="another run writes to this folder"):
        train(tmp_path, *FAST, "train_cfg.max_iters=3", resume=True)
    assert listing(tmp_path) == before
    train(tmp_path, *FAST, "train_cfg.max_iters=3", resume=True)
    assert (tmp_path / "iter_3.pth").is_file()


@pytest.mark.slow
def test_another_process_is_refused_too(tmp_path):
    tmp_path.joinpath("run").mkdir()
    with locked(tmp_path / "run"):
        status, _, errors = command(tmp_path / "run", "--cfg-options", *FAST)
    assert status == 2 and "another run writes to this folder" in errors and not listing(tmp_path / "run")
