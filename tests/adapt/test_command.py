"""The command on this machine, with real files: int8, and the other search."""

import csv

import pytest
from ai_edge_litert.interpreter import Interpreter

from densevision.benchmark.timing import paired_ratio, time_models
from densevision.checkpoints.config import checkpoint_config
from densevision.cli.main import main
from densevision.inference.load import load_model
from tests.adapt.test_search import start  # noqa: F401  a fixture

# Large enough that the layers take most of the file's time.
SIZE = ["model", "train_dataloader.dataset", "val_dataloader.dataset", "test_dataloader.dataset"]
LARGE = ["--cfg-options", *(f"{place}.input_size=(256,256)" for place in SIZE)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def rows(folder):
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def kinds(path):
    interpreter = Interpreter(str(path))
    return [tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details() if len(tensor["shape"]) == 4]


@pytest.mark.slow
def test_int8_files_meet_the_target(start, tmp_path, capsys):  # noqa: F811
    folder = tmp_path / "run"
    options = ["--quantize", "int8", "--short-iters", "1", "--step", "0.03", "--work-dir", str(folder), *LARGE]
    assert main(["adapt", str(start / "tiny.pth"), "--target-latency", "0.97x", *options]) == 0
    assert "of the seed's" in capsys.readouterr().out
    last = rows(folder)[-1]
    winner = next(row for row in reversed(rows(folder)) if row["chosen"] == "1")
    assert float(winner["measured_ms"]) <= 0.97 * float(rows(folder)[0]["measured_ms"]) and last
    files = [folder / "adapted.tflite", folder / "seed.tflite"]
    assert all(kinds(file).count("int8") > 20 for file in files)
    one, other = time_models(files, runs=200)
    assert paired_ratio(one, other).median < 0.98
    assert [path.name for path in (tmp_path / "cache/densevision/latency").iterdir()][0].find("int8") > 0


@pytest.mark.slow
def test_an_evolution_of_the_command(start, tmp_path, capsys):  # noqa: F811
    folder = tmp_path / "run"
    options = ["--search", "evolution", "--evaluations", "5", "--w", "-1", "--short-iters", "1"]
    words = ["adapt", str(start / "tiny.pth"), "--target-latency", "0.8x", *options, "--work-dir", str(folder), *LARGE]
    assert main(words) == 0
    assert "of the seed's" in capsys.readouterr().out
    found = rows(folder)
    assert len(found) == 5 and found[1]["name"].startswith("stage ")
    assert (folder / "adapted.tflite").exists()
    load_model(checkpoint_config(folder / "adapted.pth"), folder / "adapted.pth")
