"""The server against clients that send what no browser does: nothing leaves but the site, and the server lives on."""

import contextlib
import itertools
import random
import re
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.web.site_server import ServerProcess, ask, make_site, send

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads a process's memory from /proc")
OUTSIDE = re.compile(rb"the secret|root:|Traceback|densevision/web")
UPS = [
    *("../", "..%2f", "%2e%2e/", "%2E%2E%2F", ".%2e/", "..\\", "..%5c", "%252e%252e%252f", "..%c0%af", "%c0%ae%c0%ae/"),
    *("%e0%80%ae%e0%80%ae/", "....//", "..;/", ".../", "..%00/", "%u002e%u002e/", "..%uff0f", "\x01../", "..%0d%0a/"),
    *("/", "//", "./", "%2f", "", "\uff0e\uff0e/", "~/", "..%ff/"),
]
PREFIXES = [
    "/",
    "/models/",
    "/models/a%20b.tflite/",
    "/linked/",
    "/link.txt/",
    "//",
    "\\",
    "http://127.0.0.1/",
    "",
    "*",
]


def path_tricks(folder):
    """Yield paths that try to leave the site."""
    inside = ["secret.txt", "scratch/0.gz", "site/app.js", "etc/passwd", "../densevision/web/server.py"]
    for up, prefix, target, depth in itertools.product(UPS, PREFIXES, inside, (1, 2, 8)):
        yield f"{prefix}{up * depth}{target}"
    absolute = str(folder / "secret.txt")
    yield from (absolute, f"/{absolute}", f"file://{absolute}", f"/index.html/..{absolute}", "/C:/secret.txt")
    yield from ("/secret.txt%00.js", "/app.js%00", "/app.js/", "/app.js/.", "/APP.JS", "/%61pp.js/..", "/models", "/..")
    yield from ("/a" * 7000, "/%2e" * 3000, "/../" * 3000, "/" + "%" * 3000, "/?/../secret.txt", "/#/../secret.txt")


def head_tricks(port):
    """Yield whole requests that are wrong in their heads or bodies."""
    host, own = b"Host: localhost\r\n", f"Origin: http://localhost\r\nHost: localhost:{port}\r\n".encode()
    get, post = b"GET / HTTP/1.1\r\n", b"POST /results HTTP/1.1\r\n"
    json = b"Content-Type: application/json\r\n"
    yield from (b"", b"\r\n", b"\0", b"\n" * 5000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.x\r\n\r\n")
    yield from (
        b"GET / HTTP/\xb2.1\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b" / HTTP/1.1\r\n\r\n",
        b"G\0ET / HTTP/1.1\r\n\r\n",
    )
    yield from (get + host + b"X: " + b"a" * 10**6, get + b"A: b\r\n" * 10**5, get + b"a" * 10**6, b"G" * 10**6)
    yield from (
        get + b"no colon\r\n\r\n",
        get + b" : \r\n\r\n",
        get + b"Host\0: localhost\r\n\r\n",
        get + b"\xff: \xfe\r\n\r\n",
    )
    yield from (
        get + b"Host: localhost\r\n evil\r\n\r\n",
        get + b"Host: evil.example\r\n\r\n",
        get + host * 2 + b"\r\n",
    )
    yield from (get + host + b"If-None-Match: " + b'"a",' * 3000 + b"\r\n\r\n", get + host + b"Range: bytes=-1\r\n\r\n")
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)  # a TLS client hello
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for length in (b"-1", b"1e3", b"9" * 4000, b"0x10", b"", b"5, 5", b"\xb2", b"999999999", b"5\r\nContent-Length: 5"):
        yield (
            post
            + own.replace(b"//localhost", b"//localhost:%d" % port)
            + json
            + b"Content-Length: "
            + length
            + b"\r\n\r\n{}"
        )
    yield post + own + json + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    for origin in (b"null", b"http://evil.example", b"https://localhost", b"http://localhost:1"):
        yield post + host + json + b"Origin: " + origin + b"\r\nContent-Length: 2\r\n\r\n{}"
    yield post + host + json + b"Content-Length: 2\r\n\r\n{}"
    yield post + host + json + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n" + b"a" * 10**6


def requests(server, folder, count):
    """Return a mixture of ``count`` requests, the same each time."""
    generator = random.Random(0)
    paths = list(path_tricks(folder))
    lines = [
        f"{generator.choice(('GET', 'HEAD', 'GET', 'PUT'))} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for path in paths
    ]
    noise = [generator.randbytes(generator.randrange(1, 4000)) for _ in range(50)]
    heads = [*head_tricks(server.port), *noise]
    chosen = [line.encode("utf-8") for line in generator.sample(lines, min(len(lines), max(count - len(heads), 60)))]
    return [*heads, *chosen]


def check(answer):
    """Check that an answer is none, one of the site, or a refusal, and shows nothing from outside of the site."""
    assert not OUTSIDE.search(answer), answer[:500]
    if answer:
        status = int(re.match(rb"HTTP/1\.1 (\d{3}) [A-Z]", answer)[1])
        assert status in (200, 304, 400, 403, 404, 405, 411, 413, 415, 421, 431, 501, 505), answer[:500]
        if status == 200:
            body = answer.partition(b"\r\n\r\n")[2]
            assert body in (b"", PAGE, SCRIPT), answer[:500]


PAGE, SCRIPT = b"<!doctype html>\n" + b"<p>hello</p>\n" * 50, b"'use strict';\n"


@pytest.fixture(
    params=[pytest.param((60, 0.5), id="short"), pytest.param((1000, 3), id="long", marks=pytest.mark.slow)]
)
def attacked(request, tmp_path):
    """A server's process, its folder, the number of requests, and the seconds that a client has."""
    count, seconds = request.param
    make_site(tmp_path)
    server = ServerProcess(tmp_path, seconds)
    yield server, tmp_path, count, seconds
    assert server.close() == ""


def test_malformed_requests(attacked):
    server, folder, count, seconds = attacked
    ask(server, "GET", "/runtime.wasm")
    before = server.peak_bytes()
    sent = requests(server, folder, count)
    assert len(sent) >= count
    with ThreadPoolExecutor(16) as pool:
        for answer in pool.map(lambda data: send(server, data, 2 * seconds + 5), sent):
            check(answer)
    assert ask(server, "GET", "/app.js").content == SCRIPT
    assert server.peak_bytes() - before < 24e6
    assert server.threads() <= 4


def test_two_hundred_connections(attacked):
    server, _, _, seconds = attacked
    before = server.peak_bytes()
    starts = (b"", b"G", b"GET / HTTP/1.1\r\nHost: ", b"GET /runtime.wasm HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with contextlib.ExitStack() as stack:
        for number in range(200):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
            with contextlib.suppress(OSError):  # ended, to make room for the next
                client.sendall(starts[number % 4])
        for _ in range(5):
            started = time.monotonic()
            assert ask(server, "GET", "/app.js").content == SCRIPT
            assert time.monotonic() - started < 5
        assert server.threads() <= 64 + 4
    assert server.peak_bytes() - before < 24e6
    deadline = time.monotonic() + 2 * seconds + 5
    while server.threads() > 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.threads() <= 3
