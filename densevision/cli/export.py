"""``densevision export``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.cli.files import TFLITE, check_output

if TYPE_CHECKING:
    from densevision.deploy.export import ExportReport
    from densevision.deploy.exporting import Export


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", type=Path, help="the config file of the training")
    parser.add_argument("checkpoint", type=Path, help="a checkpoint that it wrote, best.pth or iter_N.pth")
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL.tflite", help="the file to write")
    parser.add_argument("--quantize", choices=("none", "float16", "int8"), default="none",
                        help="float16 weights, or int8 throughout (default: none)")
    parser.add_argument("--input", choices=("uint8", "float32"), default="uint8", dest="input_type",
                        help="pixels 0..255, or -1..1 (default: uint8)")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"),
                        help="input size in pixels (default: the detector's own; the size of the test images)")
    parser.add_argument("--calibration", type=int, metavar="N",
                        help="int8: number of training images that set the ranges (default: 100)")
    parser.add_argument("--float-parts", nargs="+", choices=("se", "stem", "predictors", "head"), default=[],
                        help="int8: what stays in float: the SE gates, the first convolution, the last ones, the head")
    parser.add_argument("--postprocess", choices=("nms", "none"), default="nms",
                        help="detector: end in TFLite's detection op, or in boxes and scores (default: nms)")
    parser.add_argument("--labels", choices=("argmax", "logits"), default="argmax",
                        help="segmenter: end in a label map, or in logits (default: argmax)")
    enlarge = parser.add_mutually_exclusive_group()
    enlarge.add_argument("--upsample", type=int, choices=(1, 2), default=1,
                         help="segmenter: enlarge the output, by default an eighth of the image's size")
    enlarge.add_argument("--full-size", action="store_true", help="segmenter: an output as large as the image")
    parser.add_argument("--max-drop", type=float, metavar="POINTS",
                        help="evaluate the file, and fail if it loses more points (of 100) than this")
    parser.add_argument("--sensitivity", action="store_true",
                        help="int8: also print the metric with each part of the network quantised alone")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change config values")


def run(arguments: argparse.Namespace) -> int:
    """Write and check the file, and say what it is."""
    from densevision.deploy.export import ExportOptions
    from densevision.deploy.exporting import Export
    from densevision.errors import UserError

    if arguments.out.suffix != ".tflite":
        raise UserError(f"--out {arguments.out}: the name must end in .tflite")
    inputs = arguments.config, arguments.checkpoint
    check_output("--out", arguments.out, TFLITE, inputs, makes_folder=True)
    if arguments.quantize != "int8" and (arguments.calibration or arguments.float_parts or arguments.sensitivity):
        raise UserError("--calibration, --float-parts and --sensitivity need --quantize int8")
    options = ExportOptions(
        size=tuple(arguments.size) if arguments.size else None, quantize=arguments.quantize,
        input_type=arguments.input_type, postprocess=arguments.postprocess, labels=arguments.labels,
        upsample=None if arguments.full_size else arguments.upsample, float_parts=tuple(arguments.float_parts),
    )
    job = Export(arguments.config, arguments.checkpoint, options, arguments.cfg_options)
    report = job.run(arguments.out, arguments.calibration, arguments.max_drop)
    for line in lines(report, arguments.quantize):
        print(line)
    if job.drop:
        name, before, after = job.drop
        print(f"{name}: {100 * after:.2f} in the file, {100 * before:.2f} by PyTorch with the same outputs")
    if arguments.sensitivity:
        _print_sensitivity(job, arguments.calibration)
    return 0


def lines(report: ExportReport, quantize: str) -> list[str]:
    """Say what an export wrote, in lines."""
    def counted(ops: dict[str, int]) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in ops.items())

    parity = report.parity
    found = [f"largest error of boxes {parity.boxes:.2g} (of the image's side), of scores {parity.scores:.2g}"
             if parity.boxes is not None else f"{parity.labels:.3%} of the labels agree"]
    return [
        f"wrote {report.path}: {report.size_bytes:,} bytes, sha256 {report.sha256}",
        f"operators: {counted(report.ops)}",
        f"outside XNNPACK: {sum(report.outside.values())} ({counted(report.outside)})",
        f"against PyTorch on {parity.images} images: {', '.join(found)}",
    ]


def _print_sensitivity(job: Export, calibration: int | None) -> None:
    name, baseline = job.baseline
    print(f"{'int8 alone':12} {name:>9}    drop")
    for part, value in job.sensitivity(calibration):
        print(f"{part:12} {100 * value:9.2f} {100 * (baseline - value):7.2f}", flush=True)
