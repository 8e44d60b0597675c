"""``densevision serve`` from its command line to its end."""

import contextlib
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from densevision.cli.main import main
from densevision.errors import UserError
from densevision.web import session as sessions
from densevision.web.session import Session, open_session
from tests.benchmark.phone.adb_server import adb_server, needs_adb
from tests.benchmark.phone.emulated_phone import EmulatedPhone
from tests.benchmark.phone.reverse import LOCALHOST
from tests.benchmark.test_browser import result
from tests.inference.test_metadata import attached
from tests.web.site_server import ROOT

# The site's content is of no interest here, and the browser's runtime is not in git.
COMMAND = """\
import sys
from densevision.web import session

def build_site(models, out, *, runtime, image, results):
    out.mkdir()
    (out / "index.html").write_text(f"{len(models)} models, results {results}")
    return out

if __name__ == "__main__":
    session.build_site = build_site
    from densevision.cli.main import main
    sys.exit(main(sys.argv[1:]))
"""


def build_site(models, out, **settings):
    out.mkdir()
    (out / "index.html").write_text("hello")
    return out


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(attached())
    return path


def fetch(port, method="GET", path="/", body=None, host="127.0.0.1"):
    connection = http.client.HTTPConnection(host, port, timeout=10)
    headers = {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}", "Content-Type": "application/json"}
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextlib.contextmanager
def command(folder, *words):
    """Run the command; yields its process, its port, and what it printed until then."""
    (folder / "temporary").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "serve", "--port", "0", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder / "temporary"), "PYTHONIOENCODING": "utf-8"},
    )
    lines = []
    try:
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        yield process, int(re.search(r"127.0.0.1:(\d+)", lines[0])[1]), "".join(lines)
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_it_and_leaves_nothing_but_the_timings(model, tmp_path):
    digest, times = hashlib.sha256(attached()).hexdigest(), tmp_path / "times.json"
    with command(tmp_path, model, "--json", times) as (process, port, said):
        assert said == f"on this machine  http://127.0.0.1:{port}/\nCtrl-C ends it.\n"
        assert fetch(port) == (200, "1 models, results True")
        sent = result(models=[{**result()["models"][0], "sha256": digest}])
        assert fetch(port, "POST", "/results", json.dumps(sent)) == (204, "")
        waiting = socket.create_connection(("127.0.0.1", port))
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, fault = process.communicate(timeout=10)
        assert process.returncode == 130
        assert said == "Chrome 141, Android at 127.0.0.1: model.tflite 11.0 ms\n"
        assert fault.splitlines()[-1] == "densevision: interrupted" and "Traceback" not in fault
        assert waiting.recv(1) == b""
        waiting.close()
    assert list((tmp_path / "temporary").iterdir()) == []
    assert json.loads(times.read_bytes())["results"][0]["models"][0]["sha256"] == digest
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.mark.slow  # 3 s each
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_ways_to_end_leave_nothing_either(model, tmp_path, number):
    with command(tmp_path, model) as (process, port, _):
        assert fetch(port)[0] == 200
        process.send_signal(number)
        process.communicate(timeout=10)
        assert process.returncode == 128 + number
    assert list((tmp_path / "temporary").iterdir()) == []


def test_lan_says_what_works_and_prints_a_code(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sessions, "build_site", build_site)
    monkeypatch.setattr(sessions, "lan_addresses", lambda: ["192.168.1.23", "10.0.0.5"])
    monkeypatch.setattr(sessions.SiteServer, "serve_forever", lambda server: None)
    assert main(["serve", str(model), "--lan", "--port", "0"]) == 0
    said = capsys.readouterr().out
    port = re.search(r"http://127.0.0.1:(\d+)/", said)[1]
    assert f"in the network   http://192.168.1.23:{port}/\nin the network   http://10.0.0.5:{port}/\n" in said
    assert "Without https a browser gives a page no camera and one thread. Photos, the sample and timing work" in said
    assert "█" in said or "QR code, too: pip install segno" in said


def test_faults_are_one_line_before_anything_is_built(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sessions, "build_site", lambda *_, **__: pytest.fail("built"))
    monkeypatch.setattr(sessions, "lan_addresses", list)
    (tmp_path / "metrics.json").write_text('{"mAP": 0.3}')
    (tmp_path / "other.tflite").write_bytes(b"\x1c\0\0\0TFL3")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cases = [
            ([tmp_path / "none.tflite"], f"no model file {tmp_path}/none.tflite"),
            (
                [tmp_path / "other.tflite"],
                f"{tmp_path}/other.tflite is cut short or was not written by",
            ),
            ([model, "--port", port], f"--port {port}: another program uses this port; end it, or give another number"),
            ([model, "--lan"], "--lan: this machine is in no network; connect it, or omit --lan"),
            ([model, "--json", tmp_path / "metrics.json"], f"{tmp_path}/metrics.json has no browser timings; give"),
            ([model, "--json", model], f"--json {model}: the command line names this file twice; give another name"),
        ]
        for words, message in cases:
            assert main(["serve", *map(str, words)]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith(f"densevision: error: {message}")


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_what_is_no_port(port, capsys):
    with pytest.raises(SystemExit):
        main(["serve", "model.tflite", f"--port={port}"])
    assert "--port" in capsys.readouterr().err


@needs_adb
def test_a_phone_on_a_cable(model, tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "build_site", build_site)
    with adb_server(tmp_path) as adb:
        missing = "--adb: no phone is attached; plug one in with USB debugging enabled"
        with pytest.raises(UserError, match=missing), open_session(Session([model], 0, adb=True), print):
            pass
        phone = EmulatedPhone(tmp_path / "phone")
        adb("connect", phone.serial)
        with open_session(Session([model], 0, adb=True), print) as ready:
            assert ready.phones == [phone.serial]
            port = ready.server.port
            assert list(phone.reverse.listeners) == [f"tcp:{port}"]
            with contextlib.closing(socket.create_connection((LOCALHOST, port), 5)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                ready.server.handle_request()
                assert client.recv(12) == b"HTTP/1.1 200"
        assert phone.reverse.listeners == {}
        phone.vanish()


def test_a_full_disk_is_one_line(model, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sessions, "build_site", build_site)
    monkeypatch.setattr(sessions, "read_site", full)
    assert main(["serve", str(model), "--port", "0", "--quiet"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    remedy = "free some space, or name another folder in TMPDIR"
    assert line.endswith(f"the site can't be compressed (No space left on device); {remedy}")
