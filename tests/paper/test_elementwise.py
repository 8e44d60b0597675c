"""Tables 7 and 8 include element-wise operations: with one for each, every row is within 1 % of the printed value."""

import pytest
import torch

from densevision.complexity import ShapeRun, count_layers, total_madds
from densevision.paper.compare import build_row
from densevision.paper.tables import TABLE_7, TABLE_8

aten = torch.ops.aten
WRITTEN = (aten.hardswish, aten.mul, aten.add, aten.upsample_bilinear2d)
READ = (aten.mean, aten.avg_pool2d, aten._adaptive_avg_pool2d)


class Elementwise(ShapeRun):
    """Count one for every value that an h-swish, product, sum or resize writes, or a pooling reads."""

    count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = super().__torch_dispatch__(operation, types, args, kwargs)
        if operation.overloadpacket in WRITTEN:
            self.count += result.numel()
        elif operation.overloadpacket in READ:
            self.count += args[0].numel()
        return result


def millions(row):
    """Return the MAdds with element-wise operations, in millions."""
    with torch.device("meta"):
        model = build_row(row)
    return (total_madds(count_layers(model, row.size)) + Elementwise(model, row.size).count) / 1e6


@pytest.mark.parametrize("row", [*TABLE_7, *TABLE_8[:8]], ids=lambda row: f"{row.table}-{row.name}")
def test_every_row_is_within_one_percent(row):
    assert millions(row) == pytest.approx(row.madds, rel=0.01)


def test_rows_of_table_8_with_a_note():
    assert millions(TABLE_8[3]) == pytest.approx(1972, abs=0.5)  # the paper prints 1.98 B
    assert millions(TABLE_8[7]) == pytest.approx(525.6, abs=0.1)  # 0.53 B
