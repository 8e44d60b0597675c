"""One attached phone behind the ``adb`` command. Standard library only."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from densevision.errors import UserError

SHELL_TIMEOUT_S = 900  # of one command on the phone
_REMEDIES = {
    "unauthorized": "unlock it and accept this computer's key",
    "offline": "plug it in again, or run adb reconnect",
    "no permissions": "let your user open it: see adb's udev rules",
}


class NoPhoneError(UserError):
    """There is no phone to use, or no adb."""


class LostPhoneError(UserError):
    """The phone went away in the middle."""


def choose_phone(serial: str | None) -> str:
    """Find the phone to use.

    Args:
        serial: as ``adb devices`` prints it; None takes the only one that is attached.
    Returns:
        The serial of a phone that takes commands.
    Raises:
        NoPhoneError: none is attached, or adb is not installed.
        UserError: there are several to choose from, or the one is not ready.
    """
    states = attached_phones()
    if not states:
        raise NoPhoneError("no phone is attached; plug one in with USB debugging switched on")
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
        """Run a command line; returns its output, stderr too with Android 6 and older.

        Raises:
            LostPhoneError: the phone is no longer there, or does not answer in ``timeout`` seconds.
        """
        done = self._run(["shell", command], timeout)
        if done.returncode:
            self.check_alive()
        return done.stdout

    def push(self, source: Path, target: str) -> None:
        """Copy a file to the phone.

        Raises:
            UserError: the phone does not take it.
        """
        done = self._run(["push", str(source), target], SHELL_TIMEOUT_S)
        if done.returncode:
            self.check_alive()
            said = [line for line in (done.stdout + done.stderr).splitlines() if "error" in line] or ["no reason given"]
            raise UserError(f"{source} can't be copied to phone {self.serial} ({said[0]}); free some space there")

    def check_alive(self) -> None:
        """Raise LostPhoneError unless the phone still answers."""
        if "alive" not in self._run(["shell", "echo alive"], 30).stdout:
            raise LostPhoneError(f"phone {self.serial} is no longer attached; plug it in and repeat the command")

    def _run(self, words: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        try:
            return _adb(["-s", self.serial, *words], timeout)
        except subprocess.TimeoutExpired as error:
            raise LostPhoneError(
                f"phone {self.serial} did not answer in {timeout:g} s; unlock it, plug it in and repeat the command"
            ) from error


def _adb(words: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["adb", *words], capture_output=True, text=True, errors="replace", timeout=timeout, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise NoPhoneError("adb is not installed; it is in Android's platform-tools (Debian: package adb)") from error
