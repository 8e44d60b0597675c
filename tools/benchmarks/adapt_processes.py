"""Model what a search of ``densevision adapt`` takes with more processes, from times that are measured here.

    python tools/benchmarks/adapt_processes.py SEED.pth WORK_DIR [--short-iters 20] [--processes 1 8 64]

SEED.pth is the checkpoint that the finished search of WORK_DIR started from. Measured are, as CPU time of one thread,
reading the batches of a step, screening a network, training one, and exporting one. A step then takes

    batches + ceil(proposals / processes) * screening + ceil(finalists / processes) * training

and the first process exports the networks that have a measured time, while the others wait. Times of layers are not
counted: they are measured once per device.
"""

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable
from math import ceil
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

from densevision.adapt.seed import read_seed
from densevision.adapt.work import SEED, Base, Job, Worker
from densevision.checkpoints.config import checkpoint_config
from densevision.export.exporter import ExportOptions


def seconds(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began  # one thread: what it takes on a core of its own


def measure(checkpoint: Path, short_iters: int) -> dict[str, float]:
    """Return the seconds of each part."""
    seed = read_seed(checkpoint_config(checkpoint), checkpoint, ExportOptions())
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(seed, short_iters, Path(folder))
        base = Base(SEED, seed.shape)
        screen, train = (Job(1, "one", seed.shape, base, each) for each in (False, True))
        found = dict(batches=seconds(lambda: worker.short.start(1)))
        worker.score(screen)  # the first call is slow
        found |= dict(screening=seconds(lambda: worker.score(screen)), training=seconds(lambda: worker.score(train)))
        seed.write(seed.model, Path(folder, "first.tflite"))
        return found | dict(export=seconds(lambda: seed.write(seed.model, Path(folder, "second.tflite"))))


def total(rows: list[dict], parts: dict[str, float], processes: int) -> float:
    """Return the seconds of a search with the steps of a history."""
    steps: dict[str, list[dict]] = {}
    for row in rows:
        steps.setdefault(row["step"], []).append(row)
    found = parts["export"] * sum(bool(row["measured_ms"]) for row in rows)
    for proposals in steps.values():
        trained = sum(bool(row["score"]) for row in proposals)
        found += parts["batches"] + ceil(len(proposals) / processes) * parts["screening"]
        found += ceil(trained / processes) * parts["training"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, metavar="SEED.pth")
    parser.add_argument("work_dir", type=Path, metavar="WORK_DIR")
    parser.add_argument("--short-iters", type=int, default=20, metavar="N")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 8, 64], metavar="N")
    options = parser.parse_args()
    with (options.work_dir / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    parts = measure(options.checkpoint, options.short_iters)
    print(", ".join(f"{name} {value:.1f} s" for name, value in parts.items()))
    print(f"{len(rows)} networks, {sum(bool(row['score']) for row in rows)} of them trained")
    for processes in options.processes:
        print(f"{processes:4} processes: {total(rows, parts, processes) / 60:.1f} min")


if __name__ == "__main__":
    main()
