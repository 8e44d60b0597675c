"""A server of the real ``adb`` for one test, on a port and with keys of its own."""

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager

import pytest

needs_adb = pytest.mark.skipif(shutil.which("adb") is None, reason="adb is not installed (Debian: package adb)")


@contextmanager
def adb_server(folder):
    """Give a function ``adb(*words)``; commands of this process use the same server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    saved = dict(os.environ)
    os.environ.update(ANDROID_ADB_SERVER_PORT=str(port), HOME=str(folder), ADB_LOCAL_TRANSPORT_MAX_PORT="5553")
    os.environ.pop("ANDROID_SERIAL", None)
    try:
        yield lambda *words: subprocess.run(["adb", *words], capture_output=True, text=True, timeout=30)
    finally:
        subprocess.run(["adb", "kill-server"], capture_output=True, timeout=30)
        os.environ.clear()
        os.environ.update(saved)
