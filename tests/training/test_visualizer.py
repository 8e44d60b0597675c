"""The curves in MMEngine's visualizer back ends: TensorBoard where it is installed, others by config."""

import json

import pytest

from tests.training.toy_runs import train

SHORT = ("default_hooks.curves=None", "train_cfg.max_iters=20", "train_cfg.val_interval=10")


def visualizer(*backends: str) -> str:
    listed = ", ".join(f"dict(type='{backend}')" for backend in backends)
    return f"visualizer=dict(type='Visualizer', vis_backends=[{listed}])"


@pytest.mark.slow
def test_tensorboard_is_the_default(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(tmp_path, *SHORT)
    (events,) = tmp_path.glob("*/vis_data/events.*")
    found = accumulator.EventAccumulator(str(events))
    found.Reload()
    assert {"loss", "lr", "grad_norm", "toy/accuracy"} <= set(found.Tags()["scalars"])
    assert [event.step for event in found.Scalars("toy/accuracy")] == [10, 20]


def test_back_ends_are_chosen_in_the_config(tmp_path):
    train(tmp_path, *SHORT, visualizer("LocalVisBackend"))
    (scalars,) = tmp_path.glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert [(row["step"], row["toy/accuracy"]) for row in rows if "toy/accuracy" in row][-1][0] == 20
    assert any("loss" in row for row in rows) and not list(tmp_path.glob("*/vis_data/events.*"))


@pytest.mark.slow
def test_weights_and_biases_without_a_network(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(tmp_path, *SHORT, visualizer("WandbVisBackend"))
    assert list(tmp_path.glob("*/vis_data/wandb/offline-run-*/*.wandb"))
