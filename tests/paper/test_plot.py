import json
from itertools import combinations

import cv2
import pytest

from densevision.cli.main import main
from densevision.paper.compare import Comparison
from densevision.paper.plot import plot_tables
from densevision.paper.results import OwnResult
from densevision.paper.tables import TABLES


def compared(*tables):
    """Return the rows with our MAdds 10 millions below the printed ones."""
    return [Comparison(row, 0.0, row.madds - 10) for table in tables for row in TABLES[table]]


def stars(axes):
    return [line.get_xydata().tolist() for line in axes.lines if "ours" in line.get_label()]


def test_points_are_the_printed_values():
    left, right = plot_tables(compared(6), []).axes
    v2 = next(line for line in left.lines if line.get_label() == "MobileNetV2")
    assert v2.get_xydata().tolist() == [[160, 13.7], [270, 16.6], [800, 22.1]]
    v2 = next(line for line in right.lines if line.get_label() == "MobileNetV2")
    assert v2.get_xydata().tolist() == [[66, 13.7], [79, 16.6], [162, 22.1]]
    assert "mAP" in left.get_ylabel() and "MAdds" in left.get_xlabel() and "Pixel 1, ms" in right.get_xlabel()


def test_widths_and_resolutions_are_separate_series():
    left = plot_tables(compared(3, 9), []).axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in left.lines}
    assert lines["MobileNetV3-Large"] == [[40, 64.2], [69, 68.8], [155, 73.3], [217, 75.2], [356, 76.6]]
    assert lines["MobileNetV3-Small, by resolution"] == [[12, 51.7], [20, 57.3], [30, 62.8], [57, 67.5], [74, 68.5]]
    assert lines["ProxylessNAS"] == [[320, 74.6]]


def test_our_results_are_at_our_madds():
    left, right = plot_tables(compared(6), [OwnResult(6, 5, 21.9, 120), OwnResult(7, 1, 70.0)]).axes
    assert stars(left) == [[[500, 21.9]]]  # 510 - 10; the row of Table 7 is not shown
    assert stars(right) == [[[120, 21.9]]]


def test_names_do_not_overlap():
    figure = plot_tables(compared(3, 6, 7, 8, 9), [])
    assert len(figure.axes) == 8
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts]
        assert len(boxes) >= 4
        assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_command_writes_a_plot_with_our_results(tmp_path):
    ours, plot = tmp_path / "ours.json", tmp_path / "grid.png"
    ours.write_text(json.dumps([{"table": 8, "row": 2, "accuracy": 71}]))
    assert main(["paper", "--table", "8", "--plot", str(plot), "--ours", str(ours)]) == 0
    assert cv2.imread(str(plot)).shape == (506, 1430, 3)  # 4.6 x 13 inches of 110 pixels


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "not a readable json file"),
        ("{}", "a list of objects"),
        ('{"trainings": [3]}', "a list of objects"),
        ('[{"table": 6, "row": 5}]', "entry 1: give an object with table, row, accuracy"),
        ('[{"table": 6, "row": 5, "accuracy": "21"}]', "entry 1: accuracy is '21', it must be a number"),
        ('[{"table": 6, "row": 12, "accuracy": 21}]', "entry 1: no row 12 in Table 6"),
    ],
)
def test_wrong_file_of_results_raises_a_one_line_error(tmp_path, capsys, content, fault):
    ours = tmp_path / "ours.json"
    ours.write_text(content)
    assert main(["paper", "--plot", str(tmp_path / "grid.png"), "--ours", str(ours)]) == 2
    error = capsys.readouterr().err
    assert fault in error and str(ours) in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--plot", "grid.xyz"], "--plot grid.xyz: the plot is a .png file"),
        (["--plot", "."], "--plot .: can't be written"),
        (["--json", "no/rows.json"], "--json no/rows.json: can't be written"),
    ],
)
def test_wrong_options_raise_a_one_line_error_before_the_counting(tmp_path, monkeypatch, capsys, options, fault):
    monkeypatch.chdir(tmp_path)
    assert main(["paper", *options]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"densevision: error: {fault}") and captured.err.count("\n") == 1
    assert not captured.out and not list(tmp_path.iterdir())


def test_result_for_table_3_is_shown_if_table_9_replaces_its_row():
    left = plot_tables(compared(3, 9), [OwnResult(3, 1, 75.0)]).axes[0]
    assert stars(left) == [[[209, 75.0]]]  # 219 - 10
