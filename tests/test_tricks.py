"""tools/benchmarks/tricks.py: which variants it trains, with which length, and what it prints."""

import importlib.util
import json

import pytest

from densevision.errors import UserError
from tests.training.toy_runs import CONFIG, ROOT, finish, start_process

SPEC = importlib.util.spec_from_file_location("tricks", ROOT / "tools/benchmarks/tricks.py")
tricks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tricks)


def row(variant, seed, best, iterations=9, fingerprint="a"):
    return dict(variant=variant, seed=seed, best=best, iterations=iterations, fingerprint=fingerprint, commit="abc")


def test_the_table_has_mean_gain_and_spread_of_each_variant():
    rows = [row("baseline", 1, 0.50), row("baseline", 0, 0.53), row("mosaic", 0, 0.55), row("other", 0, 0.9)]
    assert tricks.table(rows, ["baseline", "mosaic", "never run"]) == [
        "variant                  runs    mean    gain  spread  by seed, 9 iterations",
        "baseline                    2   51.50   +0.00    3.00  0: 53.00, 1: 50.00",
        "mosaic                      1   55.00   +3.50    0.00  0: 55.00",
    ]


def test_a_run_that_ended_is_found_unless_its_variant_changed():
    job = dict(variant="mosaic", seed=0, iterations=9)
    rows = [row("mosaic", 0, 0.5)]
    assert tricks.find_row(rows, job, "a") == rows[0]
    assert tricks.find_row(rows, job | dict(seed=1), "a") is None
    with pytest.raises(UserError, match=r"variant 'mosaic' is not what .*commit abc.*another name"):
        tricks.find_row(rows, job, "b")


def test_a_variant_is_scaled_to_the_length():
    loaded = tricks.load_variant(CONFIG, {"optim_wrapper.optimizer.lr": 0.5}, 80, 3)
    assert loaded.optim_wrapper.optimizer.lr == 0.5 and loaded.randomness.seed == 3
    assert (loaded.train_cfg.max_iters, loaded.train_cfg.val_interval) == (80, 20)  # was 40, 10
    warmup, cosine = loaded.param_scheduler
    assert (warmup.end, cosine.begin, cosine.end) == (10, 10, 80)  # was 5, 5, to the end


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "define VARIANTS"),
        ("VARIANTS = {}", "define VARIANTS"),
        ("VARIANTS = {'a/b': {}}", "'a/b' is no name"),
        ("VARIANTS = {'a': 3}", "a: give a dict of overrides, or a config"),
    ],
)
def test_a_wrong_file_of_variants_is_one_line(tmp_path, text, words):
    path = tmp_path / "variants.py"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        tricks.read_variants(path)


@pytest.mark.slow
def test_variants_are_trained_once(tmp_path):
    path = tmp_path / "variants.py"
    path.write_text(
        f"VARIANTS = {{'baseline': {{}}, 'same': {str(CONFIG)!r}, 'bad': {{'optim_wrapper.optimizer.lr': -1}}}}"
    )
    words = [CONFIG, "--variants", path, "--iterations", "4", "--seeds", "1", "--out", tmp_path / "out"]
    status, _, errors = finish(start_process(ROOT / "tools/benchmarks/tricks.py", *words))
    assert status == 1 and "bad, seed 1: config, optim_wrapper.optimizer.lr is -1" in errors
    rows = [json.loads(line) for line in (tmp_path / "out/rows.jsonl").read_text().splitlines()]
    assert [(row["variant"], row["seed"], row["iterations"]) for row in rows] == [("baseline", 1, 4), ("same", 1, 4)]
    assert rows[0]["best"] == rows[1]["best"] and rows[0]["metric"] == "toy/accuracy" and rows[0]["seconds"] > 0
    status, out, _ = finish(start_process(ROOT / "tools/benchmarks/tricks.py", *words, "--only", "baseline", "same"))
    assert status == 0 and out.startswith("variant ")  # nothing was trained again
