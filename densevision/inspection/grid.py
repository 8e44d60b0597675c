"""Write samples as one PNG, or as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from jinja2 import DictLoader, Environment, StrictUndefined

from densevision.images import encode_image
from densevision.inspection.finding import Finding, Inspection
from densevision.inspection.samples import Sample
from densevision.inspection.text import named

_CELL = (240, 320)  # (height, width) of an image in the PNG
_COLUMNS, _GAP, _BAR = 6, 6, 22
_BACK, _INK, _BAD = (255, 255, 255), (28, 32, 36), (217, 72, 15)
_PAGE_WIDTH = 560  # pixels of an image in the page
_LISTED = 12  # findings in the page

Samples = Mapping[str, Sequence[Sample]]  # class -> its images


def draw_grid(samples: Samples, inspection: Inspection) -> np.ndarray:
    """Return [H, W, 3] uint8 RGB: a row of images per class, the files of errors and warnings marked."""
    flags = flagged(inspection)
    rows = []
    for name, shown in samples.items():
        cells = [cell for sample in shown for cell in _cells(sample, flags.get(sample.path, ()))]
        for start in range(0, len(cells), _COLUMNS):
            rows.append((name if start == 0 else "", cells[start : start + _COLUMNS]))
    columns = max((len(cells) for _, cells in rows), default=1)
    height, width = _CELL[0] + 2 * _BAR + _GAP, _CELL[1] + _GAP
    grid = np.full((max(1, len(rows)) * height + _GAP, columns * width + _GAP, 3), _BACK, np.uint8)
    for number, (name, cells) in enumerate(rows):
        top = number * height + _GAP
        _write(grid, name, (_GAP, top + _BAR - 7), 0.6, _INK)
        for column, (image, caption, color) in enumerate(cells):
            left = column * width + _GAP
            grid[top + _BAR : top + _BAR + _CELL[0], left : left + _CELL[1]] = image
            _write(grid, caption, (left, top + 2 * _BAR + _CELL[0] - 8), 0.42, color)
    return grid


def _cells(sample: Sample, kinds: Sequence[str]) -> list[tuple[np.ndarray, str, tuple[int, int, int]]]:
    """Return image, caption and its color: of the image, and of the image after augmentation if there is one."""
    caption = os.path.basename(sample.path)
    caption = caption if len(caption) <= 38 else f"...{caption[-35:]}"
    if kinds or sample.fault:
        caption = f"{', '.join(kinds) or 'unreadable'}: {caption}"
    cells = [(_fit(sample.plain), caption[:44], _BAD if kinds or sample.fault else _INK)]
    if sample.augmented is not None:
        cells.append((_fit(sample.augmented), "after augmentation", _INK))
    return cells


def _fit(image: np.ndarray | None) -> np.ndarray:
    """Scale an image into a cell, its proportions kept."""
    cell = np.full((*_CELL, 3), 232, np.uint8)
    if image is not None:
        scale = min(_CELL[0] / image.shape[0], _CELL[1] / image.shape[1])
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        top, left = (_CELL[0] - height) // 2, (_CELL[1] - width) // 2
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        cell[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=how)
    return cell


def _write(grid: np.ndarray, text: str, place: tuple[int, int], scale: float, color: tuple[int, int, int]) -> None:
    plain = text.encode("ascii", "replace").decode()  # the font has no other letters
    cv2.putText(grid, plain, place, cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA)


def flagged(inspection: Inspection) -> dict[str, tuple[str, ...]]:
    """Return path -> kinds of the errors and warnings that name the file."""
    kinds: dict[str, tuple[str, ...]] = {}
    for finding in inspection.findings:
        for path in finding.files if finding.severity != "note" else ():
            kinds[path] = (*kinds.get(path, ()), finding.kind)
    return kinds


def render_page(title: str, samples: Samples, worst: Sequence[Sample], inspection: Inspection, style: str) -> str:
    """Return the page: the findings with the images that they name first, then the images of each class.

    Args:
        title: what is shown.
        worst: images that errors and warnings name.
        style: the stylesheet that all pages share.
    """
    folder = files("densevision.inspection")
    texts = {"page": folder.joinpath("browse.html.jinja").read_text()}
    environment = Environment(loader=DictLoader(texts), autoescape=True, undefined=StrictUndefined)
    flags = flagged(inspection)
    return environment.get_template("page").render(
        style=style,
        title=title,
        findings=[_described(finding) for finding in inspection.findings[:_LISTED]],
        more=max(0, len(inspection.findings) - _LISTED),
        sections=[
            {"name": name, "samples": [_shown(sample, flags) for sample in shown]}
            for name, shown in {"Images of these findings": worst, **samples}.items()
            if shown
        ],
    )


def _described(finding: Finding) -> dict[str, str]:
    return dict(
        severity=finding.severity,
        text=f"{finding.split}: {finding.text}",
        effect=finding.effect,
        files=named(finding.files) if finding.files else "",
    )


def _shown(sample: Sample, flags: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    images = [_embedded(image) for image in (sample.plain, sample.augmented) if image is not None]
    name = os.path.basename(sample.path)
    return dict(name=name, images=images, flags=flags.get(sample.path, ()), fault=sample.fault)


def _embedded(image: np.ndarray) -> str:
    scale = min(1.0, _PAGE_WIDTH / image.shape[1])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    data = encode_image(cv2.resize(image, size, interpolation=cv2.INTER_AREA), ".jpg")
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
