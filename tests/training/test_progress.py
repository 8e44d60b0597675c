import io
import re
from collections import deque

import pytest
import torch
from rich.console import Console

from densevision.console import Display
from densevision.training.progress import (
    Clock,
    ProgressHook,
    format_metrics,
    format_scalars,
    summary_metrics,
)
from tests.training.toy_runs import train


def test_losses_come_first_then_the_rate():
    scalars = {"lr": 0.0123, "grad_norm": 4.5678, "loss_cls": 0.25, "loss": 1.5, "loss_box": 1.25}
    assert format_scalars(scalars) == "loss 1.500  box 1.250  cls 0.250  lr 0.012  grad_norm 4.57"
    assert format_scalars({"lr": 0.1, "loss_seg": 0.25, "loss": 0.25}) == "loss 0.250  lr 0.1"
    assert format_scalars({"lr": 0.1, "loss_seg": 0.25}) == "seg 0.250  lr 0.1"


def test_metrics_of_single_classes_are_left_out():
    metrics = {"seg/mIoU": 0.5, "seg/IoU_road": 0.9, "seg/aAcc": 0.8}
    assert summary_metrics(metrics) == ["seg/mIoU", "seg/aAcc"]
    assert format_metrics(metrics) == "seg/mIoU 0.500  seg/aAcc 0.800"
    assert format_metrics({}) == "no metric"
    names = ["coco/AP", "coco/AP/50", "coco/AP/N/A 1", "coco/AP50", "coco/AP_small"]
    assert summary_metrics(names) == ["coco/AP", "coco/AP50"]


@pytest.mark.parametrize("name", ["road", "a_b", "x/y", "small", "AP", "mIoU", "traffic light", "_"])
def test_classes_of_any_name_stay_out_and_the_ranking_metric_comes_first(name):
    metrics = {"coco/AP": 0.5, f"coco/AP/{name}": 0.9, "my/own/f1": 0.1, "coco/AP_small": 0.3, "seg/mIoU": 0.2}
    shown = summary_metrics(metrics, ["cat", name])
    assert shown == ["coco/AP", "my/own/f1", "seg/mIoU" if name == "small" else "coco/AP_small"]
    assert summary_metrics(metrics, [name], f"coco/AP/{name}") == [f"coco/AP/{name}", "coco/AP", "my/own/f1"]
    assert format_metrics({"a": 1.0, "b": 2.0}, ["cat"], "b") == "b 2.000  a 1.000"


def test_the_clock_divides_images_by_waiting_and_training(monkeypatch):
    now = iter([10.0, 11.0, 20.0, 22.0])  # a step from 10 to 11 after 1 s of waiting, one from 20 to 22 after none
    monkeypatch.setattr("densevision.training.progress.time.perf_counter", lambda: next(now))
    clock = Clock()
    for waited in (1.0, 0.0):
        clock.step_began(waited)
        clock.step_done(8)
    assert (clock.rate(), clock.data_share()) == (4.0, 0.25)


def test_time_left_counts_iterations_and_evaluations(tmp_path):
    runner = train(tmp_path, "train_cfg.max_iters=10", "train_cfg.val_interval=4")
    pace = runner.train_loop.pace
    pace._steps = deque([2.0])
    pace.evaluation = 100.0
    # after 5 of 10: 5 iterations, and the evaluations at 8 and 10; after 8, that of 8 is still to come
    assert ProgressHook()._seconds_left(runner, 5) == 5 * 2 + 2 * 100
    assert ProgressHook()._seconds_left(runner, 8) == 2 * 2 + 2 * 100
    # before the first one: 13 val images, half as long as 4 training images in 2 s each
    pace.evaluation = None
    assert ProgressHook()._seconds_left(runner, 5) == 5 * 2 + 2 * (0.5 * 13 * 2 / 4)


def test_plain_lines_where_the_output_is_no_terminal(tmp_path, capsys):
    train(tmp_path, "train_cfg.max_iters=30")
    printed = capsys.readouterr().out.splitlines()
    lines = printed[4:]
    assert printed[:4] == [
        "model: ToyModel, 250 parameters",  # 4x3x3x3 + 4, 2x4, 2x64 + 2
        f"device: cpu, {torch.get_num_threads()} threads",
        "30 iterations of 4 images = 5.45 epochs of 22 images; evaluation every 10 iterations",
        f"results: {tmp_path}",
    ]
    report = r"loss \d\.\d{3}  lr \S+  grad_norm \S+  \d+\.\d img/s  data \d+%  eta \d+:\d\d"
    assert all(re.fullmatch(rf"iter {n}/30  {report}", line) for n, line in ((20, lines[1]), (30, lines[3])))
    assert [line for line in lines if "evaluation" in line] == [
        f"iter {n}/30  evaluation: toy/accuracy 1.000" for n in (10, 20, 30)
    ]
    assert len(lines) == 5


def test_a_terminal_gets_a_bar_with_its_notes():
    screen = io.StringIO()
    display = Display(Console(file=screen, force_terminal=True, width=100))
    with display:
        display.start("train", 40)
        display.advance(10, "eta 0:30  loss 1.000", "at 10: toy/accuracy 0.500")
        display.print("iter 10/40  evaluation")
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    for part in (
        "train ━",
        "10/40",
        "eta 0:30  loss 1.000",
        "at 10: toy/accuracy 0.500",
        "iter 10/40  evaluation",
    ):
        assert part in text
