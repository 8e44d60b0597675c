import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from densevision.atomic import write_durable
from densevision.errors import UserError
from densevision.training.checkpoint_hook import (
    HISTORY,
    find_last_checkpoint,
    plain,
    set_aside_training,
)
from tests.training.toy_runs import make_runner, train


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_plain_keeps_values_and_loses_types():
    tensor = torch.ones(2)
    value = OrderedDict(a=np.float64(1.5), b=(np.int64(2), [np.arange(3)]), c=[tensor], d=None)
    assert plain(value) == dict(a=1.5, b=(2, [[0, 1, 2]]), c=[tensor], d=None)
    assert type(plain(value)) is dict and type(plain(np.float64(1.5))) is float


def test_a_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "note"
    write_durable(path, b"a long first text")
    write_durable(path, b"short")
    assert path.read_bytes() == b"short"
    assert names(tmp_path) == {"note"}


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        (b"iter_2.pth", "iter_2.pth"),
        (b"/where/it/was/trained/iter_2.pth", "iter_2.pth"),
        (b"iter_99.pth", "iter_10.pth"),
        (b"iter_" + b"9" * 5000 + b".pth", "iter_10.pth"),
        (None, "iter_10.pth"),
    ],
)
def test_the_last_checkpoint_is_found_beside_its_pointer(tmp_path, pointer, found):
    for name in ("iter_2.pth", "iter_10.pth", ".iter_11.part.pth", "best.pth"):
        (tmp_path / name).touch()
    if pointer is not None:
        (tmp_path / "last_checkpoint").write_bytes(pointer)
    assert find_last_checkpoint(tmp_path) == tmp_path / found


def test_no_checkpoint_is_found_in_an_empty_folder(tmp_path):
    assert find_last_checkpoint(tmp_path) is None


def test_a_training_keeps_the_best_and_the_two_latest_files(finished):
    expected = {"best.pth", "iter_30.pth", "iter_40.pth", "last_checkpoint", "curves.csv", "curves.png"}
    assert names(finished) == expected | {"toy_config.py"}
    assert (finished / "last_checkpoint").read_text() == "iter_40.pth"


def test_a_checkpoint_is_plain_data_with_what_inference_needs(finished):
    best = torch.load(finished / "best.pth", weights_only=True)
    assert best["meta"]["dataset_meta"] == dict(classes=("upper", "lower"), palette=[(255, 0, 0), (0, 0, 255)])
    assert best["meta"]["iter"] == 10  # accuracy 1.0 for the first time; later ties do not replace it
    assert "optimizer" not in best
    latest = torch.load(finished / "iter_40.pth", weights_only=True)
    json.dumps({key: latest[key] for key in ("meta", "message_hub", "param_schedulers")})
    assert latest["message_hub"]["runtime_info"]["best_score"] == 1.0


def test_weights_of_a_checkpoint_are_the_moving_average(finished):
    checkpoint = torch.load(finished / "iter_30.pth", weights_only=True)
    averaged, trained = checkpoint["state_dict"], checkpoint["ema_state_dict"]
    assert not torch.equal(averaged["classify.weight"], trained["module.classify.weight"])
    assert not torch.equal(averaged["features.1.running_mean"], trained["module.features.1.running_mean"])


@pytest.mark.slow
def test_histories_do_not_grow_without_end(tmp_path):
    runner = train(tmp_path, f"train_cfg.max_iters={HISTORY + 60}", "train_cfg.val_interval=100000")
    assert max(len(buffer.data[0]) for buffer in runner.message_hub.log_scalars.values()) <= HISTORY + 20
    hub = torch.load(tmp_path / f"iter_{HISTORY + 60}.pth")["message_hub"]
    assert [len(values) for values in hub["log_scalars"]["train/loss"]] == [HISTORY, HISTORY]


def test_nothing_in_a_checkpoint_is_executed(finished, tmp_path):
    checkpoint = torch.load(finished / "iter_30.pth")
    trace = tmp_path / "executed"
    checkpoint["meta"]["config"] = f"open({str(trace)!r}, 'w')"
    torch.save(checkpoint, tmp_path / "iter_30.pth")
    train(tmp_path, resume=True)
    assert not trace.exists()


def test_half_written_files_are_swept(tmp_path):
    halves = (".iter_9.part.pth", ".report.part.html", ".probe_9.part", ".val_predictions.part.png", ".curves.part.png")
    for name in halves:
        (tmp_path / name).write_bytes(b"half")
    train(tmp_path, "train_cfg.max_iters=1")
    assert not list(tmp_path.glob(".*"))


def test_a_fresh_training_sets_an_earlier_one_aside(tmp_path):
    for name in ("iter_7.pth", "best.pth", "last_checkpoint", "curves.csv", "report.html", "report.json", "notes.txt"):
        (tmp_path / name).write_text(name)
    train(tmp_path, "train_cfg.max_iters=1")
    (aside,) = tmp_path.glob("before_*")
    assert names(aside) == {"iter_7.pth", "best.pth", "last_checkpoint", "curves.csv", "report.html", "report.json"}
    assert names(tmp_path) >= {"iter_1.pth", "notes.txt"}
    assert set_aside_training(tmp_path / "nowhere", "x") is None


def test_more_checkpoints_between_evaluations(tmp_path):
    train(
        tmp_path,
        "train_cfg.max_iters=8",
        "default_hooks.checkpoint.interval=3",
        "default_hooks.checkpoint.keep=9",
    )
    assert {path.name for path in tmp_path.glob("iter_*")} == {"iter_3.pth", "iter_6.pth", "iter_8.pth"}


def test_save_best_must_be_a_metric(tmp_path):
    with pytest.raises(UserError, match="save_best: 'coco/AP' should be toy/..."):
        train(tmp_path, "default_hooks.checkpoint.save_best=coco/AP")
    with pytest.raises(UserError, match="no metric 'toy/AP'; there are toy/accuracy"):
        train(tmp_path, "default_hooks.checkpoint.save_best=toy/AP", "train_cfg.max_iters=2")


def test_a_damaged_or_foreign_file_is_named(tmp_path):
    faults = (
        (b"not a zip", "is a text file"),
        (b"PK\x03\x04", "is damaged .the end is missing"),
        (None, "has no 'state_dict'"),
    )
    for content, complaint in faults:
        path = tmp_path / "iter_5.pth"
        torch.save({"weights": 1}, path) if content is None else path.write_bytes(content)
        with pytest.raises(UserError, match=f"iter_5.pth {complaint}|iter_5.pth is not a checkpoint.*{complaint}"):
            train(tmp_path, resume=True)


def test_evaluating_a_checkpoint_repeats_the_training_figure(finished):
    runner = make_runner(finished / "test", training=False)
    runner._load_from = str(finished / "best.pth")
    assert runner.test() == {"toy/accuracy": 1.0}
