import json

import pytest

from densevision.atomic import check_writable, partial_path, replacing, write_durable, write_json, write_whole
from densevision.errors import UserError


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_partial_file_keeps_the_suffix_that_names_its_format(tmp_path):
    assert partial_path(tmp_path / "best.pth") == tmp_path / ".best.part.pth"
    assert partial_path(tmp_path / "last_checkpoint") == tmp_path / ".last_checkpoint.part"


@pytest.mark.parametrize("write", [write_whole, write_durable])
def test_a_write_replaces_the_whole_file(tmp_path, write):
    write(tmp_path / "note", b"a long first text")
    write(tmp_path / "note", b"short")
    assert contents(tmp_path) == {"note": b"short"}


def test_a_failure_keeps_the_earlier_file_and_leaves_no_new_folder(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"earlier")
    for name in ("a.txt", "new/folder/b.txt"):
        with pytest.raises(ZeroDivisionError), replacing(tmp_path / name) as partial:
            partial.write_bytes(b"half")
            raise ZeroDivisionError
    assert contents(tmp_path) == {"a.txt": b"earlier"}


def test_json_that_can_not_be_encoded_keeps_the_earlier_file(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "new" / "a.json", {"a": object()})
    assert contents(tmp_path / "new") == {"a.json": b'{\n "a": 1\n}\n'}
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"a": 1}


def test_a_name_that_can_not_be_written_is_one_line_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for check in (check_writable, lambda path, option: write_json(path, {}, option)):
        with pytest.raises(UserError, match=r"^--out .*file/a.json: can't be written \("):
            check(tmp_path / "file" / "a.json", "--out")
    with pytest.raises(UserError, match=r"folder: can't be written \("):
        write_json(tmp_path / "folder", {})
    check_writable(tmp_path / "new" / "a.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
