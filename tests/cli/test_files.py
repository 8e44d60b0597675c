"""What an output option may overwrite: a file of the kind that is written, never an input, a link or another kind."""

import json
from pathlib import Path

import pytest

from densevision.atomic import write_json
from densevision.cli.files import check_frames
from densevision.cli.main import main
from densevision.errors import UserError
from densevision.outputs import ANY, JSON, PNG, TFLITE, Kind, check_output
from densevision.training.workdir import check_work_dir


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (JSON, '{"coco/AP": 0.5, "files": {}}'),
        (JSON, "[]"),
        (JSON, '\n{"frames": []}'),
        (JSON, ""),
        (PNG, b"\x89PNG\r\n\x1a\n"),
        (TFLITE, b"\x1c\0\0\0TFL3 and so on"),
        (TFLITE, ""),
        (ANY, "anything"),
    ],
)
def test_a_file_of_the_same_kind_may_be_overwritten(tmp_path, kind, content):
    check_output("--out", put(tmp_path / "out", content), kind)
    check_output("--out", tmp_path / "new", kind)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (JSON, "import torch\n"),
        (JSON, b"\xff\xd8\xff\xe0"),
        (JSON, b"PK\x03\x04"),
        (JSON, "{'a': 1}"),
        (JSON, '{"images": [], "annotations": [], "categories": []}'),
        (JSON, '{"cells": []}'),
        (JSON, '{"shapes": []}'),
        (PNG, b"\xff\xd8\xff\xe0"),
        (PNG, "{}"),
        (TFLITE, b"PK\x03\x04\0\0\0\0"),
        (TFLITE, "model = dict()"),
        (TFLITE, "T"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, kind, content):
    path = put(tmp_path / "out", content)
    with pytest.raises(UserError, match=r"--out .*out: this file exists and is not a .*; give another name"):
        check_output("--out", path, kind)


@pytest.mark.parametrize("name", ["a.json", "./a.json", "folder/../a.json", "hard.json"])
def test_an_input_is_refused_under_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "a.json", "{}").with_name("hard.json").hardlink_to(tmp_path / "a.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="names this file twice"):
        check_output("--json", Path(name), JSON, [None, "0", tmp_path / "a.json"])
    with pytest.raises(UserError, match="names this file twice"):
        check_output("--json", Path("new.json"), JSON, ["folder/../new.json"])


@pytest.mark.parametrize("name", ["out.json", ".out.part.json"])
@pytest.mark.parametrize("target", ["precious.json", "nowhere", "out.json"])
def test_links_are_refused(tmp_path, name, target):
    put(tmp_path / "precious.json", "{}")
    (tmp_path / name).symlink_to(tmp_path / target)
    with pytest.raises(UserError, match="is a link or not a regular file"):
        check_output("--json", tmp_path / "out.json", JSON)


@pytest.mark.parametrize(
    "path",
    [
        "/dev/null",
        "/dev/stdout",
        "folder",
        "a.txt/out.json",
        "no/out.json",
        "n" * 300,
        "/",
    ],
)
def test_what_is_no_file_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "a.txt", "text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="--json "):
        check_output("--json", Path(path), JSON)


def test_a_folder_in_place_of_the_unfinished_file_is_refused(tmp_path):
    (tmp_path / ".m.part.tflite").mkdir()
    with pytest.raises(UserError, match="is a link or not a regular file"):
        check_output("--out", tmp_path / "m.tflite", TFLITE, makes_folder=True)


def test_a_leftover_of_a_killed_run_is_no_obstacle(tmp_path):
    put(tmp_path / ".m.part.tflite", b"half")
    check_output("--out", tmp_path / "m.tflite", TFLITE, makes_folder=True)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("experiment_name = 'mine_0'\nlauncher = 'none'\nmodel = dict(\n    num_classes=3)\nwork_dir = 'w'\n", True),
        ("# edited\nexperiment_name = 'mine_0'\nlauncher = 'none'\nwork_dir = 'w'\n", False),
        ("experiment_name = 'mine_0'\nlauncher = 'none'\nwork_dir = 'w'\nprint(1)\n", False),
        ("model = dict(type='densevision.SSDLite')\n", False),
        ("from mmengine.config import read_base\n", False),
        ("model = dict(\n", False),
        ("", False),
    ],
)
def test_a_run_overwrites_no_config_but_a_dump(tmp_path, text, allowed):
    check_work_dir(tmp_path, Path("elsewhere/mine.py"))
    check_work_dir(tmp_path / "new", Path("elsewhere/mine.py"))
    put(tmp_path / "mine.py", text)
    if allowed:
        check_work_dir(tmp_path, Path("elsewhere/mine.py"))
    else:
        with pytest.raises(UserError, match="would overwrite .*mine.py with its own settings"):
            check_work_dir(tmp_path, Path("elsewhere/mine.py"))


def test_a_json_that_can_not_be_finished_leaves_the_former_one(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("source", "output", "json_path", "message"),
    [
        ("in.mp4", "out.mp4", "in.mp4", "--json in.mp4: the command line names this file twice"),
        ("in.mp4", "out.mp4", "out.mp4", "--json out.mp4: the command line names this file twice"),
        ("in", None, "in/a.jpg", "--json in/a.jpg: this file exists and is not a JSON"),
        ("in", "other", None, "--out other already contains a.jpg"),
        ("in/a.jpg", "other", None, "--out other already contains a.jpg"),
        ("in.mp4", "frames", None, "--out frames already contains 000001.jpg"),
        ("0", "frames", None, "--out frames already contains 000001.jpg"),
        ("in", "model.mp4", None, "--out model.mp4: the command line names this file twice"),
        ("in", "link.mp4", None, "--out link.mp4: link.mp4 is a link"),
        ("in", None, "model.mp4", "--json model.mp4: the command line names this file twice"),
    ],
)
def test_annotated_images_overwrite_nothing(tmp_path, monkeypatch, source, output, json_path, message):
    monkeypatch.chdir(tmp_path)
    for name in ("in.mp4", "in/a.jpg", "in/b.jpg", "other/a.jpg", "frames/000001.jpg", "model.mp4"):
        put(tmp_path / name, "content")
    (tmp_path / "link.mp4").symlink_to("in.mp4")
    with pytest.raises(UserError, match=message):
        check_frames(source, output and Path(output), json_path and Path(json_path), [Path("model.mp4")])


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("in", "new"),
        ("in", "other"),
        ("in/a.jpg", "other"),
        ("in.mp4", "other"),
        ("0", "other"),
        ("in.mp4", "out.mp4"),
        ("in/a.jpg", "frames"),
    ],
)
def test_annotated_images_may_go_next_to_other_files(tmp_path, monkeypatch, source, output):
    monkeypatch.chdir(tmp_path)
    for name in ("in.mp4", "in/a.jpg", "other/c.jpg", "out.mp4", "frames/notes.txt"):
        put(tmp_path / name, "content")
    check_frames(source, Path(output), Path("found.json"), [Path("m.tflite")])


@pytest.mark.parametrize(
    "words",
    [
        ["convert", "w.pth", "--model", "timm:mobilenetv3_small_100", "--out", "w.pth"],
        ["convert", "w.pth", "--model", "timm:mobilenetv3_small_100", "--out", "config.py"],
        ["convert", "w.pth", "--model", "timm:mobilenetv3_small_100", "--out", "trained.pth"],
        ["export", "config.py", "trained.pth", "--out", "trained.tflite"],
        ["export", "config.py", "trained.pth", "--out", "link.tflite"],
        ["paper", "--plot", "image.png"],
        ["paper", "--plot", "a.png", "--json", "a.png"],
        ["paper", "--ours", "ours.json", "--plot", "a.png", "--json", "ours.json"],
        ["benchmark", "m.tflite", "--json", "m.tflite"],
        ["benchmark", "m.tflite", "--log", "l.json", "--json", "l.json"],
        ["test", "config.py", "trained.pth", "--json", "config.py"],
        ["test", "config.py", "trained.pth", "--json", "trained.pth"],
        ["test", "config.py", "trained.pth", "--json", "instances.json"],
        ["demo", "config.py", "trained.pth", "--input", "image.png", "--json", "image.png"],
    ],
)
def test_no_command_overwrites_what_it_did_not_write(tmp_path, monkeypatch, capsys, words):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    for name in ("w.pth", "trained.pth", "trained.tflite"):
        torch.save(dict(state_dict={}, meta=dict(iter=100)), name)
    put(tmp_path / "config.py", "model = dict()\n")
    put(tmp_path / "image.png", b"\xff\xd8\xff\xe0")
    put(tmp_path / "m.tflite", b"\x1c\0\0\0TFL3")
    put(tmp_path / "instances.json", '{"images": [], "annotations": [], "categories": []}')
    put(tmp_path / "l.json", "{}")
    put(tmp_path / "ours.json", "[]")
    (tmp_path / "link.tflite").symlink_to("m.tflite")
    (tmp_path / "link").symlink_to(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert main(words) == 2
    printed, error = capsys.readouterr()
    assert error.startswith("densevision: error: --") and error.count("\n") == 1 and not printed
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("script", "kept"),
    [
        ("adb devices  # of the user\n", True),
        ("# Written by densevision benchmark; needs adb only.\n", False),
    ],
)
def test_a_script_of_the_user_is_kept(tmp_path, monkeypatch, capsys, script, kept):
    from tests.benchmark.phone.test_driver import elf
    from tests.benchmark.tiny_model import tiny_model

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))  # without adb
    put(tmp_path / "m.tflite", tiny_model())
    put(tmp_path / "binary", elf(183))
    put(tmp_path / "time_on_phone.sh", script)
    assert main(["benchmark", "m.tflite", "--device", "adb", "--binary", "binary"]) == 2
    assert ("was kept" in capsys.readouterr().err) == kept
    assert ((tmp_path / "time_on_phone.sh").read_text() == script) == kept


def test_a_kind_is_asked_only_of_files_with_content(tmp_path):
    check_output("--out", put(tmp_path / "empty", ""), Kind("nothing", lambda path: False))
