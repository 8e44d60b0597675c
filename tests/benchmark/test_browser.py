"""Timings of browsers: what is accepted, and how they join the table of ``densevision benchmark``."""

import hashlib
import json

import pytest

from densevision.benchmark.browser import (
    ModelTimes,
    browser_name,
    browser_rows,
    parse_result,
    read_browser_results,
    result_as_dict,
    row_as_dict,
)
from densevision.cli.main import main
from densevision.errors import UserError
from tests.benchmark.tiny_model import tiny_model

PIXEL = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"
)
ONE, OTHER = "1" * 64, "2" * 64


NO_TIMES = [float("nan"), float("inf"), 10**400, 2e6, -1, 0, "1", None, True, [1], {}]


def result(**changes):
    """What the page sends of two files."""
    models = [
        dict(model="one", sha256=ONE, threads=4, runs_per_round=1, times_ms=[20, 10.0, 10, 12]),
        dict(model="other", sha256=OTHER, threads=1, runs_per_round=2, times_ms=[10, 8, 9, 9]),
    ]
    facts = dict(user_agent=PIXEL, cores=8, isolated=True, build="threaded", runtime="LiteRT.js 2.5.3")
    fields = dict(kind="densevision browser timing", unit="ms", started="2026-11-29T03:00:00.000Z", **facts)
    return {**fields, "models": models, **changes}


def model(**changes):
    return [{**result()["models"][0], **changes}]


def test_a_result_is_read_and_what_it_does_not_name_is_dropped():
    one = parse_result(result(password="x"), known={ONE, OTHER})
    assert (one.browser, one.cores, one.isolated, one.build) == ("Chrome 141, Android", 8, True, "threaded")
    assert one.of(OTHER) == ModelTimes(OTHER, threads=1, runs_per_round=2, times_ms=(10, 8, 9, 9))
    assert one.of(ONE).drift == pytest.approx(12 / 20 - 1)  # a third of four rounds is one
    assert one.of("3" * 64) is None and parse_result(result(cores=None)).cores is None
    kept = json.loads(json.dumps(result_as_dict(one)))
    assert parse_result(kept) == one and not {"password", "model"} & {*kept, *kept["models"][0]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "the result is not an object"),
        (None, "the result is not an object"),
        (result(models=[]), "models is not a list of 1 to 64"),
        (result(models={}), "models is not a list"),
        (result(models=model() * 65), "models is not a list of 1 to 64"),
        (result(models=model() * 2), "models names a file twice"),
        (result(models=["x"]), "a model is not an object"),
        (result(models=model(sha256=ONE.upper() + "A")), "sha256 is not 64"),
        (result(models=model(sha256=ONE + "\n")), "sha256 is not 64"),
        (result(models=model(sha256=7)), "sha256 is not 64"),
        (result(models=model(sha256="3" * 64)), "sha256 is of no file that is served here"),
        (result(models=model(threads=0)), "threads is not a whole number"),
        (result(models=model(threads=True)), "threads is not a whole number"),
        (result(models=model(threads=2.0)), "threads is not a whole number"),
        (result(models=[*model(), dict(result()["models"][1], times_ms=[1])]), "different numbers of rounds"),
        (result(models=model(times_ms=[])), "times_ms is not a list of 1 to 2000"),
        (result(models=model(times_ms=[1] * 2001)), "times_ms is not a list of 1 to 2000"),
        (result(models=model(times_ms={})), "times_ms is not a list"),
        *((result(models=model(times_ms=[value])), "times_ms has something that is no number") for value in NO_TIMES),
        (result(models=model(runs_per_round=0)), "runs_per_round is not a whole number"),
        (result(kind="other"), "kind and unit are not densevision browser timing and ms"),
        (result(unit="s"), "kind and unit are not"),
        (result(started="now" * 20), "started is not a printable text of at most 40"),
        (result(cores=10**30), "cores is not a whole number"),
        (result(isolated=1), "isolated is neither true nor false"),
        (result(build="gpu"), "build is not one of default, compat, threaded"),
        (result(build=["default"]), "build is not one of"),
        (result(user_agent="a" * 501), "user_agent is not a printable text of at most 500"),
        (result(user_agent="\x1b[2J"), "user_agent is not a printable text"),
        (result(user_agent="\ud800"), "user_agent is not a printable text"),
        (result(runtime=None), "runtime is not a printable text"),
    ],
)
def test_a_wrong_result_names_the_key(content, message):
    with pytest.raises(UserError, match=message):
        parse_result(content, known={ONE, OTHER})


@pytest.mark.parametrize("key", [*result(), "sha256", "threads", "runs_per_round", "times_ms"])
def test_every_key_is_needed(key):
    fields = result()
    (fields if key in fields else fields["models"][0]).pop(key)
    with pytest.raises(UserError, match=key):
        parse_result(fields)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (PIXEL, "Chrome 141, Android"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.5 Mobile/15E148 Safari/604.1",
            "Safari 18, iPhone",
        ),
        ("Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox 140, Android"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "CriOS/141.0.1 Mobile/15E148 Safari/604.1",
            "Chrome 141, iPhone",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 "
            "Safari/537.36 Edg/141.0.0.0",
            "Edge 141, Windows",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/141.0.0.0 Safari/537.36", "Chrome 141, Linux"),
        ("", "unknown browser"),
    ],
)
def test_a_browser_gets_a_short_name(agent, name):
    assert browser_name(agent) == name


def write_results(path, *results):
    path.write_text(json.dumps(dict(kind="densevision browser timings", results=results)))
    return path


def test_rows_are_found_by_hash_and_ratios_are_within_a_browser(tmp_path):
    files = [tmp_path / "one.tflite", tmp_path / "other.tflite", tmp_path / "third.tflite"]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]))
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    both = result(models=[{**one, "sha256": sha} for one, sha in zip(result()["models"], hashes, strict=False)])
    alone = result(models=both["models"][1:])
    results = read_browser_results(write_results(tmp_path / "times.json", both, alone))
    rows = browser_rows(results, files)
    first, (second, third) = rows[files[0]][0], rows[files[1]]
    assert (first.timing.median_ms, first.timing.min_ms, first.ratio.median) == (11, 10, 1)
    assert second.ratio.median == pytest.approx(0.775)  # of 10/20, 8/10, 9/10, 9/12
    assert third.ratio is None and rows[files[2]] == []
    content = row_as_dict(second)
    assert content["ratio"]["median"] == second.ratio.median and content["browser"] == "Chrome 141, Android"
    assert (content["median_ms"], content["times_ms"], content["cores"]) == (9, (10, 8, 9, 9), 8)
    with pytest.raises(UserError, match=r"^--browser: no timing there is of third.tflite; give these files$"):
        browser_rows(results, files[2:])


def test_the_json_that_the_page_lets_copy_is_read(tmp_path):
    (tmp_path / "copied.json").write_text(json.dumps(result()))
    assert [one.browser for one in read_browser_results(tmp_path / "copied.json")] == ["Chrome 141, Android"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"kind": "x"}', '{"kind": "densevision browser timings", "results": [{}]}', "1"]
)
def test_another_file_is_named(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=r"x.json has no browser timings; give the file of densevision serve --json"):
        read_browser_results(tmp_path / "x.json")
    with pytest.raises(UserError, match=r"y.json: No such file or directory; give"):
        read_browser_results(tmp_path / "y.json")


def test_browsers_join_the_table_of_this_machine(tmp_path, capsys):
    file, out = tmp_path / "tiny.tflite", tmp_path / "out.json"
    file.write_bytes(tiny_model())
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    slower = result(models=model(sha256=sha256, times_ms=[10, 10, 10, 10, 15, 15]))
    times = write_results(tmp_path / "times.json", slower)
    words = ["benchmark", str(file), "--runs", "3", "--browser", str(times), "--json", str(out)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")][1:-1] for line in printed.splitlines()]
    assert ["tiny.tflite", "0.00", "10.00", "10.00", "15.00", "1.00 (1.00-1.00)", "-"] in rows
    assert ["browser: Chrome 141, Android", "", "", "", "", "", ""] in rows
    assert (
        "browser Chrome 141, Android: LiteRT.js 2.5.3 (threaded), 4 thread(s) of 8 cores, 6 rounds, wall time, 20"
        in printed
    )
    assert "the last third of the rounds took 50% longer than the first" in printed
    (entry,) = json.loads(out.read_text())["files"]
    assert entry["browsers"][0]["browser"] == "Chrome 141, Android" and entry["browsers"][0]["median_ms"] == 10
    assert entry["browsers"][0]["user_agent"] == PIXEL and entry["sha256"] == sha256


def test_options_that_do_not_fit(tmp_path, capsys):
    file = tmp_path / "tiny.tflite"
    file.write_bytes(b"\x1c\0\0\0TFL3")
    words = ["benchmark", str(file), "--browser", "times.json"]
    assert main([*words, "--log", "phone.log"]) == 2
    assert main(words) == 2
    assert main([*words, "--json", "times.json"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith("--browser joins the table of this machine; omit --device and --log")
    assert said[1].endswith("times.json: No such file or directory; give the file of densevision serve --json")
    assert "names this file twice" in said[2]
