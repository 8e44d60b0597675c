"""Train BCCD's detector from a classifier of its cells and from scratch, at equal iterations, and compare the AP.

    python tools/benchmarks/pretraining.py work_dirs/v3_small_bccd_cells/best.pth --iterations 300 --seeds 0 1 2

Every run is a process of its own; a work dir that is finished is not trained again.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

CONFIG = "ssdlite_v3_small_reduced_bccd"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", type=Path)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/pretraining"))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    found: dict[str, list[float]] = {"scratch": [], "classifier": []}
    for seed in arguments.seeds:
        for start, values in found.items():
            values.append(train(arguments, start, seed))
            print(f"seed {seed}, from {start}: AP {values[-1]:.3f}", flush=True)
    gains = [one - other for one, other in zip(found["classifier"], found["scratch"], strict=True)]
    for name, values in (*found.items(), ("gain", gains)):
        spread = f"{min(values):.3f} to {max(values):.3f}"
        print(f"{name:10} mean AP {statistics.mean(values):.3f} ({spread}), {arguments.iterations} iterations")
    return 0


def train(arguments: argparse.Namespace, start: str, seed: int) -> float:
    """Return the AP of the last evaluation of a training; it evaluates once, at the end."""
    folder = arguments.work_dir / f"{start}_{arguments.iterations}_seed{seed}"
    if not (folder / "report.json").is_file():
        options = [f"train_cfg.{key}={arguments.iterations}" for key in ("max_iters", "val_interval")]
        options.append(f"randomness.seed={seed}")
        if start == "classifier":
            options.append(f"init_from=dict(source='{arguments.classifier}', halved_tail='first_half')")
        words = [sys.executable, "-m", "densevision", "train", CONFIG, "--work-dir", str(folder)]
        environment = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads))
        subprocess.run([*words, "--cfg-options", *options, "--quiet"], check=True, env=environment)
    return float(json.loads((folder / "report.json").read_text())["metrics"]["coco/AP"])


if __name__ == "__main__":
    sys.exit(main())
