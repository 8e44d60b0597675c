"""Train variants of a config at one length, with several seeds, and compare their best val metrics.

    python tools/benchmarks/tricks.py CONFIG --variants FILE.py [--iterations N] [--seeds 0 1] [--only NAME ...] \
        [--out runs/tricks] [--table]

FILE.py defines ``VARIANTS``, a dict of name -> overrides by dotted key (as ``densevision.train(overrides=...)`` takes
them), or the path or name of another config:

    VARIANTS = {
        "baseline": {},
        "smooth": {"optim_wrapper.clip_grad.max_norm": 1.0},
        "mine": "my_config.py",
    }

Each run is one process. Without ``--iterations`` each has the length of its config; with it, schedules, warm-up and the
interval of the evaluations are scaled. A run that ended appends a row to OUT/rows.jsonl and is not repeated; one that
was stopped resumes. ``--table`` prints the table of the finished runs and trains nothing. Differences are to the first
variant.
"""

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import runpy
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from densevision.api import train
from densevision.config.load import as_overrides, load_config
from densevision.config.stored import to_plain
from densevision.errors import UserError
from densevision.training.checkpoint_hook import find_last_checkpoint
from densevision.training.lengths import Length, scale_schedule, scaled
from densevision.training.prepare import fill_schedules
from densevision.training.process import tune_process


def read_variants(path):
    """Return name -> overrides or config of a file of variants."""
    variants = runpy.run_path(str(path)).get("VARIANTS")
    if not isinstance(variants, dict) or not variants:
        raise UserError(f"{path}: define VARIANTS, a dict of name -> overrides or config")
    for name, variant in variants.items():
        if not isinstance(name, str) or not re.fullmatch(r"[\w.+-]+", name):
            raise UserError(f"{path}: {name!r} is no name of a variant; use letters, digits, _ . + -")
        if not isinstance(variant, dict | str | Path):
            raise UserError(f"{path}, {name}: give a dict of overrides, or a config's path or name")
    return variants


def load_variant(config, variant, iterations, seed):
    """Return the config of one run, at its length and with its seed."""
    changes = variant if isinstance(variant, dict) else {}
    loaded = load_config(config if isinstance(variant, dict) else variant, as_overrides(changes))
    loaded.merge_from_dict({"randomness.seed": seed})
    if iterations is not None:
        old = loaded.train_cfg.get("max_iters")
        if old is None:
            raise UserError(f"{loaded.filename} counts epochs: state train_cfg.max_iters to compare at one length")
        fill_schedules(loaded)
        interval = max(1, scaled(loaded.train_cfg.get("val_interval", old), old, iterations))
        scale_schedule(loaded, Length(iterations, interval))
    return loaded


def fingerprint(loaded):
    """Return a digest of all that determines a run, so that another variant of the same name is noticed."""
    return hashlib.sha256(json.dumps(to_plain(loaded), sort_keys=True).encode()).hexdigest()[:16]


def run(config, variant, iterations, seed, work_dir):
    """Train one variant in this process; return the part of the row that it measures, or its error."""
    multiprocessing.set_start_method("fork", force=True)  # the configs', about which mmengine would warn
    tune_process()
    try:
        loaded = load_variant(config, variant, iterations, seed)
        resumed = find_last_checkpoint(Path(work_dir)) is not None
        began = time.perf_counter()
        result = train(loaded, work_dir=work_dir, resume=resumed)
    except UserError as error:
        return dict(error=str(error))
    return dict(
        metric=loaded.default_hooks.checkpoint.save_best,
        best=result.best_score,
        last=result.metrics,
        seconds=None if resumed else round(time.perf_counter() - began, 1),  # unknown after an interruption
    )


def commit():
    """Return the commit of this tree, with "+" if it has changes."""
    root = Path(__file__).parent
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, **_TEXT).stdout.strip()
        return head + ("+" if subprocess.run(["git", "diff", "HEAD", "--stat"], cwd=root, **_TEXT).stdout else "")
    return None


_TEXT = dict(check=True, capture_output=True, text=True)


def read_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def find_row(rows, job, digest):
    """Return the row of a run that ended, or None.

    Raises:
        UserError: it was of another variant of this name.
    """
    for row in rows:
        if all(row[key] == value for key, value in job.items()):
            if row["fingerprint"] != digest:
                raise UserError(
                    f"variant {job['variant']!r} is not what its finished runs were (commit {row['commit']}); give it "
                    "another name, or another --out"
                )
            return row
    return None


def train_all(options, variants):
    """Train what has no row yet; return the names of the runs that failed."""
    failed, path = [], options.out / "rows.jsonl"
    for seed in options.seeds:
        for name in variants:
            loaded = load_variant(options.config, variants[name], options.iterations, seed)
            job = dict(variant=name, seed=seed, iterations=loaded.train_cfg.get("max_iters"))
            digest = fingerprint(loaded)
            if find_row(read_rows(path), job, digest):
                continue
            work_dir = options.out / f"{name}_{job['iterations']}_seed{seed}"
            print(f"{name}, seed {seed}: {work_dir}", flush=True)
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                given = (options.config, variants[name], options.iterations, seed, str(work_dir))
                measured = pool.submit(run, *given).result()
            if "error" in measured:
                print(f"{name}, seed {seed}: {measured['error']}", file=sys.stderr, flush=True)
                failed.append(f"{name}, seed {seed}")
                continue
            row = job | measured | dict(config=str(loaded.filename), commit=commit(), fingerprint=digest)
            row |= dict(threads=os.environ.get("OMP_NUM_THREADS"), date=time.strftime("%Y-%m-%d"))
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
    return failed


def table(rows, names):
    """Return the lines of a table: the mean, the spread (highest - lowest) and each seed, in points of 100."""
    lengths = sorted({row["iterations"] for row in rows})
    lines = []
    for length in lengths:
        first = None
        lines.append(f"{'variant':24} {'runs':>4} {'mean':>7} {'gain':>7} {'spread':>7}  by seed, {length} iterations")
        for name in names:
            found = sorted((row for row in rows if (row["variant"], row["iterations"]) == (name, length)), key=_seed)
            scores = {row["seed"]: 100 * row["best"] for row in found if row["best"] is not None}
            if not scores:
                continue
            mean, spread = statistics.mean(scores.values()), max(scores.values()) - min(scores.values())
            first = mean if first is None else first
            by_seed = ", ".join(f"{seed}: {score:.2f}" for seed, score in scores.items())
            lines.append(f"{name:24} {len(scores):4} {mean:7.2f} {mean - first:+7.2f} {spread:7.2f}  {by_seed}")
    return lines


def _seed(row):
    return row["seed"]


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--variants", type=Path, required=True, metavar="FILE.py")
    parser.add_argument("--iterations", type=int, metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], metavar="N")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("runs/tricks"), metavar="DIR")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args(words)
    try:
        variants = read_variants(options.variants)
        unknown = set(options.only or ()) - set(variants)
        if unknown:
            raise UserError(f"{options.variants} has no variant {', '.join(sorted(unknown))}")
        chosen = {name: variants[name] for name in options.only or variants}
        options.out.mkdir(parents=True, exist_ok=True)
        failed = [] if options.table else train_all(options, chosen)
    except UserError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    print("\n".join(table(read_rows(options.out / "rows.jsonl"), chosen)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
