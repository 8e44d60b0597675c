"""``densevision adapt``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from densevision.cli.parsing import thread_count

if TYPE_CHECKING:
    from densevision.adapt.history import Row
    from densevision.adapt.plan import Plan
    from densevision.adapt.search import Search
    from densevision.adapt.timers import Timer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="CHECKPOINT of a training, or CONFIG CHECKPOINT, where another config is to be used",
    )
    parser.add_argument(
        "--target-latency",
        required=True,
        metavar="T",
        help="of the .tflite on the device: 8.5ms, or 0.7x of the checkpoint's own",
    )
    parser.add_argument("--step", type=float, metavar="SHARE", help="of the latency that a step saves (default: 0.015)")
    parser.add_argument(
        "--short-iters",
        type=int,
        default=20,
        metavar="N",
        help="iterations that the best proposals of a step are trained (default: 20; 0: only recalibrated)",
    )
    parser.add_argument(
        "--search",
        choices=("greedy", "evolution"),
        default="greedy",
        help="narrow step by step, or evolve kernels, expansions, gates, layers and widths of the stages by "
        "--reward product (default: greedy)",
    )
    parser.add_argument(
        "--evaluations", type=int, metavar="N", help="networks that --search evolution trains briefly (default: 64)"
    )
    parser.add_argument("--quantize", choices=("none", "int8"), default="none", help="of the timed files")
    parser.add_argument(
        "--device", metavar="adb[:SERIAL]", help="measure on an attached phone (default: on this machine)"
    )
    parser.add_argument("--binary", type=Path, metavar="PATH", help="benchmark_model for the phone's processor")
    parser.add_argument("--threads", type=thread_count, default=1, metavar="N", help="of the runtime (default: 1)")
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("H", "W"), help="segmentation: input size (default: the test images')"
    )
    parser.add_argument(
        "--reward",
        choices=("slope", "product"),
        help="choose by accuracy per saved time, or by accuracy * (latency / target) ** w (default: slope; of an "
        "evolution: product)",
    )
    parser.add_argument("--w", type=float, help="exponent of --reward product (default: -0.07)")
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch", "slurm"),
        default="none",
        help="spread the proposals over the processes that torchrun or srun has started",
    )
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="default: work_dirs/adapt_<config name>")
    parser.add_argument("--resume", action="store_true", help="continue the search of the work dir")
    parser.add_argument("--train-final", action="store_true", help="then train the result with the config's schedule")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change config values")


def run(arguments: argparse.Namespace) -> int:
    """Search, and write the result; with a launcher the first process does, the others score what it asks for."""
    plan = _plan(arguments)
    from densevision.adapt.history import check_folder
    from densevision.adapt.latency import LatencyTable
    from densevision.adapt.search import Search
    from densevision.adapt.seed import read_seed
    from densevision.adapt.team import Team, join
    from densevision.adapt.work import Worker
    from densevision.checkpoints.config import checkpoint_config
    from densevision.export.exporter import ExportOptions

    given, checkpoint = _files(arguments.files)
    config = checkpoint_config(checkpoint, given, arguments.cfg_options)
    size = tuple(arguments.size) if arguments.size else None
    seed = read_seed(config, checkpoint, ExportOptions(size=size, quantize=arguments.quantize))
    folder = arguments.work_dir or Path("work_dirs", f"adapt_{Path(config.filename).stem}")
    group = join(arguments.launcher)
    timer = None if group and group.rank else _timer(arguments)
    if timer:
        check_folder(folder)
    worker = Worker(seed, plan.short_iters, folder)
    team = Team(worker.score, group)
    if timer is None:
        team.serve()
        return 0
    try:
        table = LatencyTable(timer, int8=arguments.quantize == "int8")
        search = Search(worker, plan, table, team, resume=arguments.resume)
        last = _run(search)
    finally:
        team.end()
    return _finish(search, last, train=arguments.train_final)


def _timer(arguments: argparse.Namespace) -> Timer:
    from densevision.adapt.timers import LocalTimer, PhoneTimer
    from densevision.benchmark.phone.driver import Plan
    from densevision.errors import UserError

    if arguments.device is None and arguments.binary is None:
        return LocalTimer(arguments.threads)
    if arguments.device is None:
        raise UserError("--binary is for a phone; add --device adb")
    if arguments.binary is None:
        raise UserError("--device adb needs --binary, TFLite's benchmark_model; docs/benchmark.md says where to get it")
    kind, _, serial = arguments.device.partition(":")
    if kind != "adb":
        raise UserError(f"--device {arguments.device}: adapt measures on attached phones; give adb, or adb:SERIAL")
    return PhoneTimer(serial or None, arguments.binary, Plan(threads=arguments.threads))


def _run(search: Search) -> Row:
    from densevision.adapt.evolved import evolve_network
    from densevision.adapt.search import Search

    print(f"{'step':>4} {'ms':>8} {'of seed':>8} {'measured':>9} {'score':>8}  narrowed", flush=True)
    find = evolve_network if search.plan.evaluations else Search.run
    return find(search, lambda row: print(_line(row, search.seed_ms), flush=True))


def _finish(search: Search, last: Row, *, train: bool) -> int:
    from densevision.adapt.result import write_result

    result = write_result(search, last)
    measured = last.measured_ms or last.latency_ms
    print(f"{result.tflite}: {measured:.2f} ms, {measured / search.seed_ms:.3f} of the seed's {search.seed_ms:.2f} ms")
    if measured > search.target_ms:
        print(f"over the target of {search.target_ms:.2f} ms, which an evolution only weighs: try a --w nearer to -1")
    print(f"history: {search.folder / 'history.csv'}, {search.folder / 'history.png'}")
    if train:
        from densevision import api
        from densevision.training.checkpoint_hook import find_last_checkpoint

        final = search.folder / "final"
        trained = api.train(result.config, work_dir=final, resume=find_last_checkpoint(final) is not None)
        print(f"trained; checkpoints are in {trained.work_dir}")
        return 0
    print(f"densevision train {result.config}   trains it with the whole schedule, from these weights")
    print(f"densevision test {result.checkpoint}   evaluates it as it is")
    return 0


def _plan(arguments: argparse.Namespace) -> Plan:
    from densevision.adapt.plan import Plan, Target, parse_target
    from densevision.errors import UserError
    from densevision.structures import check_range, check_whole

    evolves = arguments.search == "evolution"
    if arguments.evaluations is not None and not evolves:
        raise UserError("--evaluations is of --search evolution; omit it, or add that")
    if evolves and arguments.reward == "slope":
        raise UserError("--search evolution: --reward slope compares steps; leave it out, or give --reward product")
    if evolves and arguments.step is not None:
        raise UserError("--step is of the greedy search; omit it, or --search evolution")
    evaluations = 64 if arguments.evaluations is None else arguments.evaluations
    check_whole("--evaluations", evaluations, low=1)
    step = 0.015 if arguments.step is None else arguments.step
    check_range("--step", step, low=0, high=0.5, with_low=False)
    reward: Literal["slope", "product"] = "product" if evolves or arguments.reward == "product" else "slope"
    if arguments.w is not None and reward == "slope":
        raise UserError("--w is the exponent of --reward product; omit it, or add that")
    w = -0.07 if arguments.w is None else arguments.w
    check_range("--w", w, low=-10, high=0)
    check_whole("--short-iters", arguments.short_iters, low=0)
    target = parse_target(arguments.target_latency)
    if target == Target(1, relative=True) and not evolves:
        raise UserError("--target-latency 1x leaves nothing to narrow; give a smaller share, or --search evolution")
    return Plan(
        target,
        step=step,
        short_iters=arguments.short_iters,
        reward=reward,
        w=w,
        evaluations=evaluations if evolves else None,
    )


def _files(files: list[Path]) -> tuple[Path | None, Path]:
    from densevision.errors import UserError

    checkpoint = files[-1]
    if len(files) > 2 or checkpoint.suffix == ".tflite" or (len(files) == 1 and checkpoint.suffix in (".py", "")):
        raise UserError(
            f"{' '.join(map(str, files))}: adapt narrows a trained network; give CHECKPOINT or CONFIG CHECKPOINT, "
            "where densevision train CONFIG writes best.pth"
        )
    return (files[0] if len(files) == 2 else None), checkpoint


def _line(row: Row, seed_ms: float) -> str:
    measured = "" if row.measured_ms is None else f"{row.measured_ms:.2f}"
    share = (row.measured_ms or row.latency_ms) / seed_ms
    return f"{row.step:4} {row.latency_ms:8.2f} {share:8.3f} {measured:>9} {row.score or 0:8.4f}  {row.name}"
