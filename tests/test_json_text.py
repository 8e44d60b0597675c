import re
from pathlib import Path

import pytest

from densevision.json_text import parse_json

PACKAGE = Path(__file__).parents[1] / "densevision"


def test_text_and_bytes_with_and_without_a_byte_order_mark():
    for text in ('{"a": [1, "ä"]}', '\ufeff{"a": [1, "ä"]}'):
        assert parse_json(text) == parse_json(text.encode()) == {"a": [1, "ä"]}


@pytest.mark.parametrize("text", ["", "[1", "[" * 100_000, '{"a":' * 100_000, "9" * 5000, b"\xff", b'"\xc3"'])
def test_every_fault_is_one_kind_of_error(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_constants_that_json_does_not_have():
    assert parse_json("[Infinity]") == [float("inf")]
    with pytest.raises(ValueError, match="Infinity"):
        parse_json("[Infinity]", constants=False)


def test_no_other_module_parses_json():
    calls = [path.name for path in PACKAGE.rglob("*.py") if re.search(r"json\.loads?\(", path.read_text())]
    assert sorted(calls) == ["json_text.py", "profile.py"]  # the second reads what it printed itself
