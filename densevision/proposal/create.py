"""Write a config for a folder of data, and report each choice."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from densevision.atomic import check_writable, write_whole
from densevision.config.load import load_config
from densevision.data.formats.layout import Layout
from densevision.errors import UserError
from densevision.proposal.network import choose_backbone
from densevision.proposal.propose import Parts, check_test_part, divide, propose
from densevision.proposal.start import Start, find_start
from densevision.proposal.write import config_text, image_lists

_FEW = 1000  # images
_FEW_VAL = 10


@dataclass(frozen=True)
class Request:
    """What a user asks of a config.

    Attributes:
        data: the folder of the data, as the user wrote it.
        name: of the config, without suffix.
        model: see ``choose_backbone``.
        target: see ``choose_backbone``.
        weights: see ``find_start``.
    """

    data: str
    name: str
    model: str | None = None
    target: str = "balanced"
    weights: str = "auto"


def create_config(layout: Layout, request: Request, folder: Path, report: Callable[[str], None]) -> Path:
    """Choose all settings, write the config and the lists of its images, and return the config's path.

    Args:
        layout: of the data.
        folder: where the files are written.
        report: prints a line.
    Raises:
        UserError: the data can't be used, or a file of that name exists.
    """
    check_free(folder, request.name)
    backbone = choose_backbone(layout.task, request.model, request.target).value["name"]
    layout, divided = _divide(layout, folder, request.name)
    parts, note = check_test_part(layout, divided)
    report(f"{layout.name} in {layout.shared['data_root']}")
    notes = [f"  {line}" for line in (*layout.notes, *([note] if note else []))]
    for line in (*parts.lines, *notes):
        report(line)
    start = find_start(request.weights, backbone, folder)
    proposal = propose(layout, parts, start, model=request.model, target=request.target)
    for setting, line in proposal.reasons.items():
        report(f"{setting:<9} {line}")
    for line in [*val_advice(parts.images["val"]), *scratch_advice(start, parts.images["train"], request)]:
        report(line)
    files = image_lists(proposal, request.name)
    files[f"{request.name}.py"] = config_text(proposal, request.name, datetime.date.today())
    for file, text in files.items():
        write_whole(folder / file, text.encode(errors="surrogateescape"), "new")
    report(f"wrote {', '.join(sorted(files))}")
    config = folder / f"{request.name}.py"
    load_config(config)
    return config


def _divide(layout: Layout, folder: Path, name: str) -> tuple[Layout, Parts]:
    """Measure and divide the data, without the rotation of EXIF tags where the labels fit only so."""
    try:
        return layout, divide(layout, folder, name)
    except UserError as fault:
        note = "the labels fit the images as stored, so the rotation in the EXIF tags is ignored (exif)"
        stored = replace(layout, shared={**layout.shared, "exif": "ignore"}, notes=(*layout.notes, note))
        try:
            return stored, divide(stored, folder, name)
        except UserError:
            raise fault from None


def check_free(folder: Path, name: str) -> None:
    """Raise a UserError if a file that would be written exists, or the folder is not writable."""
    taken = [file for file in (f"{name}.py", f"{name}_train.txt", f"{name}_val.txt") if (folder / file).exists()]
    if taken:
        raise UserError(f"{taken[0]} exists already and is not overwritten; give another name with --name")
    check_writable(folder / f"{name}.py")


def val_advice(images: int) -> list[str]:
    """Say what a metric on few images is worth."""
    if images >= _FEW_VAL:
        return []
    return [f"metric    of {images:,} val images: it jumps from one evaluation to the next; label more images"]


def scratch_advice(start: Start, images: int, request: Request) -> list[str]:
    """Say what to expect of a training from scratch, and the command for one from published weights."""
    if start.path is not None:
        return []
    lines = []
    if images < _FEW:
        lines.append(
            f"expect    little, unless all images look alike (one camera, one kind of object): {images:,} are few "
            "for a training from scratch"
        )
    if start.later is not None:
        options = ["--name", f"{request.name}_pretrained", "--weights", start.later]
        options += ["--target", request.target] if request.target != "balanced" else []
        options += ["--model", request.model] if request.model else []
        command = shlex.join(["densevision", "new", request.data, *options])
        lines.append(f"later     with a network, published weights need fewer images: {command}")
    return lines
