"""``densevision export``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.cli.files import add_files, split_files
from densevision.outputs import TFLITE, check_output

if TYPE_CHECKING:
    from densevision.export.convert import ExportOptions, ExportReport
    from densevision.export.job import Drop, ExportJob


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; what is None was not given."""
    add_files(parser)
    _add_file_options(parser)
    _add_task_options(parser)
    parser.add_argument(
        "--max-drop",
        type=float,
        metavar="POINTS",
        help="evaluate the file, and fail if it loses more points (of 100) than this",
    )
    parser.add_argument(
        "--sensitivity",
        action="store_true",
        default=None,
        help="int8: also print the metric with each part of the network quantized alone",
    )
    parser.add_argument(
        "--search",
        action="store_true",
        default=None,
        help="int8: try kinds of ranges, and parts in float where a file loses over --max-drop (0.5 without), on the "
        "val data; keep the best",
    )
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change config values")


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL.tflite", help="the file to write")
    parser.add_argument(
        "--quantize",
        choices=("none", "float16", "int8"),
        default="none",
        help="of the weights, with int8 also of the activations (default: none)",
    )
    parser.add_argument(
        "--input",
        choices=("uint8", "float32"),
        default="uint8",
        dest="input_type",
        help="pixels 0..255, or -1..1 (default: uint8)",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="input size in pixels (default: the detector's own; the size of the test images)",
    )
    parser.add_argument(
        "--calibration",
        type=int,
        metavar="N",
        help="int8: number of training images that set the ranges (default: 100)",
    )
    parser.add_argument(
        "--float-parts",
        nargs="+",
        choices=("se", "stem", "predictors", "head"),
        metavar="PART",
        help="int8: what stays in float: se (the gates), stem (the first convolution), predictors (the last), head",
    )


def _add_task_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--postprocess",
        choices=("nms", "none"),
        help="detector: end in TFLite's detection op, or in boxes and scores (default: nms)",
    )
    parser.add_argument(
        "--nms",
        choices=("across-classes", "per-class"),
        help="detector: NMS of the op within each class, which costs time, or across classes (default: across-classes)",
    )
    parser.add_argument(
        "--labels",
        choices=("argmax", "logits"),
        help="segmentation: end in a label map, or in logits (default: argmax)",
    )
    upsampling = parser.add_mutually_exclusive_group()
    upsampling.add_argument(
        "--upsample",
        type=int,
        choices=(1, 2),
        help="segmentation: upsample the output, whose size is otherwise an eighth of the image's",
    )
    upsampling.add_argument(
        "--full-size", action="store_true", default=None, help="segmentation: an output as large as the image"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write and check the file, and print what it is."""
    from densevision.errors import UserError
    from densevision.export.job import ExportJob, read_config
    from densevision.export.request import COMMAND, check_request
    from densevision.export.search import table
    from densevision.inference.load import model_task

    if arguments.out.suffix != ".tflite":
        raise UserError(f"--out {arguments.out}: the name must end in .tflite")
    check_output("--out", arguments.out, TFLITE, arguments.files, makes_folder=True)
    own_config, checkpoint = split_files(arguments.files)
    if checkpoint.suffix == ".tflite":
        raise UserError(f"{checkpoint} is exported already; give a checkpoint, best.pth")
    config, own = read_config(checkpoint, own_config, arguments.cfg_options, _size(arguments))
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    check_request(given, model_task(config), COMMAND)
    job = ExportJob(config, checkpoint, read_options(arguments), own)
    report = job.run(arguments.out, arguments.calibration, arguments.max_drop)
    for line in report_lines(report):
        print(line)
    if arguments.nms == "per-class":
        print("warning: run this file on one thread: per class, TFLite's op loses class number N on N threads")
    if job.found:
        print(f"int8 search, {len(job.found.tried)} files tried: {table(job.found.record())[-1]}")
        if not job.drop:
            _print_worthless(job.found.metric, job.found.baseline)
    if job.drop:
        for line in drop_lines(job.drop, job.input_size):
            print(line)
    if arguments.sensitivity:
        _print_sensitivity(job, arguments.calibration)
    return 0


def read_options(arguments: argparse.Namespace) -> ExportOptions:
    """Return what kind of file the options ask for."""
    from densevision.export.convert import ExportOptions

    return ExportOptions(
        size=_size(arguments),
        quantize=arguments.quantize,
        input_type=arguments.input_type,
        postprocess=arguments.postprocess or "nms",
        nms=arguments.nms or "across-classes",
        labels=arguments.labels or "argmax",
        upsample=None if arguments.full_size else arguments.upsample or 1,
        float_parts=tuple(arguments.float_parts or ()),
        search=bool(arguments.search),
    )


def _size(arguments: argparse.Namespace) -> tuple[int, int] | None:
    return (arguments.size[0], arguments.size[1]) if arguments.size else None


def report_lines(report: ExportReport) -> list[str]:
    """Return lines on what an export wrote."""

    def counted(ops: dict[str, int]) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in ops.items())

    checks = [f"against PyTorch on {report.parity.images} images: {report.parity.summary()}"] if report.parity else []
    return [
        f"wrote {report.path}: {report.size_bytes:,} bytes, sha256 {report.sha256}",
        f"operators: {counted(report.ops)}",
        f"outside XNNPACK: {sum(report.outside.values())} ({counted(report.outside)})",
        *checks,
        *([f"model card: {report.card}"] if report.card else []),
    ]


def _points(value: float) -> str:
    return f"{100 * value:.2f}"


def _change(loss: float) -> str:
    return f"loses {_points(loss)}" if loss >= 0 else f"gains {_points(-loss)}"


def drop_lines(drop: Drop, size: tuple[int, int]) -> list[str]:
    """Return lines on what a file loses, and on what its kind of output costs.

    Args:
        size: (height, width) of the file's input.
    """
    from densevision.training.metrics import worthless

    lost = f"the file {_change(drop.model - drop.file)}"
    found = [f"{drop.name}: {_points(drop.file)} in the file, {_points(drop.model)} by PyTorch: {lost}"]
    if drop.full_size is not None:
        height, width = size
        found = [
            f"{drop.name}: {_points(drop.file)} in the file, {_points(drop.model)} by PyTorch at the file's "
            f"resolution: {lost}",
            f"{drop.name}: {_points(drop.full_size)} by PyTorch at full resolution: an output of this size from "
            f"{height}x{width} {_change(drop.full_size - drop.model)}",
        ]
    if drop.across_classes is not None:
        loss = drop.model - drop.across_classes
        found.append(
            f"{drop.name}: {_points(drop.across_classes)} by PyTorch with NMS across classes, which "
            f"{_change(loss)}{' of that' if loss >= 0 else ''}; --nms per-class applies NMS as the model does"
        )
    if drop.own_size and drop.at_own_size is not None:
        sizes = [f"{height}x{width}" for height, width in (drop.own_size, size)]
        found.append(
            f"{drop.name}: {_points(drop.at_own_size)} by PyTorch at the config's own {sizes[0]}: an input of "
            f"{sizes[1]} {_change(drop.at_own_size - drop.model)}"
        )
    warning = worthless(drop.name, drop.model)
    return [*found, *([warning] if warning else [])]


def _print_worthless(name: str, value: float) -> None:
    from densevision.training.metrics import worthless

    if warning := worthless(name, value):
        print(warning)


def _print_sensitivity(job: ExportJob, calibration: int | None) -> None:
    name, baseline = job.baseline
    print(f"{'int8 alone':12} {name:>9}    drop")
    for part, value in job.sensitivity(calibration):
        print(f"{part:12} {100 * value:9.2f} {100 * job.sign * (baseline - value):7.2f}", flush=True)
    if not (job.drop or job.found):
        _print_worthless(name, baseline)
