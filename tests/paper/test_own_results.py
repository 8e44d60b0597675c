"""``--ours`` with the work dirs of classifiers."""

import json
from pathlib import Path

import pytest

from densevision.cli.main import main
from densevision.errors import UserError
from densevision.paper.results import OwnResult, read_own


def run(folder, size="(96, 96)", data="/data/pets", top1=0.9, **backbone):
    folder.mkdir()
    settings = {"model.input_size": size, "val_dataloader.dataset.data_root": data}
    settings |= {f"model.backbone.{key}": value for key, value in backbone.items()}
    (folder / "report.json").write_text(json.dumps(dict(settings=settings, metrics={"cls/top1": top1})))
    return folder


def test_a_run_is_the_row_with_its_network_and_input_size(tmp_path):
    small = run(tmp_path / "a", name="mobilenet_v3_small")
    assert read_own([small]) == [OwnResult(9, 19, 90.0, data="pets")]  # V3-Small 96/1.0
    proxyless = run(tmp_path / "b", "(224, 224)", top1=0.5, name="proxylessnas_mobile")
    narrow = run(tmp_path / "c", "(224, 224)", top1=0.5, name="mobilenet_v3_large", width="0.75")
    assert read_own([proxyless]) == [OwnResult(3, 4, 50.0, data="pets")]
    assert [(one.table, one.row) for one in read_own([narrow])] == [(3, 2), (9, 3)]


def test_our_own_results_are_read_from_the_docs():
    (cells,) = read_own([Path(__file__).parents[2] / "docs/results.json"])
    assert (cells.table, cells.row, cells.data) == (9, 19, "cells cut out of BCCD, val") and cells.accuracy > 95


def test_command_prints_our_accuracy_next_to_the_papers(tmp_path, capsys):
    folders = [
        run(tmp_path / "a", name="mobilenet_v3_small"),
        run(tmp_path / "b", name="mobilenet_v3_large", top1=0.95),
    ]
    assert main(["paper", "--table", "9", "--ours", *map(str, folders)]) == 0
    words = capsys.readouterr().out.split("Accuracy, %")[1].split("rows within")[0].split()
    assert "pets," in words
    assert words[words.index("10") :][:9] == [
        "10",
        "V3-Large",
        "96/1.0",
        "95.0",
        "63.3",
        "19",
        "V3-Small",
        "96/1.0",
        "90.0",
    ]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (dict(size="(128, 96)", name="mobilenet_v3_small"), "is no row of Tables 3 and 9"),
        (dict(name="mobilenet_v3_small", hswish_from="16"), "is no row of Tables 3 and 9"),
        (dict(name="mobilenet_v3_small", data="/data/plants"), "pets and on plants can't be compared"),
    ],
)
def test_a_run_that_is_no_row_or_of_other_data_is_named(tmp_path, change, fault):
    runs = [run(tmp_path / "a", name="mobilenet_v3_small"), run(tmp_path / "b", **change)]
    with pytest.raises(UserError, match=fault):
        read_own(runs)


def test_a_folder_without_a_classifiers_report_is_named(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["paper", "--ours", str(tmp_path / "empty")]) == 2
    error = capsys.readouterr().err
    assert "has no report.json" in error and error.count("\n") == 1
    (tmp_path / "empty" / "report.json").write_text(
        '{"settings": {"val_dataloader.dataset.data_root": "a"}, "metrics": {}}'
    )
    with pytest.raises(UserError, match="the run has no top-1"):
        read_own([tmp_path / "empty"])
