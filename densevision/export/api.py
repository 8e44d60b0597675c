"""``densevision.export(...)``: what the command does, as a function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from densevision.config.load import Config, as_overrides
from densevision.errors import UserError, as_path
from densevision.export.convert import ExportReport
from densevision.export.exporter import ExportOptions
from densevision.export.job import ExportJob, read_config
from densevision.export.request import FUNCTION, check_request
from densevision.inference.load import model_task
from densevision.outputs import TFLITE, check_output


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
    if out.suffix != ".tflite":
        raise UserError(f"{out}: the name must end in .tflite")
    if not isinstance(options, ExportOptions):
        raise UserError(f"options is {options!r}; give a densevision.ExportOptions")
    inputs = [checkpoint, config if isinstance(config, str | Path) else None]
    check_output("out", out, TFLITE, inputs, makes_folder=True)
    found, own = read_config(checkpoint, config, as_overrides(overrides), options.size)
    chosen = {one.name: getattr(options, one.name) for one in fields(options)}
    given = {one.name: chosen[one.name] for one in fields(options) if chosen[one.name] != one.default}
    numbers = dict(calibration=calibration, max_drop=max_drop)
    given |= {name: value for name, value in numbers.items() if value is not None}
    check_request(given, model_task(found), FUNCTION)
    return ExportJob(found, checkpoint, options, own).run(out, calibration, max_drop)
