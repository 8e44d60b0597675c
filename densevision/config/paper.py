"""A config's ``paper``: the row of "Searching for MobileNetV3" that its network is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from densevision.errors import UserError

ROWS = {6: 11, 7: 11, 8: 7}  # number of networks by table; Table 8 prints four of them at two resolutions
_NETWORK = re.compile(r"model(\.(type|backbone|head)\b.*)?=")


def check_paper(value: object) -> None:
    """Check a config's ``paper``: ``dict(table=6, row=5)`` is the fifth network of Table 6, counted from 1.

    Raises:
        UserError: it is no such dict, or the paper has no such row.
    """
    form = "write paper = dict(table=6, row=5), rows counted from 1, or leave it out"
    if not isinstance(value, Mapping) or set(value) != {"table", "row"}:
        raise UserError(f"config, paper is {value!r}; {form}")
    table, row = value["table"], value["row"]
    if table not in ROWS or type(row) is not int or not 1 <= row <= ROWS[table]:
        tables = ", ".join(f"1 to {rows} of Table {table}" for table, rows in ROWS.items())
        raise UserError(f"config, paper is {dict(value)}; the rows are {tables}")


def changes_network(overrides: Iterable[str]) -> bool:
    """Return whether an override may make the network another one than the row's."""
    return any(_NETWORK.match(override) for override in overrides)
