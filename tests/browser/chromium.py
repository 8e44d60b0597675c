"""A real Chromium, and a plain server of a folder whose answers a test may replace."""

import functools
import http.server
import json
import shutil
import threading

import cv2
import pytest

from densevision.scenes import render_frame
from densevision.web.runtime import OWN_FOLDER

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
# A secure context is https or localhost; by this name, 127.0.0.1 is neither.
FOREIGN_HOST = "phone.test"
_FLAGS = (
    "--no-sandbox",  # it refuses to start as root otherwise
    "--enable-precise-memory-info",
    "--js-flags=--expose-gc",
    "--use-fake-device-for-media-stream",
    f"--host-resolver-rules=MAP {FOREIGN_HOST} 127.0.0.1",
)


def start(driver, *flags):
    """Start Chromium; the caller closes it."""
    return driver.chromium.launch(executable_path=BROWSER, args=[*_FLAGS, *flags])


def need_runtime():
    if not (OWN_FOLDER / "core.js").is_file():
        pytest.skip("there is no browser runtime (make web-runtime)")


class Site:
    """A folder on 127.0.0.1.

    Attributes:
        answers: what is served instead of a file, by name; None is 404.
        headers: of every answer.
        posted: bodies of POST to ``results``.
    """

    def __init__(self, folder):
        self.folder, self.answers, self.headers, self.posted = folder, {}, {}, []
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(_Handler, site=self, directory=str(folder))
        )
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, host="127.0.0.1"):
        return f"http://{host}:{self.server.server_port}/"

    @property
    def models(self):
        return json.loads((self.folder / "site.json").read_text())["models"]

    def isolate(self):
        self.headers = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments, site, **settings):
        self.site = site
        super().__init__(*arguments, **settings)

    def log_message(self, *arguments):
        pass

    def end_headers(self):
        for name, value in self.site.headers.items():
            self.send_header(name, value)
        super().end_headers()

    def do_GET(self):
        name = self.path.lstrip("/")
        if name not in self.site.answers:
            return super().do_GET()
        content = self.site.answers[name]
        if content is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(name))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        self.site.posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()


class Tab:
    """A page that records what it asks for and what fails in it."""

    def __init__(self, browser, site, *, host="127.0.0.1", width=1280, permissions=("camera",)):
        self.context = browser.new_context(viewport=dict(width=width, height=844), permissions=list(permissions))
        self.page = self.context.new_page()
        self.requests, self.errors = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.site, self.host = site, host
        self.page.goto(site.url(host))

    def wait(self, condition, argument=None):
        self.page.wait_for_function(condition, arg=argument, timeout=60_000)

    def ready(self):
        """Wait until the sample is compared with Python."""
        self.wait("() => document.querySelector('#caption0 span')")
        return self

    def fault(self):
        """Wait for a message."""
        self.page.wait_for_selector("#fault:not([hidden])", timeout=60_000)
        return self.page.inner_text("#fault")

    def ask(self, kind, **request):
        """Ask the page's own worker."""
        code = "async ([kind, request]) => (await import('./client.js')).ask(kind, request)"
        return self.page.evaluate(code, [kind, request])

    def check(self):
        """Close the page; nothing was asked for outside of the folder, and nothing failed."""
        outside = [url for url in self.requests if not url.startswith((self.site.url(self.host), "data:"))]
        self.context.close()
        assert (outside, self.errors) == ([], [])


def write_camera(path, frames=25, size=(180, 320)):
    """Write a drive through rendered scenes as the video of Chromium's fake camera."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{size[1]} H{size[0]} F25:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(frames):
            frame = render_frame(2_000_000, 8.0, number / 25, size)
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path
