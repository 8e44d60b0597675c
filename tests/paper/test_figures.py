from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from densevision.benchmark.timing import Timing
from densevision.cli.main import main
from densevision.paper.components import STEMS, STEPS, Measured, count_component
from densevision.paper.figures import frontier, plot_components, plot_frontier, plot_nonlinearities
from densevision.paper.latency import TimedRow, rows_to_time


def overlapping(axes):
    axes.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    return [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_frontier_is_what_no_other_point_beats():
    points = [("a", 2.0, 75.0), ("b", 1.0, 74.0), ("c", 3.0, 74.5), ("d", 2.0, 75.2)]
    assert [name for name, *_ in frontier(points)] == ["b", "d"]


def test_figure_6_has_the_values_of_the_layers():
    gates, activations = plot_nonlinearities().axes
    x = gates.lines[0].get_xdata()
    at = {value: int(np.argmin(np.abs(x - value))) for value in (-4, 0, 1, 4)}
    curves = {line.get_label().split(",")[0]: line.get_ydata() for axes in (gates, activations) for line in axes.lines}
    # hard sigmoid: (1 + 3) / 6; h-swish of -4 is 0, of 4 is 4; swish(1) = 1 / (1 + e^-1)
    assert curves["hard sigmoid"][at[1]] == pytest.approx(4 / 6, abs=1e-5)
    assert [curves["h-swish"][at[value]] for value in (-4, 0, 4)] == pytest.approx([0, 0, 4], abs=1e-5)
    assert curves["swish"][at[1]] == pytest.approx(0.731059, abs=1e-5)
    assert curves["sigmoid"][at[0]] == pytest.approx(0.5, abs=1e-5)


def test_figure_8_shows_the_printed_pixel_alone_without_measured_times():
    (pixel,) = plot_frontier([]).axes
    assert "Pixel 1, as printed in the paper" in pixel.get_xlabel()
    lines = [line.get_xydata().tolist() for line in pixel.lines]
    assert lines[0] == [[50.5, 74.5], [51.0, 75.0], [51.4, 75.2], [53.5, 75.4]]
    assert lines[2] == [[50.5, 74.5], [54.4, 75.0], [57.5, 75.2], [68.9, 75.4]]


def test_figure_8_shows_measured_times_first():
    ms = {"5.1": 6.7, "5.2": 6.69, "5.3": 6.86, "5.4": 6.75, "5.1 split": 7.2, "5.3 split": 8.0, "5.4 split": 6.72}
    rows = [TimedRow(**vars(one), timing=Timing(Path("a"), np.array([ms[one.label]]))) for one in rows_to_time([5])]
    ours, _ = plot_frontier(rows).axes
    assert "this machine" in ours.get_xlabel()
    # h-swish from 112 takes longer than from 80, and is less accurate
    assert ours.lines[0].get_xydata().tolist() == [[6.69, 74.5], [6.7, 75.2], [6.86, 75.4]]
    assert len(ours.texts) == 7 and not overlapping(ours)


def test_stems_and_components_have_the_counts_of_the_docs():
    counts = [
        (one.name, round(found.params, 3), round(found.madds, 1)) for one in STEMS for found in [count_component(one)]
    ]
    # the stem: 16 filters of 3x3x3 at 112x112 less, and bottleneck 1 has half the channels
    assert [row[1:] for row in counts] == [(5.485, 227.0), (5.485, 227.0), (5.484, 216.6)]
    steps = [count_component(one) for one in STEPS]
    assert [round(one.madds, 1) for one in steps] == [259.8, 261.3, 261.3, 227.0, 216.6]
    assert [round(one.params, 3) for one in steps] == [3.473, 4.986, 4.986, 5.485, 5.484]


def test_figure_9_writes_each_value_and_its_change():
    timing = Timing(Path("a"), np.array([6.0, 7.0, 8.0]))
    madds, other = plot_components([Measured(one, 5.0, 200.0 + n) for n, one in enumerate(STEPS)]).axes
    assert [text.get_text() for text in madds.texts][:2] == ["200.0", "201.0  (+1.0)"]
    assert other.get_xlabel() == "parameters, millions" and other.texts[1].get_text() == "5.000  (=)"
    _, times = plot_components([Measured(one, 5.0, 200.0, timing) for one in STEPS]).axes
    assert times.get_xlabel() == "ms on one core of this machine" and times.texts[0].get_text() == "7.00"


def test_command_draws_a_figure(tmp_path, capsys):
    out = tmp_path / "figure6.png"
    assert main(["paper", "--figure", "6", "--plot", str(out)]) == 0
    assert out.read_bytes()[:4] == b"\x89PNG" and str(out) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--figure", "9"], "give --plot OUT.png too"),
        (["--figure", "9", "--plot", "a.jpg"], "a .png file"),
        (["--figure", "9", "--plot", "no_folder/a.png"], "--plot"),
        (["--figure", "8", "--table", "5", "--plot", "a.png"], "--table has no effect"),
        (["--figure", "6", "--plot", "a.png", "--latency"], "omit --latency"),
        (["--figure", "8", "--plot", "a.png", "--json", "a.json"], "--json has no effect"),
        (["--figure", "9", "--components", "--plot", "a.png"], "give one of them"),
        (["--components", "--plot", "a.png"], "--figure 9"),
        (["--components", "--latency", "--work-dir", "setup.cfg/x"], "--work-dir"),
    ],
)
def test_wrong_options_raise_a_one_line_error(words, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("setup.cfg").touch()
    assert main(["paper", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
