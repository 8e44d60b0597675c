"""Train, evaluate, predict and annotate in one process for minutes, and watch memory, descriptors and threads.

``python -m tests.faults.soak --minutes 30`` prints a row per round and returns 1 if they grow after the second round.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from densevision.cli.main import main as densevision
from tests.faults.folder import chdir
from tests.faults.good import write_setup

MOST_MB = 50  # of growth between the second round and the last
_COMMANDS = (
    ("train", "det.py", "--work-dir", "out", "--quiet"),
    ("train", "seg.py", "--work-dir", "out_seg", "--quiet", "--cfg-options", "train_dataloader.num_workers=1"),
    ("test", "out/best.pth", "--work-dir", "out_test", "--quiet"),
    ("predict", "seg.tflite", "photos", "--json", "out.json", "--quiet"),
    ("demo", "seg.tflite", "--input", "video.avi", "--out", "out.mp4", "--quiet"),
    ("check", "det.py", "--quiet"),
)


@dataclass(frozen=True)
class State:
    """What a process holds: resident memory in MB, open descriptors, threads, child processes."""

    memory_mb: int
    descriptors: int
    threads: int
    children: int


def state() -> State:
    """Return the state of this process, without what only waits for the collection of garbage."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    task = Path("/proc/self/task")
    children = sum(map(_children, task.iterdir()))
    memory = pages * os.sysconf("SC_PAGE_SIZE") >> 20
    return State(memory, len(os.listdir("/proc/self/fd")), len(list(task.iterdir())), children)


def _children(thread: Path) -> int:
    try:
        return len((thread / "children").read_text().split())
    except OSError:  # the thread has ended
        return 0


def grown(states: list[State]) -> list[str]:
    """Return what grew from the second state to the last."""
    first, last = states[1], states[-1]
    limits = (first.memory_mb + MOST_MB, first.descriptors, first.threads, first.children)
    names = ("memory_mb", "descriptors", "threads", "children")
    return [name for name, limit, value in zip(names, limits, astuple(last), strict=True) if value > limit]


def main() -> int:
    """Run rounds until the time is over, two or more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    end = time.monotonic() + 60 * parser.parse_args().minutes
    states: list[State] = []
    with tempfile.TemporaryDirectory() as folder:
        write_setup(Path(folder))
        with chdir(folder):
            while time.monotonic() < end or len(states) < 3:
                for words in _COMMANDS:
                    if status := densevision(list(words)):
                        print(f"{' '.join(words)} ended with {status}")
                        return 1
                states.append(state())
                print(f"round {len(states)}: {states[-1]}", flush=True)
    found = grown(states)
    print(f"{len(states)} rounds; {', '.join(found) + ' grew' if found else 'nothing grew'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
