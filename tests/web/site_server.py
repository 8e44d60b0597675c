"""A server in a thread, on a free port, and clients that send bytes of their own."""

import contextlib
import http.client
import socket
import subprocess
import sys
import threading
from pathlib import Path

from densevision.web.assets import read_site
from densevision.web.limits import Limits
from densevision.web.server import Service, SiteServer

ROOT = Path(__file__).parents[2]
QUICK = Limits(request_s=0.4, stall_s=0.4, connections=8)


def make_site(folder):
    """Write a small site, next to a file that must stay unseen, with links to it; return its folder."""
    (folder / "secret.txt").write_text("the secret")
    site = folder / "site"
    (site / "models").mkdir(parents=True)
    (site / "index.html").write_text("<!doctype html>\n" + "<p>hello</p>\n" * 50)
    (site / "app.js").write_text("'use strict';\n")
    (site / "runtime.wasm").write_bytes(b"\0asm" + bytes(300_000))
    (site / "models/a b.tflite").write_bytes(b"\x1c\0\0\0TFL3 model")
    (site / "link.txt").symlink_to(folder / "secret.txt")
    (site / "linked").symlink_to(folder)
    return site


@contextlib.contextmanager
def running(folder, **settings):
    """Serve the site of ``make_site`` in a folder; yields the server."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    service = Service(read_site(folder / "site", scratch), **{"limits": QUICK, **settings})
    with SiteServer(0, service) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server, method, path, headers=None, body=None):
    """Send one proper request; return the response, its content read as ``content``."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        response.content = response.read()
        return response


def send(server, request: bytes, timeout: float = 10) -> bytes:
    """Send bytes; return all that comes back, nothing if the server ends the connection."""
    answer = b""
    client = socket.create_connection(("127.0.0.1", server.port), timeout)
    with client, contextlib.suppress(ConnectionError):
        client.sendall(request)
        while block := client.recv(1 << 16):
            answer += block
    return answer


SERVER = """\
import sys, threading
from pathlib import Path
from densevision.web.assets import read_site
from densevision.web.limits import Limits
from densevision.web.server import Service, SiteServer

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
limits = Limits(request_s=seconds, stall_s=seconds)
service = Service(read_site(folder / "site", folder / "scratch"), lambda body, address: None, limits=limits)
with SiteServer(0, service) as server:
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()
    server.shutdown()
"""


class ServerProcess:
    """A server of the site of ``make_site`` in a process of its own, so that its memory can be seen.

    Args:
        folder: of ``make_site``.
        seconds: that a client has for a request, and to read a part of an answer.
    """

    def __init__(self, folder, seconds):
        (folder / "scratch").mkdir()
        words = [sys.executable, "-c", SERVER, str(folder), str(seconds)]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(words, text=True, cwd=ROOT, **pipes)
        self.port = int(self.process.stdout.readline())

    def close(self):
        """End the server; return what it printed, which is nothing if all went well."""
        said, fault = self.process.communicate("", timeout=10)
        return said + fault

    def peak_bytes(self):
        return 1024 * self._status("VmHWM")

    def threads(self):
        return self._status("Threads")

    def _status(self, key):
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
