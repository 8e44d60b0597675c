import dataclasses
import json

import pytest

from densevision.cli.main import main
from densevision.paper.compare import compare
from densevision.paper.tables import TABLE_6, TABLE_7, TABLES

ROWS = [row for rows in TABLES.values() for row in rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.table}-{row.name}")
def test_our_count_agrees_with_the_printed_row(row):
    one = compare(row)
    assert one.params_agree, (one.params, row.params)
    assert one.madds_agree, (one.madds, row.madds)


def test_every_row_of_the_tables_is_there():
    assert {table: max(row.row for row in rows) for table, rows in TABLES.items()} == {3: 9, 6: 11, 7: 11, 8: 4, 9: 19}


@pytest.mark.parametrize(("row", "params", "madds"), [
    (TABLE_6[4], 3.215, 507), (TABLE_6[10], 1.765, 162), (TABLE_7[9], 0.169, 2500), (TABLE_7[4], 3.601, 18160),
])
def test_counts_are_those_of_the_hand_count(row, params, madds):
    one = compare(row)
    assert one.params == pytest.approx(params, abs=0.0006)
    assert one.madds == pytest.approx(madds, rel=0.002)


def test_a_wrong_printed_figure_is_seen():
    row = TABLE_6[10]
    assert not compare(dataclasses.replace(row, params=1.79)).params_agree
    assert not compare(dataclasses.replace(row, madds=170)).madds_agree


def test_the_command_prints_and_writes_a_table(tmp_path, capsys):
    assert main(["paper", "--table", "8", "--json", str(tmp_path / "rows.json")]) == 0
    assert "Table 8" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "rows.json").read_text())) == 8


def test_json_into_a_missing_folder_is_one_line(tmp_path, capsys):
    assert main(["paper", "--table", "8", "--json", str(tmp_path / "no" / "rows.json")]) == 2
    assert "--json" in capsys.readouterr().err
