"""The server of a site, over loopback sockets."""

import gzip
import hashlib
import mimetypes
import os
import socket
import time

import pytest

from densevision.errors import UserError
from densevision.web.limits import Limits
from densevision.web.server import Service, SiteServer
from tests.web.site_server import QUICK, ask, make_site, running, send

PAGE = "<!doctype html>\n" + "<p>hello</p>\n" * 50


@pytest.fixture
def folder(tmp_path):
    make_site(tmp_path)
    return tmp_path


@pytest.fixture
def server(folder):
    with running(folder) as one:
        yield one


def test_a_page_comes_with_the_headers_of_an_isolated_page(server):
    answer = ask(server, "GET", "/")
    assert (answer.status, answer.content.decode()) == (200, PAGE)
    digest = hashlib.sha256(PAGE.encode()).hexdigest()[:32]
    assert dict(answer.getheaders()) == {
        "Server": "densevision",
        "Date": answer.getheader("Date"),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
        "Connection": "close",
        "Vary": "Accept-Encoding",
        "ETag": f'"{digest}"',
        "Content-Type": "text/html; charset=utf-8",
        "Content-Length": str(len(PAGE)),
    }


def test_types_do_not_come_from_the_system(folder, monkeypatch):
    monkeypatch.setattr(mimetypes, "guess_type", lambda *_: ("text/plain", None))  # what some registries say of .js
    with running(folder) as server:
        types = {path: ask(server, "GET", path).getheader("Content-Type") for path in ("/app.js", "/runtime.wasm")}
        assert types == {"/app.js": "text/javascript; charset=utf-8", "/runtime.wasm": "application/wasm"}
        assert ask(server, "GET", "/models/a%20b.tflite").getheader("Content-Type") == "application/octet-stream"


def test_wasm_is_compressed_once_and_models_are_not(server, folder):
    answer = ask(server, "GET", "/runtime.wasm", {"Accept-Encoding": "br, gzip;q=0.5"})
    assert answer.getheader("Content-Encoding") == "gzip" and answer.getheader("Vary") == "Accept-Encoding"
    assert len(answer.content) == int(answer.getheader("Content-Length")) < 1000
    assert gzip.decompress(answer.content) == (folder / "site/runtime.wasm").read_bytes()
    assert len(list((folder / "scratch").iterdir())) == 3  # the page, the script, the wasm
    plain = ask(server, "GET", "/runtime.wasm", {"Accept-Encoding": "gzip;q=0, br"})
    assert plain.getheader("Content-Encoding") is None and len(plain.content) == 300_004
    assert ask(server, "GET", "/models/a%20b.tflite", {"Accept-Encoding": "gzip"}).content.endswith(b"TFL3 model")


def test_a_browser_that_has_the_file_gets_no_copy(server):
    tag = ask(server, "GET", "/app.js", {"Accept-Encoding": "gzip"}).getheader("ETag")
    again = ask(server, "GET", "/app.js", {"Accept-Encoding": "gzip", "If-None-Match": tag})
    assert (again.status, again.content, again.getheader("ETag")) == (304, b"", tag)
    assert ask(server, "GET", "/app.js", {"If-None-Match": tag}).status == 200  # of the compressed one


def test_head_is_get_without_content(server):
    whole, head = ask(server, "GET", "/app.js"), ask(server, "HEAD", "/app.js")
    assert head.content == b"" and head.status == 200
    assert {**dict(head.getheaders()), "Date": ""} == {**dict(whole.getheaders()), "Date": ""}
    assert ask(server, "HEAD", "/none").status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PROPFIND", "get"])
def test_no_other_method(server, method):
    assert ask(server, method, "/").status == 501


def test_nothing_can_be_posted_unless_asked_for(server):
    headers = {"Origin": f"http://127.0.0.1:{server.port}", "Content-Type": "application/json"}
    for path in ("/", "/results"):
        answer = ask(server, "POST", path, headers, b"{}")
        assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD")


def test_a_link_or_a_changed_file_is_not_served(server, folder):
    for path in ("/link.txt", "/linked/secret.txt", "/linked/", "/linked"):
        assert ask(server, "GET", path).status == 404
    script = folder / "site/app.js"
    script.unlink()
    script.symlink_to(folder / "secret.txt")
    assert ask(server, "GET", "/app.js").status == 404
    os.rename(folder / "site/models", folder / "site/old")
    (folder / "site/models").symlink_to(folder)
    assert ask(server, "GET", "/models/a%20b.tflite").status == 404
    assert ask(server, "GET", "/").status == 200


HOSTS = [  # the header, and the status without and with --lan
    ("127.0.0.1:{port}", 200, 200),
    ("localhost", 200, 200),
    ("LOCALHOST:9000", 200, 200),  # a port that another program forwards
    ("[::1]:8000", 200, 200),
    ("192.168.1.23:8000", 421, 200),
    ("{name}.local:8000", 421, 200),
    ("evil.example:{port}", 421, 421),  # made to resolve to 127.0.0.1
    ("127.0.0.1.evil.example", 421, 421),
    ("localhost.evil.example", 421, 421),
    ("127.0.0.1@evil.example", 421, 421),
    ("2130706433", 421, 421),
    ("", 421, 421),
]


@pytest.mark.parametrize("lan", [False, True])
def test_only_this_machines_names_are_answered(folder, lan):
    with running(folder, lan=lan) as server:
        for host, local, network in HOSTS:
            value = host.format(port=server.port, name=socket.gethostname())
            answer = ask(server, "GET", "/", {"Host": value})
            assert (value, answer.status) == (value, network if lan else local)
            assert (b"hello" in answer.content) == (answer.status == 200)


def test_one_host_is_needed(server):
    assert b" 421 " in send(server, b"GET / HTTP/1.1\r\n\r\n")
    assert b" 421 " in send(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n")
    assert b" 421 " in send(server, b"GET /\r\n\r\n")  # HTTP/0.9


def test_it_listens_on_loopback_only_unless_told(folder):
    with running(folder) as server:
        assert server.server_address[0] == "127.0.0.1"
    with running(folder, lan=True) as server:
        assert server.server_address[0] == "0.0.0.0"


def test_a_used_port_is_one_line():
    with SiteServer(0, Service({})) as server:
        message = f"--port {server.port}: another program uses this port; end it, or give another number"
        with pytest.raises(UserError, match=f"^{message}$"):
            SiteServer(server.port, Service({}))
        with pytest.raises(UserError, match=f"^{message}$"):
            SiteServer(server.port, Service({}, lan=True))


def test_a_slow_sender_is_cut_off_however_it_sends(server):
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), 5) as client, pytest.raises(OSError):
        for _ in range(100):
            client.sendall(b"X")
            time.sleep(0.05)
    assert time.monotonic() - started < 2
    assert send(server, b"GET / HTTP/1.1\r\nHost: ") == b""


def test_a_client_that_reads_nothing_is_cut_off(folder):
    (folder / "site/big.bin").write_bytes(bytes(16 << 20))
    with running(folder) as server, socket.create_connection(("127.0.0.1", server.port), 5) as client:
        client.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        deadline = time.monotonic() + 5
        while server.connections.count and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.connections.count == 0


def test_heads_are_bounded(server):
    long = QUICK.head_bytes * 2
    assert b" 431 " in send(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * long + b"\r\n\r\n")
    assert b" 431 " in send(server, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 99 + b"Host: localhost\r\nB: " + b"c" * long)
    assert b" 431 " in send(server, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n")
    assert b" 431 " in send(server, b"GET /" + b"a" * long)


def test_slow_senders_do_not_keep_others_out(folder):
    with running(folder, limits=Limits(request_s=30, connections=4)) as server:
        slow = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(12)]
        assert ask(server, "GET", "/").status == 200
        assert server.connections.count <= 4
        for one in slow:
            one.close()


def test_closing_ends_open_connections(folder):
    with running(folder, limits=Limits(request_s=30)) as server:
        client = socket.create_connection(("127.0.0.1", server.port), 5)
        ask(server, "GET", "/")
    assert client.recv(1) == b""
    client.close()
