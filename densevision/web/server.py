"""Serve a site on this machine, and accept the timings that its page sends. Nothing else is accepted.

Python's ``ThreadingHTTPServer``, with what it lacks: bounds of size, time and connections, the headers of an isolated
page, compression, and a check of where requests come from. One request per connection.
"""

from __future__ import annotations

import errno
import io
import re
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any
from urllib.parse import unquote

from densevision.errors import UserError
from densevision.web.address import is_own_host
from densevision.web.assets import TYPES, Asset
from densevision.web.limits import BoundedReader, Connections, Limits, TooLargeError

RESULTS = "/results"
_BLOCK_BYTES = 64 << 10
_HEADERS = {
    # Both let a page share memory between threads; a browser wants them on every answer.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Ask each time whether a file has changed: the next site at this address has other models under the same names.
    "Cache-Control": "no-cache",
    "Connection": "close",
}

Accept = Callable[[bytes, str], None]


@dataclass(frozen=True)
class Service:
    """What a server does.

    Attributes:
        assets: the files by their decoded URL paths, from ``read_site``.
        accept: takes a posted body and the client's address, and raises UserError if the body is wrong; None: nothing
            can be posted.
        lan: whether other machines may connect, on all addresses.
        limits: of each client.
    """

    assets: Mapping[str, Asset]
    accept: Accept | None = None
    lan: bool = False
    limits: Limits = field(default_factory=Limits)


class SiteServer(ThreadingHTTPServer):
    """A server that listens from the start and answers once ``serve_forever`` runs.

    Args:
        port: 0 takes any free one.
        service: what to serve; may be replaced until ``serve_forever`` runs.
    Raises:
        UserError: the port can't be used.
    """

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = sys.platform != "win32"  # there it would share the port with another program

    def __init__(self, port: int, service: Service):
        self.service = service
        self.connections = Connections(service.limits.connections)
        try:
            super().__init__(("" if service.lan else "127.0.0.1", port), _Handler)
        except OSError as error:
            raise UserError(f"--port {port}: {_reason(error)}") from error

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind, without HTTPServer's question to the name service, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(self.allow_reuse_address))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def server_close(self) -> None:
        """Stop listening, and end the open connections."""
        super().server_close()
        self.connections.end_all()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there is a place for the connection."""
        if not self.connections.enter(request):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads
            self.connections.leave(request)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.leave(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what is not a client's doing; connections that break, stall or are ended are."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE or getattr(error, "winerror", None) == 10048:
        return "another program uses this port; end it, or give another number"
    if error.errno == errno.EACCES:
        return "not permitted; give a number from 1024"
    return f"can't be used ({error.strerror})"


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: SiteServer
    protocol_version = "HTTP/1.1"  # in an answer of HTTP/1.0 Chromium disregards the ETag
    command = ""  # until the request line is read

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        limits = self.server.service.limits
        # The buffer may read the start of a body together with the headers.
        allowance = limits.head_bytes + io.DEFAULT_BUFFER_SIZE
        self._bounded = BoundedReader(self.connection, allowance, limits.request_s)
        self.rfile = io.BufferedReader(self._bounded)

    def handle(self) -> None:
        try:
            self.handle_one_request()
        except TooLargeError:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_POST(self) -> None:
        accept = self.server.service.accept
        if not self._is_welcome():
            return
        if self.path != RESULTS or accept is None:
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
            return
        status = self._fault_of_post()
        if status:
            self.send_error(status)
            return
        body = self._read_body()
        self.server.connections.answering(self.connection)
        try:
            accept(body, self.client_address[0])
        except UserError as error:
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        else:
            self._respond(HTTPStatus.NO_CONTENT, {})

    def handle_expect_100(self) -> bool:
        """Ask for no body before it is known to be welcome."""
        return True

    def _answer(self, *, with_body: bool) -> None:
        self.server.connections.answering(self.connection)
        if not self._is_welcome():
            return
        asset = self._find()
        if asset is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        if asset.compressed and _takes_gzip(self.headers.get("Accept-Encoding", "")):
            self._send(asset.compressed, {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}, with_body=with_body)
        else:
            self._send(asset, {"Vary": "Accept-Encoding"} if asset.compressed else {}, with_body=with_body)

    def _find(self) -> Asset | None:
        """Look the path up; nothing that is not listed can be reached, however it is written."""
        try:
            name = unquote(self.path.partition("?")[0], errors="strict")
        except UnicodeDecodeError:
            return None
        return self.server.service.assets.get(name)

    def _send(self, asset: Asset, headers: dict[str, str], *, with_body: bool) -> None:
        if self.headers.get("If-None-Match") == asset.tag:
            self._respond(HTTPStatus.NOT_MODIFIED, {**headers, "ETag": asset.tag})
            return
        try:
            file = asset.open()
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            size = str(asset.size_bytes)
            self._respond(
                HTTPStatus.OK, {**headers, "ETag": asset.tag, "Content-Type": asset.type, "Content-Length": size}
            )
            if with_body:
                self._copy(file)

    def _copy(self, file: IO[bytes]) -> None:
        while block := file.read(_BLOCK_BYTES):
            self.connection.settimeout(self.server.service.limits.stall_s)  # of this block as a whole
            self.wfile.write(block)

    def _is_welcome(self) -> bool:
        """Refuse what does not name this machine: a page of another site may have sent it."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) == 1 and is_own_host(hosts[0], lan=self.server.service.lan):
            return True
        self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "open this server by the address that it printed")
        return False

    def _fault_of_post(self) -> HTTPStatus | None:
        """Say what is wrong with the headers of a post; the page's own browser sets all of them right."""
        origins, lengths = self.headers.get_all("Origin", []), self.headers.get_all("Content-Length", [])
        if [origin.lower() for origin in origins] != [f"http://{self.headers['Host']}".lower()]:
            return HTTPStatus.FORBIDDEN
        if self.headers.get_content_type() != "application/json":
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        if len(lengths) != 1 or not re.fullmatch("[0-9]{1,12}", lengths[0]) or "Transfer-Encoding" in self.headers:
            return HTTPStatus.LENGTH_REQUIRED
        if int(lengths[0]) > self.server.service.limits.body_bytes:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return None

    def _read_body(self) -> bytes:
        size = int(self.headers["Content-Length"])
        self._bounded.allowance += size
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionError("the client left")
        return body

    def _refuse(self, status: HTTPStatus, reason: str = "") -> None:
        """Answer with one line of text."""
        text = f"{status.value} {status.phrase}{': ' if reason else ''}{reason}\n".encode()
        headers = {"Content-Type": TYPES[".txt"], "Content-Length": str(len(text))}
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "GET, HEAD"
        self._respond(status, headers)
        if self.command != "HEAD":
            self.wfile.write(text)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse; the base class calls this with parts of the request in ``message``, which are left out."""
        self._refuse(HTTPStatus(code))

    def _respond(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.connection.settimeout(self.server.service.limits.stall_s)
        self.request_version = "HTTP/1.1"  # also to HTTP/0.9, which would get no headers
        self.send_response(status, status.phrase)
        for name, value in {**_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def version_string(self) -> str:
        """Name no versions."""
        return "densevision"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing, not even where the request line is missing."""

    def log_message(self, format: str, *values: Any) -> None:
        """Print nothing: what strangers send would fill the terminal."""


def _takes_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding header names gzip, and not with weight 0."""
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
