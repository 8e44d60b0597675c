"""Only what a run wrote itself is removed by the next one."""

import json
import os
import shutil

import pytest

from densevision.cli.own_folder import MARKER, OwnFolder
from densevision.errors import UserError

WRITES, EXCLUSIVE = ("scenes/*.png", "run/best.pth", "run/test/*", "summary.json"), ("scenes/*", "run/test/*", "*.json")


NAMES = ("scenes/a/1.png", "scenes/2.png", "run/best.pth", "run/test/ap.txt", "summary.json")


def run(folder, names=NAMES, fault=None):
    with OwnFolder(folder, WRITES, EXCLUSIVE).claimed():
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            assert not (folder / name).exists()
            (folder / name).write_text("ours")
        if fault:
            raise fault


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_run_lists_its_files_and_the_next_one_removes_them(tmp_path):
    run(tmp_path / "new/out")
    made = json.loads((tmp_path / "new/out" / MARKER).read_text())["made"]
    assert sorted(made) == ["run/best.pth", "run/test/ap.txt", "scenes/2.png", "scenes/a/1.png", "summary.json"]
    assert made["summary.json"][0] == 4
    run(tmp_path / "new/out", ["run/best.pth"])
    assert files(tmp_path / "new/out") == [MARKER, "run/best.pth"]
    assert not (tmp_path / "new/out/scenes").exists()


def test_an_empty_folder_can_be_claimed(tmp_path):
    run(tmp_path)
    assert "run/best.pth" in files(tmp_path)


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), UserError("no"), RuntimeError("bug")])
def test_an_interrupted_run_can_be_repeated(tmp_path, fault):
    with pytest.raises(type(fault)):
        run(tmp_path, fault=fault)
    run(tmp_path)


def test_a_killed_run_can_be_repeated(tmp_path):
    (tmp_path / "run").mkdir()
    started = OwnFolder(tmp_path, WRITES, EXCLUSIVE)._start()  # a kill leaves no list
    (tmp_path / "run/notes.txt").write_text("of the user")
    (tmp_path / "run/best.pth").write_text("half")
    assert started and json.loads((tmp_path / MARKER).read_text())["made"] is None
    run(tmp_path, ["run/best.pth"])
    assert files(tmp_path) == [MARKER, "run/best.pth", "run/notes.txt"]


@pytest.mark.parametrize("name", ["notes.txt", "run/notes.txt", "run/mine/best.pth", "other/1.png"])
def test_files_of_the_user_survive(tmp_path, name):
    run(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("of the user")
    run(tmp_path)
    assert (tmp_path / name).read_text() == "of the user"


def test_a_file_that_the_user_changed_is_no_longer_ours(tmp_path):
    run(tmp_path, ["run/best.pth", "scenes/2.png"])
    (tmp_path / "run/best.pth").write_text("trained further by the user")
    run(tmp_path, ["scenes/2.png"])
    assert (tmp_path / "run/best.pth").read_text() == "trained further by the user"


@pytest.mark.parametrize("name", ["scenes/mine.png", "scenes/notes.txt", "run/test/ap.txt", "summary.json"])
def test_a_file_in_the_way_stops_and_nothing_is_lost(tmp_path, name):
    run(tmp_path)
    (tmp_path / name).write_text("of the user")
    before = files(tmp_path)
    with pytest.raises(UserError, match=f"did not write {name}, or it was changed later"):
        run(tmp_path)
    assert files(tmp_path) == before and (tmp_path / name).read_text() == "of the user"


@pytest.mark.parametrize("name", ["scenes", "run", "run/test", "run/best.pth", "summary.json", "run/deep"])
def test_links_are_not_followed(tmp_path, name):
    run(tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "elsewhere")
    place = tmp_path / "out" / name
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    place.symlink_to(tmp_path / "elsewhere" / name, target_is_directory=True)
    before = files(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"did not write {name},"):
        run(tmp_path / "out")
    assert files(tmp_path / "elsewhere") == before


@pytest.mark.parametrize(("name", "is_folder"), [("summary.json", True), ("scenes", False)])
def test_a_folder_in_place_of_a_file_stops_and_the_reverse(tmp_path, name, is_folder):
    run(tmp_path, ["run/best.pth"])
    (tmp_path / name).mkdir() if is_folder else (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"did not write {name},"):
        run(tmp_path)
    assert (tmp_path / "run/best.pth").exists()


def write_list(folder, content):
    (folder / MARKER).write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        {"made": {}},
        {"started": "x", "made": {}},
        {"started": 1, "made": 1},
    ],
)
def test_a_damaged_list_stops(tmp_path, content):
    run(tmp_path)
    write_list(tmp_path, content)
    with pytest.raises(UserError, match="is damaged"):
        run(tmp_path)
    assert "run/best.pth" in files(tmp_path)


def test_a_list_names_nothing_outside_of_the_folder(tmp_path):
    out, precious = tmp_path / "out", tmp_path / "best.pth"
    run(out, ["run/best.pth"])
    precious.write_text("ours")
    state = [precious.stat().st_size, precious.stat().st_mtime_ns]
    write_list(out, {"started": 0, "made": {"../best.pth": state, str(precious): state}})
    run(out, ["scenes/2.png"])
    assert precious.exists() and (out / "run/best.pth").exists()


def test_a_list_copied_into_another_folder_makes_nothing_there_ours(tmp_path):
    for name in ("out", "mine"):
        run(tmp_path / name, ["run/best.pth"])
    os.utime(tmp_path / "mine/run/best.pth", ns=(1, 1))
    shutil.copy2(tmp_path / "out" / MARKER, tmp_path / "mine" / MARKER)
    run(tmp_path / "mine", ["scenes/2.png"])
    assert (tmp_path / "mine/run/best.pth").exists()
