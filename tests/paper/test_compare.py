import dataclasses
import json

import pytest
import torch

from densevision.cli.main import main
from densevision.complexity import count_layers, total_params
from densevision.detection.model import SSDLite
from densevision.paper.compare import build_row, compare_row
from densevision.paper.tables import TABLE_6, TABLE_7, TABLES

ROWS = [row for rows in TABLES.values() for row in rows]


# Table, row, input height -> the counts whose deviation the note of the row explains.
NOTED = {
    (3, 5, 224): "params",
    (3, 8, 224): "params and MAdds",
    (6, 1, 320): "params",
    (6, 2, 320): "params",
    (7, 10, 1025): "params",
    (8, 2, 513): "MAdds",
    (8, 4, 513): "MAdds",
    (8, 6, 512): "MAdds",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.table}-{row.name}")
def test_our_count_agrees_with_the_printed_row_or_has_a_note(row):
    one = compare_row(row)
    off = NOTED.get((row.table, row.row, row.size[0]), "")
    assert one.params_agree == ("params" not in off), (one.params, row.params)
    assert one.madds_agree == ("MAdds" not in off), (one.madds, row.madds)
    assert one.verdict == ("documented" if off else "ok")


def test_tolerances():
    """V3's parameters to the printed digits, others 1.5 %; MAdds 2.5 %, V3-Small in segmentation 5 %; 2 % or 1 M."""
    bounds = {(row.table, row.row, row.size[0]): (row.params_within, row.madds_within) for row in ROWS}
    assert bounds[6, 5, 320] == pytest.approx((0.005, 12.75))  # 0.025 * 510
    assert bounds[6, 3, 320] == pytest.approx((0.0732, 21))  # 0.015 * 4.88, 0.025 * 840
    assert bounds[6, 6, 320] == pytest.approx((0.01395, 8))  # V2 0.35: 0.05 * 160
    assert bounds[7, 8, 1025] == pytest.approx((0.005, 243.5))
    assert bounds[7, 10, 1025] == pytest.approx((0.0024, 63.5))
    assert bounds[7, 11, 1025] == pytest.approx((0.005, 145))
    assert bounds[8, 4, 513] == pytest.approx((0, 26.5))  # 0.05 * 530
    assert bounds[9, 1, 224][1] == pytest.approx(7.12) and bounds[9, 15, 224][1] == 1.0


def test_v1_and_v2_fit_the_printed_parameters_with_80_classes_and_background():
    for row, params in ((TABLE_6[0], 5.06), (TABLE_6[1], 4.29)):
        with torch.device("meta"):
            model = SSDLite(dict(row.network), num_classes=80)
        counted = total_params(count_layers(model, row.size), norm=False) / 1e6
        assert counted == pytest.approx(params, abs=0.005) and round(counted, 1) == row.params


def test_v2_rows_of_table_7_fit_the_printed_digits_without_the_class_layers():
    for row in TABLE_7:
        if row.family == "mobilenet_v2":
            with torch.device("meta"):
                counts = count_layers(build_row(row), (65, 65))
            backbone_and_context = [layer for layer in counts if not layer.name.endswith("logits")]
            assert abs(total_params(backbone_and_context, norm=True) / 1e6 - row.params) <= 0.005, row


def test_tables_are_complete():
    assert {table: max(row.row for row in rows) for table, rows in TABLES.items()} == {3: 9, 6: 11, 7: 11, 8: 7, 9: 19}


@pytest.mark.parametrize(
    ("row", "params", "madds"),
    [
        (TABLE_6[4], 3.215, 507),
        (TABLE_6[10], 1.765, 162),
        (TABLE_7[9], 0.169, 2500),
        (TABLE_7[4], 3.601, 18160),
    ],
)
def test_counts_equal_those_by_hand(row, params, madds):
    one = compare_row(row)
    assert one.params == pytest.approx(params, abs=0.0006)
    assert one.madds == pytest.approx(madds, rel=0.002)


def test_wrong_printed_value_is_detected():
    row = TABLE_6[10]
    assert compare_row(dataclasses.replace(row, params=1.79)).verdict == "mismatch"
    assert compare_row(dataclasses.replace(row, madds=170)).verdict == "mismatch"
    assert compare_row(dataclasses.replace(row, madds=170, note="why")).verdict == "documented"


def test_deviation_without_a_documented_reason_is_status_1(monkeypatch, capsys):
    monkeypatch.setitem(TABLES, 6, [dataclasses.replace(TABLE_6[10], madds=170)])
    assert main(["paper", "--table", "6"]) == 1
    assert "0 rows within the tolerances, 0 documented deviations, 1 mismatches" in capsys.readouterr().out


def test_command_prints_and_writes_a_table(tmp_path, capsys):
    assert main(["paper", "--table", "8", "--json", str(tmp_path / "rows.json")]) == 0
    out = capsys.readouterr().out
    assert out.count("-2.5%  note") == 1 and "…" not in out  # at 80 columns
    assert "Table 8" in out and "8 rows within the tolerances, 3 documented deviations, 0 mismatches" in out
    networks = {line.split(", ")[0].split(maxsplit=1)[1] for line in out.splitlines() if line[:5].strip().isdigit()}
    v3 = {f"{name} {stride}" for name in ("V3-Large", "V3-Small") for stride in ("OS16", "OS32")}
    assert networks == v3 | {"ESPNetv2", "CCC2", "ESPNetv1"}
    assert max(map(len, out.splitlines())) <= 80
    assert len(json.loads((tmp_path / "rows.json").read_text())) == 11
