from PIL import Image

from densevision.training.curves import draw_curves, format_table, read_table
from tests.training.toy_runs import train

ROWS = [{"iteration": 20, "loss": 0.5, "lr": 0.1}, {"iteration": 30, "coco/AP": 0.25}]


def test_the_table_has_a_column_for_every_figure():
    assert format_table(ROWS) == "iteration,loss,lr,coco/AP\n20,0.5,0.1,\n30,,,0.25\n"
    assert format_table([]) == "iteration\n"


def test_a_table_is_read_back_as_it_was_written(tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text(format_table(ROWS))
    assert read_table(path) == ROWS


def test_a_plot_of_rows_without_losses_or_metrics(tmp_path):
    for name, rows in (("metrics", ROWS[1:]), ("losses", ROWS[:1])):
        draw_curves(rows, tmp_path / f"{name}.png")
        assert Image.open(tmp_path / f"{name}.png").size == (990, 880)


def test_figures_that_are_not_defined_or_negative_are_drawn(tmp_path):
    nan = float("nan")
    rows = [{"iteration": 10, "loss": 1.0, "coco/AP": nan, "score": -2.0}]
    rows.append({"iteration": 20, "coco/AP": 0.5, "score": 1.0})
    draw_curves(rows, tmp_path / "some.png", ["coco/AP", "score"])
    draw_curves(rows[:1], tmp_path / "none.png", ["coco/AP", "missing"])
    (tmp_path / "curves.csv").write_text(format_table(rows))
    assert read_table(tmp_path / "curves.csv")[1] == rows[1]


def test_a_class_name_may_hold_commas_and_quotes(tmp_path):
    rows = [{"iteration": 1, 'coco/AP/a, "b"/c': 0.5}]
    (tmp_path / "curves.csv").write_text(format_table(rows))
    assert read_table(tmp_path / "curves.csv") == rows


def test_rows_of_a_training(finished):
    rows = read_table(finished / "curves.csv")
    assert [row["iteration"] for row in rows] == [10, 20, 30, 40]
    assert set(rows[0]) == {"iteration", "toy/accuracy"}
    assert set(rows[1]) == {"iteration", "toy/accuracy", "loss", "loss_cls", "lr", "grad_norm"}


def test_a_fresh_training_starts_a_fresh_table(finished, tmp_path):
    (tmp_path / "curves.csv").write_text(format_table(ROWS))
    train(tmp_path, "train_cfg.max_iters=2")
    assert [row["iteration"] for row in read_table(tmp_path / "curves.csv")] == [2]
