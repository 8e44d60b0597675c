"""Timings that a page posts: what the server takes, and the file that it keeps."""

import json
import threading

import pytest

from densevision.benchmark.browser import parse_result, read_browser_results
from densevision.errors import UserError
from densevision.web.results import MAX_RESULTS, ResultStore
from tests.benchmark.test_browser import ONE, OTHER, result
from tests.web.site_server import QUICK, ask, make_site, running, send

MODELS = {ONE: "one.tflite", OTHER: "other.tflite"}


@pytest.fixture
def store(tmp_path):
    lines = []
    one = ResultStore(tmp_path / "times.json", MODELS, lines.append)
    one.lines = lines
    return one


@pytest.fixture
def server(tmp_path, store):
    make_site(tmp_path)
    with running(tmp_path, accept=store.accept) as one:
        yield one


def post(server, body, **changes):
    """Post as the page's own browser does, with some headers changed, or left out by None."""
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Content-Type": "application/json", **changes}
    headers = {name.replace("_", "-"): value for name, value in own.items() if value is not None}
    answer = ask(server, "POST", "/results", headers, body)
    return answer.status, answer.content.decode()


def test_a_result_is_kept_and_reported(server, store, tmp_path):
    assert post(server, json.dumps(result())) == (204, "")
    assert store.lines == ["Chrome 141, Android at 127.0.0.1: one.tflite 11.0 ms, other.tflite 9.0 ms"]
    assert post(server, json.dumps(result(cores=4))) == (204, "")
    kept = read_browser_results(tmp_path / "times.json")
    assert kept == [parse_result(result()), parse_result(result(cores=4))]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        (dict(Origin=None), 403),
        (dict(Origin="null"), 403),
        (dict(Origin="http://evil.example"), 403),
        (dict(Origin="http://127.0.0.1"), 403),  # another port is another site
        (dict(Origin="http://127.0.0.1:{port}/"), 403),
        (dict(Origin="https://127.0.0.1:{port}"), 403),
        (dict(Origin="http://evil.example", Host="evil.example"), 421),
        (dict(Host="localhost:{port}", Origin="http://localhost:{port}"), 204),
        (dict(Content_Type=None), 415),
        (dict(Content_Type="text/plain"), 415),  # what a form of another site can send without asking
        (dict(Content_Type="application/json; charset=utf-8"), 204),
        (dict(Transfer_Encoding="chunked"), 411),
    ],
)
def test_only_the_page_itself_may_post(server, store, changes, status):
    own = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{server.port}"}
    own |= {name.replace("_", "-"): value and value.format(port=server.port) for name, value in changes.items()}
    headers = {name: value for name, value in own.items() if value is not None}
    assert ask(server, "POST", "/results", headers, json.dumps(result())).status == status
    assert len(store.lines) == (status == 204)


@pytest.mark.parametrize("path", ["/", "/results/", "/results?x", "/app.js", "/x/../results", "/result%73"])
def test_nowhere_else(server, store, path):
    headers = {"Origin": f"http://127.0.0.1:{server.port}", "Content-Type": "application/json"}
    assert ask(server, "POST", path, headers, json.dumps(result())).status == 405
    assert ask(server, "GET", "/results").status == 404


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        ('{"cores": NaN}', "not JSON"),
        ("[" * 60_000, "not JSON"),
        ("9" * 5000, "not JSON"),
        ("[]", "the result is not an object"),
        (json.dumps(result(cores=0)), "cores is not a whole number from 1 to 1024"),
        (json.dumps(result(models=[{**result()["models"][0], "sha256": "3" * 64}])), "sha256 is of no file that is"),
    ],
)
def test_a_wrong_result_is_refused_and_nothing_kept(server, store, tmp_path, body, reason):
    status, said = post(server, body)
    assert status == 422 and said.startswith(f"422 Unprocessable Entity: {reason}")
    assert not store.lines and not (tmp_path / "times.json").exists()


def test_a_body_is_bounded(server, tmp_path):
    head = "POST /results HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: application/json\r\n"
    for length in (QUICK.body_bytes + 1, 10**12 - 1):
        assert b" 413 " in send(server, f"{head}Content-Length: {length}\r\n\r\n".encode())
    assert send(server, f"{head}Content-Length: 9\r\n\r\n{{".encode()) == b""  # the rest never comes
    padded = json.dumps(result()).ljust(QUICK.body_bytes)
    assert post(server, padded)[0] == 204
    assert len((tmp_path / "times.json").read_bytes()) < 2000


def test_a_file_is_continued_and_another_one_kept(store, tmp_path):
    store.accept(json.dumps(result()).encode(), "a phone")
    again = ResultStore(tmp_path / "times.json", MODELS, print)
    again.accept(json.dumps(result()).encode(), "a phone")
    assert len(read_browser_results(tmp_path / "times.json")) == 2
    (tmp_path / "other.json").write_text('{"metrics": 1}')
    with pytest.raises(UserError, match=r"other.json has no browser timings"):
        ResultStore(tmp_path / "other.json", MODELS, print)


def test_results_are_bounded(store, tmp_path, monkeypatch):
    monkeypatch.setattr("densevision.web.results.MAX_RESULTS", 3)
    body = json.dumps(result()).encode()
    faults = []

    def send_one():
        try:
            store.accept(body, "a phone")
        except UserError as error:
            faults.append(str(error))

    threads = [threading.Thread(target=send_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == ["times.json is full with 3 results; start with another --json"] * 5
    assert len(read_browser_results(tmp_path / "times.json")) == len(store.lines) == 3
    assert MAX_RESULTS == 200


def test_a_full_disk_loses_nothing(store, tmp_path):
    store.accept(json.dumps(result()).encode(), "a phone")
    before = (tmp_path / "times.json").read_bytes()
    (tmp_path / ".times.part.json").mkdir()  # so that the file can't be written
    with pytest.raises(UserError, match="can't be written"):
        store.accept(json.dumps(result()).encode(), "a phone")
    assert (tmp_path / "times.json").read_bytes() == before and len(store.lines) == 1
