"""Commands and files on an attached phone, through ``adb``."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from densevision.errors import UserError

SHELL_TIMEOUT_S = 900  # without output of a command on the phone
_REMEDIES = {
    "unauthorized": "unlock it and accept this computer's key",
    "offline": "plug it in again, or run adb reconnect",
    "no permissions": "give your user access: see adb's udev rules",
}


class NoPhoneError(UserError):
    """There is no phone to use, or no adb."""


class LostPhoneError(UserError):
    """The phone disconnected during the measurement."""


def choose_phone(serial: str | None) -> str:
    """Find the phone to use.

    Args:
        serial: as ``adb devices`` prints it; None selects the only one that is attached.
    Returns:
        The serial of a phone that accepts commands.
    Raises:
        NoPhoneError: none is attached, or adb is not installed.
        UserError: there are several to choose from, or the phone is not ready.
    """
    states = attached_phones()
    if not states:
        raise NoPhoneError("no phone is attached; plug one in with USB debugging enabled")
    if serial is None and len(states) > 1:
        raise UserError(f"{len(states)} phones are attached; choose with --device adb:SERIAL of {', '.join(states)}")
    serial = serial or next(iter(states))
    if serial not in states:
        raise UserError(f"no phone {serial} is attached; there is {', '.join(states)}")
    state = states[serial]
    if state != "device":
        remedy = next((text for name, text in _REMEDIES.items() if state.startswith(name)), "wait until it is ready")
        raise UserError(f"phone {serial} is {state}; {remedy}")
    return serial


def attached_phones() -> dict[str, str]:
    """Return the state of every attached phone by its serial.

    Raises:
        NoPhoneError: adb is not installed.
    """
    lines = _adb(["devices"], SHELL_TIMEOUT_S).stdout.splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)


class Phone:
    """Commands and files on one phone.

    Args:
        serial: from ``choose_phone``.
    """

    def __init__(self, serial: str):
        self.serial = serial

    def shell(self, command: str, timeout: float = SHELL_TIMEOUT_S) -> str:
        """Run a command line and return its output; raises as ``stream``."""
        return "".join(self.stream(command, timeout))

    def stream(self, command: str, timeout: float = SHELL_TIMEOUT_S) -> Iterator[str]:
        """Run a command line and yield the lines of its output, with stderr on Android 6 and older.

        Raises:
            LostPhoneError: the phone is no longer there, or prints nothing for ``timeout`` seconds.
        """
        silent = threading.Event()
        process = subprocess.Popen(
            ["adb", "-s", self.serial, "shell", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None

        def give_up() -> None:
            silent.set()
            process.kill()

        with process:
            try:
                while line := _read_line(process.stdout, timeout, give_up):
                    yield line
            except BaseException:
                process.kill()
                raise
        if silent.is_set():
            raise self._no_answer(timeout)
        if process.returncode:
            self.check_alive()

    def push(self, source: Path, target: str) -> None:
        """Copy a file to the phone.

        Raises:
            UserError: the phone does not accept it.
        """
        done = self._run(["push", str(source), target], SHELL_TIMEOUT_S)
        if done.returncode:
            self.check_alive()
            said = [line for line in (done.stdout + done.stderr).splitlines() if "error" in line] or ["no reason given"]
            raise UserError(f"{source} can't be copied to phone {self.serial} ({said[0]}); free some space there")

    def reverse(self, port: int) -> None:
        """Connect the phone's own port of that number to this machine's, until ``end_reverse``.

        Raises:
            UserError: the port is taken on the phone.
        """
        done = self._run(["reverse", "--no-rebind", f"tcp:{port}", f"tcp:{port}"], 30)
        if done.returncode:
            self.check_alive()
            said = (done.stdout + done.stderr).strip().rpartition("\n")[2] or "no reason given"
            remedy = f"give another --port, or free it with adb -s {self.serial} reverse --remove tcp:{port}"
            raise UserError(f"port {port} of phone {self.serial} can't be used ({said}); {remedy}")

    def end_reverse(self, port: int) -> None:
        """Undo ``reverse``; a phone that is gone has undone it itself."""
        with contextlib.suppress(LostPhoneError):
            self._run(["reverse", "--remove", f"tcp:{port}"], 30)

    def check_alive(self) -> None:
        """Raise LostPhoneError unless the phone still answers."""
        if "alive" not in self._run(["shell", "echo alive"], 30).stdout:
            raise LostPhoneError(f"phone {self.serial} is no longer attached; plug it in and repeat the command")

    def _run(self, words: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        try:
            return _adb(["-s", self.serial, *words], timeout)
        except subprocess.TimeoutExpired as error:
            raise self._no_answer(timeout) from error

    def _no_answer(self, timeout: float) -> LostPhoneError:
        return LostPhoneError(
            f"phone {self.serial} did not answer in {timeout:g} s; unlock it, plug it in and repeat the command"
        )


def _read_line(stream: IO[str], timeout: float, give_up: Callable[[], None]) -> str:
    timer = threading.Timer(timeout, give_up)
    timer.start()
    try:
        return stream.readline()
    finally:
        timer.cancel()


def _adb(words: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["adb", *words], capture_output=True, text=True, errors="replace", timeout=timeout, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise NoPhoneError("adb is not installed; it is in Android's platform-tools (Debian: package adb)") from error
