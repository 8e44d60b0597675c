"""Fuzz readers guided by coverage, with atheris: a case that reaches new lines is damaged further.

``python -m tests.faults.fuzz.guided --seconds 300 [TARGET ...]`` needs ``pip install atheris``. Each target has a
process of its own, in which atheris watches all modules of densevision. What it finds is what ``tests.faults.fuzz.run``
finds: an exception that the reader does not document, 5 seconds, or 2 GB; libFuzzer then prints it, saves the case in
OUT and ends the target.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from tests.faults.fuzz.run import TARGETS

SECONDS, MEGABYTES = 5, 2048  # of one case
_LONGEST = 1 << 20  # bytes


def fuzz(name: str, corpus: Path, words: list[str]) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["densevision"]):  # targets import what they read with when they are made
        target = TARGETS[name](corpus.parent)
        for number, seed in enumerate(target.seeds):
            target.run(seed)  # imports all that it needs
            (corpus / f"seed{number}").write_bytes(seed)

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        draw = Random(seed)
        if draw.random() < 0.7:
            with contextlib.suppress(Exception):  # a case that is no JSON, or no zip, any more
                return target.mutate(data, draw)[:size]
        return atheris.Mutate(data, size)

    atheris.Setup([name, *words, str(corpus)], target.run, custom_mutator=mutate)
    atheris.Fuzz()


def _in_process(name: str, seconds: int, out: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        words = [f"-max_total_time={seconds}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}"]
        words += [f"-max_len={_LONGEST}", f"-artifact_prefix={out}/{name}_", "-print_final_stats=1", "-verbosity=0"]
        command = [sys.executable, "-m", "tests.faults.fuzz.guided", "--one", str(corpus), name, *words]
        return subprocess.run(command).returncode


def main() -> int:
    """Fuzz each target, and return 1 if one has a fault."""
    if sys.argv[1:2] == ["--one"]:
        fuzz(sys.argv[3], Path(sys.argv[2]), sys.argv[4:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    arguments = parser.parse_args()
    os.environ.pop("DENSEVISION_DATA", None)
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in arguments.targets or TARGETS:
        print(f"{name}", flush=True)
        if _in_process(name, arguments.seconds, arguments.out.resolve()):
            failed.append(name)
    print(f"faults: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
