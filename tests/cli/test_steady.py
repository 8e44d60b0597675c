"""What can't end a command, and what ends it in one line: standard output, signals, memory, files, processes."""

import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from densevision.cli.failures import describe_failure
from densevision.cli.signals import ending_signals
from densevision.cli.streams import SteadyStream, steady_streams

ROOT = Path(__file__).parents[2]


def broken_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w")  # noqa: SIM115


def test_a_stream_drops_what_nobody_reads():
    with broken_pipe() as pipe:
        stream = SteadyStream(pipe)
        assert stream.write("a") == 1
        stream.flush()
        assert isinstance(stream.fault, BrokenPipeError)
        assert stream.write("bc") == 2
        stream.writelines(["d", "e"])
        stream.flush()
        assert stream.encoding == pipe.encoding


def test_a_command_that_only_prints_ends_when_nobody_reads():
    with broken_pipe() as pipe:
        stream = SteadyStream(pipe, goes_on=False)
        stream.write("a")
        with pytest.raises(BrokenPipeError):
            stream.flush()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="of Linux")
def test_a_full_disk_is_a_fault_of_the_stream():
    with open("/dev/full", "w") as full:
        stream = SteadyStream(full, goes_on=False)
        stream.write("a")
        stream.flush()
        assert isinstance(stream.fault, OSError) and stream.fault.errno == errno.ENOSPC


def test_no_character_ends_a_command(monkeypatch):
    """A class name in Cyrillic, and a file name that is no UTF-8, on a terminal of Latin letters."""
    output = io.TextIOWrapper(io.BytesIO(), "latin1")
    monkeypatch.setattr(sys, "stdout", output)
    with steady_streams():
        print("\u0436 \udcff é")
    assert output.buffer.getvalue() == b"\\u0436 \\udcff \xe9\n"
    assert sys.stdout is output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_ends_a_command_as_ctrl_c_does(number):
    before = signal.signal(number, signal.SIG_DFL)  # nohup ignores SIGHUP
    try:
        with ending_signals() as ending:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
            assert ending.status(130) == 128 + number and ending.status(0) == 0
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_signals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "memory ran out"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "memory ran out"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "memory ran out"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory ran out"),
        (OSError(errno.EMFILE, "Too many open files", "a.jpg"), "a.jpg can't be opened: too many open files"),
        (RuntimeError("unable to open shared memory object </t> in mode: Too many open files (24)"), "open files"),
        (RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left"), "/dev/shm"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible"), "/dev/shm"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "a loader worker was killed"),
        (RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"), "a loader worker was killed"),
        (RuntimeError("can't start new thread"), "no more processes or threads"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "no more processes or threads"),
        (RuntimeError("[gloo/transport/tcp/pair.cc:525] Connection closed by peer [::1]:4"), "another process"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/x']"), "set TMPDIR"),
        (OSError(errno.ENOSPC, "No space left on device", "a.pth"), "a.pth: No space left on device; free space"),
    ],
)
def test_a_failure_of_the_machine_is_one_line_with_the_remedy(error, words):
    said = describe_failure(error)
    assert said and words in said and "\n" not in said


@pytest.mark.parametrize("error", [RuntimeError("size mismatch"), ValueError("x"), OSError("x"), ImportError("x")])
def test_a_fault_of_the_program_is_none(error):
    assert describe_failure(error) is None


def test_native_code_that_ends_the_process_is_heard(tmp_path):
    code = f"""if 1:
        import ctypes, os
        from pathlib import Path
        from densevision.export.native import hidden_errors
        with hidden_errors(lambda: None):
            os.write(2, b"chatter\\n")
        with hidden_errors(lambda: Path({str(tmp_path)!r}, "removed").touch()):
            os.write(2, b"LLVM ERROR: IO failure on output stream: No space left on device\\n")
            ctypes.CDLL(None).exit(1)
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.returncode == 1 and (tmp_path / "removed").exists()
    assert ran.stderr.startswith("densevision: error: the converter ended this process (LLVM ERROR: IO failure on")


def test_closed_standard_streams_get_no_file_of_ours(tmp_path):
    """A file that got number 1 would contain what native code prints."""
    code = "import sys; from densevision.cli.main import main; s = main(['configs']); print(open(__file__).fileno())"
    (tmp_path / "a.py").write_text(f"{code}; sys.exit(s)\n")
    words = f'exec "{sys.executable}" {tmp_path}/a.py <&- >&- 2>&-'
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run(["bash", "-c", words], env=environment, check=False).returncode == 0
