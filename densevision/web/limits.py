"""What a client of the server may take: bytes, seconds and connections."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """Bounds of the server.

    Attributes:
        head_bytes: request line and headers together.
        body_bytes: what a page may post.
        request_s: from the connection to the end of the request, however the bytes arrive.
        stall_s: that a client may take for 64 KiB of an answer.
        connections: at a time. One more ends the oldest that has not sent its request yet.
    """

    head_bytes: int = 16 << 10
    body_bytes: int = 256 << 10
    request_s: float = 10.0
    stall_s: float = 20.0
    connections: int = 64


class TooLargeError(Exception):
    """A client sent more than it may."""


class BoundedReader(io.RawIOBase):
    """The bytes that a client sends, up to a number and a time.

    Reading raises TooLargeError after the last allowed byte, and TimeoutError after the time.

    Args:
        connection: blocking; its timeout is changed.
        allowance: bytes.
        seconds: from now.
    """

    def __init__(self, connection: socket.socket, allowance: int, seconds: float):
        self._connection, self.allowance = connection, allowance
        self._end = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.allowance <= 0:
            raise TooLargeError
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        count = self._connection.recv_into(memoryview(buffer)[: self.allowance])
        self.allowance -= count
        return count


class Connections:
    """The open connections, at most a number of them.

    A slow sender can't keep others out: a new connection takes the place of the oldest one that has not sent its
    request yet, or of the oldest one if all have.

    Args:
        limit: how many.
    """

    def __init__(self, limit: int):
        self._free = threading.BoundedSemaphore(limit)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, bool] = {}  # oldest first; whether its request is complete

    @property
    def count(self) -> int:
        return len(self._open)

    def enter(self, connection: socket.socket) -> bool:
        """Take a place; False if none gets free within a second."""
        if not self._free.acquire(blocking=False):
            self._end_oldest()
            if not self._free.acquire(timeout=1):
                return False
        with self._lock:
            self._open[connection] = False
        return True

    def answering(self, connection: socket.socket) -> None:
        """Note that a request is complete."""
        with self._lock:
            self._open[connection] = True

    def leave(self, connection: socket.socket) -> None:
        """Give the place back."""
        with self._lock:
            self._open.pop(connection)
        self._free.release()

    def end_all(self, seconds: float = 2.0) -> None:
        """End every connection, and give what they do with their requests that long to finish."""
        with self._lock:
            for connection in self._open:
                _end(connection)
        deadline = time.monotonic() + seconds
        while self.count and time.monotonic() < deadline:
            time.sleep(0.01)

    def _end_oldest(self) -> None:
        with self._lock:
            if self._open:
                _end(min(self._open, key=lambda connection: self._open[connection]))


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client was faster
        connection.shutdown(socket.SHUT_RDWR)
