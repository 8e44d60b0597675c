"""Time every operation of a .tflite on this machine, through the C interface of ai-edge-litert's library.

The Python interface has no profiler; ``libLiteRt.so`` exports one. This module runs in a separate process
(``python -m densevision.benchmark.profile MODEL THREADS RUNS``, see ``inspect_model``): the library writes to
stderr, can abort on a damaged graph, and memory is measured from a clean start.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Mapping
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from pathlib import Path

from densevision.errors import UserError

OUTSIDE, INSIDE = 2, 8  # LiteRtProfiler's event types: an operation of the interpreter, one of a delegate
_CPU = 1  # LiteRtHwAccelerators


@dataclass(frozen=True)
class Op:
    """One operation: its kernel's name, whether XNNPACK ran it, and its median time."""

    kind: str
    in_xnnpack: bool
    ms: float


@dataclass(frozen=True)
class Inspection:
    """Measurements of one file in a new process.

    Attributes:
        peak_bytes: peak memory of loading and running, above the empty runtime; None without /proc.
        ops: in execution order; empty without a profile.
    """

    peak_bytes: int | None
    ops: tuple[Op, ...]


def inspect_model(path: Path, *, threads: int = 1, profile_runs: int = 0) -> Inspection:
    """Measure memory, and with ``profile_runs`` the operations, in a separate process.

    Raises:
        UserError: that process failed.
    """
    words = [sys.executable, "-m", "densevision.benchmark.profile", path, threads, profile_runs]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{path} can't be profiled: {last}; check that it runs with densevision test")
    result = json.loads(done.stdout.splitlines()[-1])
    return Inspection(result["peak_bytes"], tuple(Op(*op) for op in result["ops"]))


def time_by_kind(ops: tuple[Op, ...]) -> dict[tuple[str, bool], tuple[int, float]]:
    """Add up (count, ms) by (kind, in_xnnpack), most expensive first."""
    sums: dict[tuple[str, bool], tuple[int, float]] = {}
    for op in ops:
        count, ms = sums.get((op.kind, op.in_xnnpack), (0, 0.0))
        sums[op.kind, op.in_xnnpack] = count + 1, ms + op.ms
    return dict(sorted(sums.items(), key=lambda item: -item[1][1]))


class _Layout(ctypes.Structure):
    _fields_ = [("rank", c_uint32), ("dims", c_int32 * 8), ("strides", c_uint32 * 8)]


class _TensorType(ctypes.Structure):
    _fields_ = [("element", c_int), ("layout", _Layout)]


class _Memory(ctypes.Structure):
    _fields_ = [("total", c_size_t), ("allocated", c_size_t), ("in_use", c_size_t)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("tag", c_char_p),
        ("type", c_int),
        ("start_us", c_uint64),
        ("elapsed_us", c_uint64),
        ("begin", _Memory),
        ("end", _Memory),
        ("metadata1", c_uint64),
        ("metadata2", c_uint64),
        ("source", c_int),
    ]


_KEEP = ctypes.CFUNCTYPE(None, c_void_p)(lambda payload: None)  # Python frees the option texts


class _Library:
    """``libLiteRt.so``; a status code other than 0 becomes an exception."""

    def __init__(self) -> None:
        import ai_edge_litert

        self._library = ctypes.CDLL(str(next(Path(ai_edge_litert.__file__).parent.glob("libLiteRt.*"))))
        self._texts: list[ctypes.Array] = []

    def call(self, name: str, *values: object) -> None:
        status = getattr(self._library, f"LiteRt{name}")(*values)
        if status:
            raise RuntimeError(f"LiteRt{name} returned {status}")

    def make(self, name: str, *values: object) -> c_void_p:
        """Call a function that creates an object, and return the object."""
        made = c_void_p()
        self.call(name, *values, byref(made))
        return made

    def add_option(self, options: c_void_p, identifier: bytes, toml: str) -> None:
        self._texts.append(ctypes.create_string_buffer(toml.encode()))
        text = ctypes.cast(self._texts[-1], c_void_p)
        self.call("AddOpaqueOptions", options, self.make("CreateOpaqueOptions", identifier, text, _KEEP))


class _ProfiledModel:
    def __init__(self, path: Path, threads: int):
        self.library = library = _Library()
        self.environment = library.make("CreateEnvironment", c_int(0), None)
        file = library.make("CreateModelFromFile", self.environment, str(path).encode())
        options = library.make("CreateOptions")
        library.call("SetOptionsHardwareAccelerators", options, c_int(_CPU))
        library.add_option(options, b"runtime_options_string", "enable_profiling = true\n")
        library.add_option(options, b"xnnpack", f"num_threads = {threads}\n")
        self.model = library.make("CreateCompiledModel", self.environment, file, options)
        signature = library.make("GetModelSignature", file, c_size_t(0))
        self.inputs, self.outputs = (self._buffers(signature, way) for way in ("Input", "Output"))
        self.profiler = library.make("CompiledModelGetProfiler", self.model)

    def _buffers(self, signature: c_void_p, way: str) -> ctypes.Array:
        library, count = self.library, c_size_t()
        library.call(f"GetNumSignature{way}s", signature, byref(count))
        buffers = (c_void_p * count.value)()
        for index in range(count.value):
            tensor = library.make(f"GetSignature{way}TensorByIndex", signature, c_size_t(index))
            kind = _TensorType()
            library.call("GetRankedTensorType", tensor, byref(kind))
            place = (self.model, c_size_t(0), c_size_t(index))
            needs = library.make(f"GetCompiledModel{way}BufferRequirements", *place)
            made = library.make("CreateManagedTensorBufferFromRequirements", self.environment, byref(kind), needs)
            buffers[index] = made
        return buffers

    def run(self) -> None:
        sizes = (c_size_t(len(self.inputs)), c_size_t(len(self.outputs)))
        self.library.call("RunCompiledModel", self.model, c_size_t(0), sizes[0], self.inputs, sizes[1], self.outputs)

    def events(self) -> ctypes.Array:
        """Run once under the profiler."""
        for step in ("ResetProfiler", "StartProfiler"):
            self.library.call(step, self.profiler)
        self.run()
        self.library.call("StopProfiler", self.profiler)
        count = c_int()
        self.library.call("GetNumProfilerEvents", self.profiler, byref(count))
        events = (_Event * count.value)()
        self.library.call("GetProfilerEvents", self.profiler, count, ctypes.cast(events, POINTER(_Event)))
        return events


def profile_ops(path: Path, threads: int, runs: int) -> list[Op]:
    """Return every operation with its median time over the runs."""
    from statistics import median

    model = _ProfiledModel(path, threads)
    for _ in range(3):
        model.run()
    rounds = [
        [(e.tag.decode(), e.type, e.elapsed_us) for e in model.events() if e.type in (INSIDE, OUTSIDE)]
        for _ in range(runs)
    ]
    return [
        Op(same[0][0], same[0][1] == INSIDE, median(us for *_, us in same) / 1e3) for same in zip(*rounds, strict=True)
    ]


def peak_bytes(path: Path, threads: int) -> int | None:
    """Load and run a file once, and return the peak growth of the process's resident memory."""
    import ai_edge_litert.interpreter  # noqa: F401  the empty runtime does not count

    from densevision.benchmark.timing import open_model

    before = _process_status().get("VmRSS")
    open_model(path, threads).invoke()
    return None if before is None else _process_status()["VmHWM"] - before


def _process_status() -> Mapping[str, int]:
    """Return the sizes in /proc/self/status in bytes; empty without this file."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {
        name: 1024 * int(value.split()[0])
        for name, _, value in (line.partition(":") for line in lines)
        if name.startswith("Vm")
    }


def _main(path: str, threads: str, runs: str) -> None:
    peak = peak_bytes(Path(path), int(threads))
    ops = profile_ops(Path(path), int(threads), int(runs)) if int(runs) else []
    print(json.dumps(dict(peak_bytes=peak, ops=[(op.kind, op.in_xnnpack, op.ms) for op in ops])))


if __name__ == "__main__":
    _main(*sys.argv[1:])
