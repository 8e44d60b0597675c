"""``densevision.export(...)``: what the command does, as a function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from numbers import Real
from pathlib import Path

from densevision.config.load import Config, as_overrides
from densevision.errors import UserError, as_path
from densevision.export.convert import ExportReport
from densevision.export.exporter import ExportOptions
from densevision.export.job import ExportJob, read_config
from densevision.inference.load import model_task
from densevision.task import Task, foreign_options


def export(
    checkpoint: str | Path,
    out: str | Path,
    config: str | Path | Config | None = None,
    *,
    options: ExportOptions = ExportOptions(),  # noqa: B008
    overrides: Mapping[str, object] | Iterable[str] = (),
    calibration: int | None = None,
    max_drop: float | None = None,
) -> ExportReport:
    """Write a checkpoint's model as a verified .tflite, as ``densevision export`` does.

    Args:
        checkpoint: a file that a training wrote, such as best.pth.
        out: the file to write, MODEL.tflite; it appears only after it passed all checks.
        config: a path, a shipped config's name or a ``Config``; None uses the one that the checkpoint carries.
        options: what kind of file.
        overrides: of config values: a dict by dotted key, or "key=value" texts.
        calibration: number of training images that set the ranges of int8; None uses 100.
        max_drop: evaluate the file, and fail if it loses more points (of 100) than this.
    Raises:
        UserError: config, checkpoint or data are at fault, or the file fails a check.
    """
    checkpoint, out = as_path(checkpoint, "checkpoint"), as_path(out, "out")
    _check_out(out)
    _check_numbers(options, calibration, max_drop)
    found, own = read_config(checkpoint, config, as_overrides(overrides), options.size)
    _check_task(options, model_task(found))
    return ExportJob(found, checkpoint, options, own).run(out, calibration, max_drop)


def _check_out(out: Path) -> None:
    if out.suffix != ".tflite":
        raise UserError(f"{out}: the name must end in .tflite")
    if out.is_symlink() or out.exists() and not out.is_file():
        raise UserError(f"{out} is a link or not a regular file; give another name")
    if out.exists() and out.stat().st_size and out.read_bytes()[4:8] != b"TFL3":
        raise UserError(f"{out}: this file exists and is not a .tflite file; give another name")


def _check_numbers(options: ExportOptions, calibration: int | None, max_drop: float | None) -> None:
    if not isinstance(options, ExportOptions):
        raise UserError(f"options is {options!r}; give a densevision.ExportOptions")
    if calibration is not None and (type(calibration) is not int or calibration < 1):
        raise UserError(f"calibration is {calibration!r}; give a number of images, 1 or more")
    if options.quantize != "int8" and (calibration is not None or options.float_parts):
        name = "float_parts" if calibration is None else "calibration"
        raise UserError(f"{name} would need quantize='int8'; add that, or leave it out")
    if max_drop is not None and not (isinstance(max_drop, Real) and 0 <= max_drop <= 100):  # also NaN
        raise UserError(f"max_drop is {max_drop!r}; give a number of points from 0 to 100")


def _check_task(options: ExportOptions, task: Task) -> None:
    for field in fields(options):
        if f"--{field.name}" in foreign_options(task) and getattr(options, field.name) != field.default:
            raise UserError(f"{field.name} has no meaning for a {task.noun}; leave it out")
