"""A phone for the real ``adb`` client: its protocol on a loopback port, its shell a real one on a folder.

What is real: adb's client and server, the connection, authorisation, pushes, exit codes, and the shell (mksh and
toybox where they are installed, as on Android) that runs what it is sent. What is not: /sys and /data are folders,
and getprop, dumpsys, taskset are scripts; ``taskset`` looks at the program's ELF header as a kernel would, then
plays the next recorded log.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import struct
import subprocess
import threading
from pathlib import Path

from tests.benchmark.phone.reverse import ReversePorts

CNXN, AUTH, OPEN, OKAY, WRTE, CLSE = (
    int.from_bytes(name, "little") for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"WRTE", b"CLSE")
)
BANNER = b"device::ro.product.name=emulated;ro.product.model=Emulated;ro.product.device=emulated;features=%s"
VANISH = b"@vanish"

_SCRIPTS = {
    "getprop": 'cat "$ROOT/properties/$1" 2>/dev/null',
    "dumpsys": """case $1 in
battery) echo "Current Battery Service state:"; echo "  temperature: 285" ;;
thermalservice)
  echo "IsStatusOverride: false"; echo "Thermal Status: $(head -n 1 "$ROOT/statuses")"
  rest=$(sed 1d "$ROOT/statuses"); [ -z "$rest" ] || echo "$rest" > "$ROOT/statuses" ;;
esac""",
    "taskset": """echo "$@" >> "$ROOT/runs"
[ -x "$2" ] || { echo "taskset: exec $2: Permission denied"; exit 126; }
[ "$(od -An -tu1 -j18 -N1 "$2" | tr -d ' ')" = 183 ] || { echo "taskset: exec $2: Exec format error"; exit 126; }
run=$(($(wc -l < "$ROOT/runs")))
if [ -e "$ROOT/logs/$run" ]; then cat "$ROOT/logs/$run"; else cat "$ROOT/logs/always"; fi
exit $(cat "$ROOT/exit")""",
}


class EmulatedPhone:
    """A device on ``127.0.0.1:port``.

    Args:
        root: an empty folder that becomes its file system.
        authorised: else it never accepts the client's key.
        shell_v2: as Android 7 and later; before, shells give no exit code and end lines with CR LF.
    """

    def __init__(self, root: Path, *, model: str = "Pixel 3", authorised: bool = True, shell_v2: bool = True):
        self.root, self.authorised, self.shell_v2 = root, authorised, shell_v2
        self.full = False  # pushes fail
        self.damages = False  # models lose their last byte on the way
        self._make_files(model)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.serial = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._connections: list[socket.socket] = []
        self.reverse: ReversePorts | None = None  # of the host that is connected
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _make_files(self, model: str) -> None:
        properties = {
            "ro.product.model": model,
            "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
            "ro.board.platform": "sdm845",
            "ro.build.version.release": "12",
            "ro.build.fingerprint": "google/blueline/blueline:12/SP1A.210812.016/1:user/release-keys",
        }
        for name, value in properties.items():
            self.write(f"properties/{name}", value)
        for core in range(8):
            top = 1766400 if core < 4 else 2803200
            files = dict(cpuinfo_max_freq=top, scaling_max_freq=top, scaling_governor="schedutil")
            for name, value in files.items():
                self.write(f"sys/devices/system/cpu/cpu{core}/cpufreq/{name}", value)
        self.write("sys/devices/system/cpu/cpufreq/policy0/related_cpus", "0 1 2 3")
        for zone, (kind, heat) in enumerate((("battery", 28500), ("cpu-0-0-usr", 41300), ("cpu-1-3-usr", 44800))):
            self.write(f"sys/class/thermal/thermal_zone{zone}/type", kind)
            self.write(f"sys/class/thermal/thermal_zone{zone}/temp", heat)
        self.write("statuses", 0)
        self.write("exit", 0)
        for folder in ("data/local/tmp", "logs", "bin"):
            (self.root / folder).mkdir(parents=True)
        for name, body in _SCRIPTS.items():
            self.write(f"bin/{name}", f"#!/bin/sh\n{body}\n")
            (self.root / "bin" / name).chmod(0o755)
        if mksh := shutil.which("mksh"):
            (self.root / "bin/sh").symlink_to(mksh)
        if toybox := shutil.which("toybox"):
            for tool in ("cat", "sed", "head", "sha256sum", "chmod", "mkdir", "rm", "ls"):
                (self.root / "bin" / tool).symlink_to(toybox)

    def write(self, path: str, content: object) -> None:
        """Make a file of the phone."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")

    def files(self) -> list[str]:
        """List what lies below /data/local/tmp."""
        return sorted(str(path.relative_to(self.root)) for path in (self.root / "data/local/tmp").rglob("*"))

    def runs(self) -> list[str]:
        """List the words that each call of taskset got."""
        file = self.root / "runs"
        return file.read_text().splitlines() if file.exists() else []

    def vanish(self) -> None:
        """Cut the cable."""
        if self.reverse:
            self.reverse.close()
        for one in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=_Connection(self, connection).serve, daemon=True).start()

    def inside(self, text: str) -> str:
        """Turn the phone's absolute paths into ours."""
        for top in ("/sys/", "/data/local/tmp"):
            text = text.replace(top, f"{self.root}{top}")
        return text

    def outside(self, output: bytes) -> bytes:
        return output.replace(str(self.root).encode(), b"")

    def shell(self, command: str) -> tuple[bytes, int]:
        """Run a command line as ``adb shell`` does."""
        environment = dict(ROOT=str(self.root), PATH=f"{self.root}/bin:{os.environ['PATH']}")
        done = subprocess.run(
            ["/usr/bin/env", "sh", "-c", self.inside(command)],
            env=environment,
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return self.outside(done.stdout), done.returncode


class _Connection:
    """One host's packets: six little-endian words, then the payload."""

    def __init__(self, phone: EmulatedPhone, connection: socket.socket):
        self.phone, self.connection = phone, connection
        self.lock = threading.Lock()
        self.streams: dict[int, _Sync] = {}
        self.reverse = phone.reverse = ReversePorts(self.send)

    def send(self, command: int, first: int, second: int, payload: bytes = b"") -> None:
        head = struct.pack("<6I", command, first, second, len(payload), sum(payload), command ^ 0xFFFFFFFF)
        with self.lock:
            self.connection.sendall(head + payload)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.connection.recv(count - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def serve(self) -> None:
        try:
            while True:
                command, first, second, length, _, _ = struct.unpack("<6I", self._read(24))
                self._handle(command, first, second, self._read(length))
        except OSError:
            self.connection.close()

    def _handle(self, command: int, host: int, own: int, payload: bytes) -> None:
        if command == CNXN and self.phone.authorised:
            features = b"shell_v2,cmd,stat_v2" if self.phone.shell_v2 else b"cmd"
            self.send(CNXN, 0x01000001, 1 << 18, BANNER % features)
        elif command == CNXN or (command == AUTH and host == 2):
            self.send(AUTH, 1, 0, bytes(20))
        elif command != OPEN and self.reverse.take(command, host, own, payload):
            pass
        elif command == OPEN:
            self._open(host, payload.rstrip(b"\0").decode())
        elif command == WRTE and host in self.streams:
            self.send(OKAY, host, host)
            answer = self.streams[host].take(payload)
            if answer:
                self.send(WRTE, host, host, answer)
            if self.streams[host].done:
                self.send(CLSE, host, host)
        elif command == CLSE:
            self.streams.pop(host, None)

    def _open(self, host: int, service: str) -> None:
        self.send(OKAY, host, host)
        if service == "sync:":
            self.streams[host] = _Sync(self.phone)
        elif service.startswith("reverse:"):
            self.send(WRTE, host, host, self.reverse.answer(service.removeprefix("reverse:")))
            self.send(CLSE, host, host)
        elif service.startswith("shell"):
            threading.Thread(target=self._shell, args=(host, service.partition(":")[2]), daemon=True).start()
        else:
            self.send(CLSE, 0, host)

    def _shell(self, host: int, command: str) -> None:
        output, code = self.phone.shell(command)
        if VANISH in output:
            self.phone.vanish()
        if self.connection.fileno() < 0:  # the cable is cut
            return
        if self.phone.shell_v2:
            output = struct.pack("<BI", 1, len(output)) + output + struct.pack("<BIB", 3, 1, code)
        else:
            output = output.replace(b"\n", b"\r\n")
        self.send(WRTE, host, host, output)
        self.send(CLSE, host, host)


class _Sync:
    """adb's file transfer: four letters, a length, data."""

    def __init__(self, phone: EmulatedPhone):
        self.phone, self.buffer, self.done = phone, b"", False

    def take(self, data: bytes) -> bytes:
        self.buffer += data
        answers = b""
        while len(self.buffer) >= 8:
            name, length = self.buffer[:4], int.from_bytes(self.buffer[4:8], "little")
            body = 0 if name == b"DONE" else length
            if len(self.buffer) < 8 + body:
                break
            text, self.buffer = self.buffer[8 : 8 + body], self.buffer[8 + body :]
            answers += self._do(name, text)
        return answers

    def _do(self, name: bytes, text: bytes) -> bytes:
        self.done = name == b"QUIT"
        if name in (b"STAT", b"STA2", b"LST2"):
            return self._stat(name, Path(self.phone.inside(text.decode())))
        if name == b"SEND":
            path, _, mode = text.decode().rpartition(",")
            self.target, self.mode, self.content = Path(self.phone.inside(path)), int(mode), b""
        elif name == b"DATA":
            self.content += text
        elif name == b"DONE":
            return self._finish()
        return b""

    def _stat(self, name: bytes, path: Path) -> bytes:
        found = path.stat() if path.exists() else None
        mode, size, when = (found.st_mode, found.st_size, int(found.st_mtime)) if found else (0, 0, 0)
        if name == b"STAT":
            return name + struct.pack("<III", mode, size, when)
        error = 0 if found else 2
        return name + struct.pack("<IQQIIIIQqqq", error, 0, 0, mode, 1, 0, 0, size, when, when, when)

    def _finish(self) -> bytes:
        if self.phone.full:
            message = b"remote write failed: No space left on device"
            return b"FAIL" + struct.pack("<I", len(message)) + message
        if self.target.suffix == ".sh":
            self.content = self.phone.inside(self.content.decode()).encode()
        if self.phone.damages and self.target.suffix == ".tflite":
            self.content = self.content[:-1]
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.target.write_bytes(self.content)
        self.target.chmod(stat.S_IMODE(self.mode) | 0o600)
        return b"OKAY" + bytes(4)
