"""adb's ``reverse`` on the phone's side: a port of the phone whose connections go to the host, through the cable."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable

LOCALHOST = "127.0.0.2"  # the phone's own, so that it can have the ports that this machine has
Send = Callable[..., None]  # of a packet: its command, two numbers, a payload
CLSE, OKAY, OPEN, WRTE = (int.from_bytes(name, "little") for name in (b"CLSE", b"OKAY", b"OPEN", b"WRTE"))


class ReversePorts:
    """The ports of one phone that lead to one host.

    Args:
        send: sends a packet to the host.
    """

    def __init__(self, send: Send):
        self._send = send
        self._numbers = itertools.count(1 << 20)  # the host's own streams have small ones
        self._tunnels: dict[int, _Tunnel] = {}
        self.listeners: dict[str, socket.socket] = {}  # by "tcp:8000"

    def answer(self, service: str) -> bytes:
        """Do what follows ``reverse:``, such as "forward:norebind:tcp:8000;tcp:8000"; return the phone's answer."""
        action, _, rest = service.partition(":")
        if action == "killforward":
            if rest not in self.listeners:
                return _fail(f"listener '{rest}' not found")
            _close(self.listeners.pop(rest))
            return b"OKAY"
        remote, _, local = rest.removeprefix("norebind:").partition(";")
        if rest.startswith("norebind:") and remote in self.listeners:
            return _fail("cannot rebind existing socket")
        try:
            listener = socket.create_server((LOCALHOST, int(remote.removeprefix("tcp:"))))
        except OSError:
            return _fail("cannot bind listener: Address already in use")
        self.listeners[remote] = listener
        threading.Thread(target=self._accept, args=(listener, local), daemon=True).start()
        return b"OKAY"

    def take(self, command: int, host: int, own: int, payload: bytes) -> bool:
        """Handle a packet of a stream that began here; False if it is of another stream."""
        tunnel = self._tunnels.get(own)
        if tunnel is None:
            return False
        if command == OKAY:
            tunnel.host = host
            tunnel.ready.release()
        elif command == WRTE:
            with contextlib.suppress(OSError):  # the phone's client has left
                tunnel.client.sendall(payload)
            self._send(OKAY, own, host)
        elif command == CLSE:
            tunnel.end()
        return True

    def close(self) -> None:
        """The cable is cut."""
        for one in self.listeners.values():
            _close(one)
        for tunnel in list(self._tunnels.values()):
            tunnel.end()

    def _accept(self, listener: socket.socket, local: str) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            number = next(self._numbers)
            self._tunnels[number] = _Tunnel(client)
            threading.Thread(target=self._copy, args=(number, local), daemon=True).start()

    def _copy(self, number: int, local: str) -> None:
        """Open a stream at the host, and send what the phone's client says; every packet waits for the host's OKAY."""
        tunnel = self._tunnels[number]
        with contextlib.suppress(OSError):
            self._send(OPEN, number, 0, f"{local}\0".encode())
            tunnel.ready.acquire()
            while not tunnel.ended and (data := tunnel.client.recv(4096)):
                self._send(WRTE, number, tunnel.host, data)
                tunnel.ready.acquire()
            self._send(CLSE, number, tunnel.host)
        self._tunnels.pop(number)
        tunnel.client.close()


class _Tunnel:
    def __init__(self, client: socket.socket):
        self.client, self.host, self.ended = client, 0, False
        self.ready = threading.Semaphore(0)

    def end(self) -> None:
        self.ended = True
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)
        self.ready.release()


def _close(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts, which close alone does not
    listener.close()


def _fail(reason: str) -> bytes:
    return b"FAIL%04x" % len(reason) + reason.encode()
