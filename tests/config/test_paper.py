"""A config's ``paper`` names a row of the paper, as long as its network is the row's."""

import pytest

from densevision.config.load import load_config
from densevision.config.paper import ROWS, check_paper
from densevision.errors import UserError
from densevision.paper.tables import TABLES

NAME = "ssdlite_v3_large_reduced_coco"


def test_the_rows_are_those_of_the_tables():
    assert {table: len({row.row for row in TABLES[table]}) for table in (6, 7, 8)} == ROWS


@pytest.mark.parametrize("table, row", [(6, 1), (6, 11), (7, 11), (8, 7)])
def test_rows_count_from_1(table, row):
    check_paper(dict(table=table, row=row))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (dict(table=6, row=12), "the rows are 1 to 11 of Table 6, 1 to 11 of Table 7, 1 to 7 of Table 8"),
        (dict(table=6, row=0), "the rows are 1 to 11"),
        (dict(table=6, row=True), "the rows are 1 to 11"),
        (dict(table=3, row=1), "the rows are 1 to 11"),
        (dict(table=6), r"config, paper is {'table': 6}; write paper = dict\(table=6, row=5\)"),
        ("6.5", "config, paper is '6.5'; write paper"),
        (None, "config, paper is None; write paper"),
    ],
)
def test_other_values_are_refused(value, message):
    with pytest.raises(UserError, match=message):
        check_paper(value)


def test_a_config_file_is_checked(tmp_path):
    (tmp_path / "mine.py").write_text("paper = dict(table=9, row=1)")
    with pytest.raises(UserError, match="config, paper is {'table': 9, 'row': 1}; the rows are"):
        load_config(tmp_path / "mine.py")


@pytest.mark.parametrize(
    ("override", "kept"),
    [
        ("model.backbone.width=0.5", False),
        ("model.backbone=dict(name='mobilenet_v3_small')", False),
        ("model.type=SSDLite", False),
        ("model.input_size=(512, 512)", True),  # the printed latencies are of one size each, see paper.pixels
        ("model.num_classes=3", True),
        ("paper=None", False),
        ("paper.row=4", True),
        ("train_cfg.max_iters=3", True),
    ],
)
def test_another_network_is_no_row(override, kept):
    assert ("paper" in load_config(NAME, [override])) is kept
