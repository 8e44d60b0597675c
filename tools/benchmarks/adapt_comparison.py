"""Compare a result of ``densevision adapt`` with its seed and with the width multiplier of equal measured latency.

    python tools/benchmarks/adapt_comparison.py SEED.pth WORK_DIR [--iterations 500] [--seeds 0 1 2] [--only NAME ...] \
        [--out runs/adapt] [--table]

SEED.pth is the checkpoint that the search of WORK_DIR started from. Written to OUT are three configs and their
checkpoints: ``seed``, ``adapted``, and ``multiplier``: all layers of the seed narrowed by one factor, with inherited
weights, and of all factors the one whose file's time is closest to that of adapted.tflite. Latencies are of files that
run in turns; they are in OUT/latency.json. Then each is trained for the same number of iterations with each seed, from
its inherited weights and with its config's schedule scaled to that number; each training is one process with one
thread. A training that ended appends a row to OUT/rows.jsonl and is not repeated; one that was stopped resumes.
``--table`` prints the table of what has ended and trains nothing. Differences are to the seed.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import tricks

from densevision.adapt.latency import Latency, LatencyTable
from densevision.adapt.proposals import uniform
from densevision.adapt.result import write_network
from densevision.adapt.seed import Seed, read_seed
from densevision.adapt.shape import Shape
from densevision.adapt.timers import LocalTimer
from densevision.atomic import write_json
from densevision.benchmark.local import cpu_name
from densevision.benchmark.timing import paired_ratio, time_models
from densevision.checkpoints.config import checkpoint_config
from densevision.errors import UserError
from densevision.export.exporter import ExportOptions

NAMES = ("seed", "adapted", "multiplier")
_TRIES = 3  # files that are written to find the multiplier
_CLOSE = 0.01  # share of the latency that the multiplier's may differ


def read_search(work_dir: Path) -> dict:
    """Return what a finished search was made from.

    Raises:
        UserError: there is none, or it has no result.
    """
    try:
        made_from = json.loads((work_dir / "state.json").read_bytes())["made_from"]
    except OSError as error:
        raise UserError(f"{work_dir}: there is no search of densevision adapt") from error
    if made_from.get("device", cpu_name()) != cpu_name():
        raise UserError(f"{work_dir}: its search measured on {made_from['device']}; this tool measures on this machine")
    missing = [name for name in ("seed.tflite", "adapted.pth", "adapted.tflite") if not (work_dir / name).exists()]
    if missing:
        raise UserError(f"{work_dir}: {missing[0]} is missing; finish the search with densevision adapt --resume")
    return made_from


def closest(shapes: list[Shape], latency: Latency, target_ms: float) -> Shape:
    """Return the shape with the predicted latency closest to a target."""
    return min(shapes, key=lambda shape: abs(latency(shape) - target_ms))


def find_multiplier(seed: Seed, table: LatencyTable, work_dir: Path, out: Path) -> tuple[Shape, Path]:
    """Return the uniform shrink whose file's time is closest to that of the adapted network, and the file.

    Predictions continue from the file that was measured last.
    """
    base, adapted = work_dir / "seed.tflite", work_dir / "adapted.tflite"
    seed_ms = table.file(base)
    target_ms = table.ratio(adapted, base) * seed_ms
    shapes = list(uniform(seed.shape, range(99, 24, -1)))
    latency = Latency(table, seed.geometry, seed.shape, seed_ms)
    latency.prepare([seed.shape, *shapes])
    found: dict[Shape, tuple[float, Path]] = {}
    for number in range(_TRIES):
        shape = closest(shapes, latency, target_ms)
        if shape in found:
            break
        model = seed.narrowed(seed.model, seed.shape, shape)
        path = seed.write(model, out / f"try{number}.tflite")
        measured = table.ratio(path, base) * seed_ms
        print(
            f"multiplier, try {number}: predicted {latency(shape):.2f} ms, measured {measured:.2f}, "
            f"the adapted network {target_ms:.2f}",
            flush=True,
        )
        found[shape] = (abs(measured - target_ms), path)
        if found[shape][0] < _CLOSE * target_ms:
            break
        latency = Latency(table, seed.geometry, shape, measured)
    best = min(found, key=lambda shape: found[shape][0])
    path = found[best][1].rename(out / "multiplier.tflite")
    return best, path


def prepare(options: argparse.Namespace) -> None:
    """Write the three networks' configs and checkpoints, and their latencies; what is there is not repeated."""
    report = options.out / "latency.json"
    if report.exists():
        return
    made_from = read_search(options.work_dir)
    int8 = made_from["quantize"] == "int8"
    size = tuple(made_from["size"]) if made_from.get("size") else None
    config = checkpoint_config(options.checkpoint)
    seed = read_seed(config, options.checkpoint, ExportOptions(size=size, quantize=made_from["quantize"]))
    threads = made_from["threads"]
    table = LatencyTable(LocalTimer(threads), int8=int8)
    shape, path = find_multiplier(seed, table, options.work_dir, options.out)
    narrowed = seed.narrowed(seed.model, seed.shape, shape)
    write_network(seed, seed.shape, seed.model, options.out / "seed.py", "The seed.")
    write_network(seed, shape, narrowed, options.out / "multiplier.py", "The seed narrowed by one factor.")
    checkpoint = options.work_dir / "adapted.pth"
    adapted = read_seed(checkpoint_config(checkpoint), checkpoint, seed.options)
    write_network(seed, adapted.shape, adapted.model, options.out / "adapted.py", "What adapt found.")
    files = (options.work_dir / "seed.tflite", options.work_dir / "adapted.tflite", path)
    timings = time_models(files, threads=threads, runs=100)
    write_json(
        report,
        {
            name: dict(ms=timing.median_ms, ratio=paired_ratio(timing, timings[0]).median)
            for name, timing in zip(NAMES, timings, strict=True)
        },
    )


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, metavar="SEED.pth")
    parser.add_argument("work_dir", type=Path, metavar="WORK_DIR")
    parser.add_argument("--iterations", type=int, default=500, metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("runs/adapt"), metavar="DIR")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args(words)
    options.out.mkdir(parents=True, exist_ok=True)
    options.config = str(options.out / "seed.py")
    failed = []
    try:
        prepare(options)
        variants = {name: str(options.out / f"{name}.py") for name in options.only}
        failed = [] if options.table else tricks.train_all(options, variants)
    except UserError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    for name, found in json.loads((options.out / "latency.json").read_bytes()).items():
        print(f"{name:24} {found['ms']:.2f} ms, {found['ratio']:.3f} of the seed's")
    print("\n".join(tricks.table(tricks.read_rows(options.out / "rows.jsonl"), NAMES)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
