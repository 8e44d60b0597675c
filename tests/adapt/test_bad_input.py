"""What a user can get wrong with ``densevision adapt`` is one line, and is found before anything is computed."""

import json
import sys

import pytest

from densevision.adapt.history import open_history
from densevision.adapt.latency import LatencyTable
from densevision.adapt.timers import LocalTimer
from densevision.cli.main import main
from densevision.errors import UserError
from tests.adapt.test_search import search, start  # noqa: F401  fixtures

SEED = "tiny.pth"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([SEED], "--target-latency"),
        ([SEED, "--target-latency", "fast"], "give a share of the seed's latency such as 0.7x"),
        ([SEED, "--target-latency", "1.5x"], "give a share of the seed's latency such as 0.7x"),
        ([SEED, "--target-latency", "0.8x", "--reward", "sum"], "--reward"),
        ([SEED, "--target-latency", "0.8x", "--w", "0.07"], "--w"),
        ([SEED, "--target-latency", "0.8x", "--w", "nan"], "--w"),
        ([SEED, "--target-latency", "0.8x", "--step", "0"], "--step"),
        ([SEED, "--target-latency", "0.8x", "--short-iters", "-1"], "--short-iters"),
        ([SEED, "--target-latency", "0.8x", "--threads", "0"], "--threads"),
        ([SEED, "--target-latency", "0.8x", "--search", "random"], "--search"),
        ([SEED, "--target-latency", "0.8x", "--evaluations", "9"], "--evaluations is of --search evolution"),
        ([SEED, "--target-latency", "0.8x", "--search", "evolution", "--evaluations", "0"], "--evaluations"),
        ([SEED, "--target-latency", "0.8x", "--search", "evolution", "--reward", "slope"], "--reward product"),
        (
            [SEED, "--target-latency", "0.8x", "--search", "evolution", "--step", "0.03"],
            "--step is of the greedy search",
        ),
        ([SEED, "--target-latency", "0.8x", "--launcher", "pytorch"], "was not started by torchrun"),
        (["missing.pth", "--target-latency", "0.8x"], "missing.pth"),
        (["tiny.py", "--target-latency", "0.8x"], "give CHECKPOINT or CONFIG CHECKPOINT"),
        (["model.tflite", "--target-latency", "0.8x"], "give CHECKPOINT or CONFIG CHECKPOINT"),
        (["ssdlite_v3_small_reduced_bccd", SEED, "--target-latency", "0.8x"], "tiny.pth belongs to another model"),
        ([SEED, "--target-latency", "0.8x", "--resume"], "there is no search"),
        ([SEED, "--target-latency", "0.8x", "--size", "100", "100"], "--size: a detector's input is the config's"),
        (
            [SEED, "--target-latency", "0.8x", "--cfg-options", "train_dataloader.dataset.data_root=nowhere"],
            "nowhere",
        ),
        ([SEED, "--target-latency", "0.8x", "--work-dir", "tiny.pth"], "can't write to the work dir tiny.pth"),
        ([SEED, "--target-latency", "0.8x", "--work-dir", "taken"], "taken already contains seed.tflite"),
    ],
)
def test_one_line_and_nothing_written(start, tmp_path, monkeypatch, capfd, words, message):  # noqa: F811
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(start)
    (start / "taken").mkdir(exist_ok=True)
    (start / "taken" / "seed.tflite").write_bytes(b"of the user")
    before = sorted(start.rglob("*"))
    try:
        status = main(["adapt", *words])
    except SystemExit as error:  # argparse
        status = error.code
    sys.stderr.flush()
    lines = [line for line in capfd.readouterr().err.splitlines() if "error" in line]
    assert status == 2 and len(lines) == 1 and message in lines[0]
    assert sorted(start.rglob("*")) == before


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "t.json").write_text('{"conv": ')
    with pytest.raises(UserError, match=r"t\.json, a table of latencies, is damaged; delete it"):
        LatencyTable(LocalTimer(), path=tmp_path / "t.json")


@pytest.mark.parametrize("content", ["[]", '{"conv 1": "fast"}', '{"conv 1": NaN}'])
def test_a_table_of_something_else_is_named(tmp_path, content):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(UserError, match=r"t\.json, a table of latencies, is damaged; delete it"):
        LatencyTable(LocalTimer(), path=tmp_path / "t.json")


def test_a_search_on_another_device_is_not_continued(start, tmp_path):  # noqa: F811
    search(start, tmp_path, LatencyTable(LocalTimer(), path=tmp_path / "t.json"))
    state = json.loads((tmp_path / "state.json").read_text())
    state["made_from"]["device"] = "Pixel 3 1234"
    (tmp_path / "state.json").write_text(json.dumps(state))
    with pytest.raises(UserError, match="has device Pixel 3 1234, not"):
        search(start, tmp_path, LatencyTable(LocalTimer(), path=tmp_path / "t.json"), resume=True)


def test_the_seeds_file_of_another_checkpoint_is_not_taken(tmp_path):
    facts = dict(checkpoint="a", quantize="none", size=[])
    open_history(tmp_path, facts, resume=False).save()
    (tmp_path / "seed.tflite").write_bytes(b"of a")
    open_history(tmp_path, facts, resume=False)
    assert (tmp_path / "seed.tflite").exists()
    open_history(tmp_path, facts | dict(checkpoint="b"), resume=False)
    assert not (tmp_path / "seed.tflite").exists()
