import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")

from densevision.benchmark.profile import Op, inspect_model, time_by_kind
from densevision.benchmark.timing import Timing, bound_to_cores, open_model, paired_ratio, time_models
from densevision.cli.main import main
from tests.benchmark.tiny_model import tiny_model


@pytest.fixture
def models(tmp_path):
    paths = [tmp_path / "small.tflite", tmp_path / "large.tflite"]
    for path, squares in zip(paths, (1, 12), strict=True):
        path.write_bytes(tiny_model(512, squares))
    return paths


def timing(*times_ms):
    return Timing("a.tflite", np.array(times_ms))


def test_median_minimum_and_p90_by_hand():
    one = timing(5, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11)
    assert (one.median_ms, one.min_ms, one.p90_ms) == (6, 1, 10)


def test_ratios_are_of_the_same_round():
    # The machine ran at half speed in the last three rounds; the ratio does not see it.
    base, other = timing(10, 10, 10, 20, 20, 20), timing(5, 5, 4, 10, 10, 12)
    ratio = paired_ratio(other, base)  # 0.5, 0.5, 0.4, 0.5, 0.5, 0.6
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((0.5, 0.45, 0.55))
    assert paired_ratio(base, base).high == 1


def test_every_file_gets_its_runs_and_more_work_takes_longer(models):
    small, large = time_models(models, runs=15)
    assert len(small.times_ms) == len(large.times_ms) == 15 and small.min_ms > 0
    assert paired_ratio(large, small).median > 1.5


def test_the_same_file_against_itself_is_even(models):
    one, other = time_models([models[1], models[1]], runs=40)
    assert 0.8 < paired_ratio(other, one).median < 1.25  # other work on the machine may disturb a round


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no processes")
def test_cores_are_the_last_allowed_and_given_back():
    allowed = os.sched_getaffinity(0)
    with bound_to_cores(1) as cores:
        assert os.sched_getaffinity(0) == set(cores) == {max(allowed)}
    assert os.sched_getaffinity(0) == allowed


def test_inputs_are_noise_over_the_whole_range(models):
    interpreter = open_model(models[0], 1)
    pixels = interpreter.get_tensor(interpreter.get_input_details()[0]["index"])
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_operations_and_memory_of_a_file(models):
    small, large = (inspect_model(path, profile_runs=3) for path in models)
    assert [(op.kind, op.in_xnnpack) for op in small.ops] == [("CAST", False), ("Square (NC)", True)]
    assert [op.kind for op in large.ops].count("Square (NC)") == 12
    assert small.ops[1].ms > 0
    assert small.peak_bytes > 512 * 512 * 3 * 5  # the pixels and one float tensor


def test_time_by_kind_adds_and_sorts():
    ops = (Op("MUL", True, 1.0), Op("CAST", False, 4.0), Op("MUL", True, 2.0), Op("MUL", False, 0.5))
    assert list(time_by_kind(ops).items()) == [
        (("CAST", False), (1, 4.0)),
        (("MUL", True), (2, 3.0)),
        (("MUL", False), (1, 0.5)),
    ]


def test_the_command_prints_tables_and_writes_every_figure(models, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main(["benchmark", *map(str, models), "--runs", "5", "--profile", "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "small.tflite" in printed and "outside XNNPACK: operations 1" in printed
    content = json.loads(out.read_text())
    small, large = content["files"]
    assert content["machine"]["threads"] == 1 and content["machine"]["cpu"]
    assert len(small["times_ms"]) == 5 and small["ratio"] == dict(median=1, low=1, high=1)
    assert large["ratio"]["median"] > 1
    assert small["size_bytes"] == models[0].stat().st_size and len(small["sha256"]) == 64
    assert [kind for kind in large["kinds"] if not kind["in_xnnpack"]][0]["kind"] == "CAST"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.tflite", None, "No such file or directory"),
        ("notes.txt", b"hello, this is no model", "is not a .tflite file"),
        ("empty.tflite", b"", "is not a .tflite file"),
        ("cut.tflite", tiny_model()[:200], "refuses it"),
    ],
)
def test_a_file_that_is_no_model_is_one_line(tmp_path, capsys, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["benchmark", str(tmp_path / name)]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "densevision" in line]
    assert name in line and message in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "adb"], "--binary"),
        (["--binary", "b"], "add --device adb"),
        (["--device", "adb", "--binary", "b", "--profile"], "--profile"),
        (["--device", "adb", "--binary", "b", "--log", "l"], "give one of them"),
        (["--json", "no/where.json"], "there is no folder no"),
    ],
)
def test_options_that_do_not_go_together(words, message, capsys):
    assert main(["benchmark", "a.tflite", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--runs", "0"], ["--threads", "-1"], ["--device", "usb"]])
def test_values_that_can_not_be(words, capsys):
    with pytest.raises(SystemExit):
        main(["benchmark", "a.tflite", *words])
    assert "densevision benchmark: error" in capsys.readouterr().err


def test_it_needs_neither_torch_nor_mmengine(models):
    code = (
        "import sys; sys.modules.update(torch=None, mmengine=None, torchvision=None)\n"
        "from densevision.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, "benchmark", str(models[0]), "--runs", "2", "--profile"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Square" in done.stdout
