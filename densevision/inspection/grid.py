"""Write samples as one PNG, or as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from jinja2 import DictLoader, Environment, StrictUndefined

from densevision.images import encode_image
from densevision.inspection.finding import Finding, Inspection
from densevision.inspection.samples import Sample
from densevision.inspection.text import named
from densevision.visualize import Color

_CELL = (240, 320)  # (height, width) of an image in the PNG
_COLUMNS, _GAP, _BAR = 6, 6, 22
_BACK, _INK, _BAD = (255, 255, 255), (28, 32, 36), (217, 72, 15)
_LISTED = 12  # findings in the page

Samples = Mapping[str, Sequence[Sample]]  # class -> its images
Legend = Sequence[tuple[str, Color]]


def draw_grid(samples: Samples, inspection: Inspection, legend: Legend = ()) -> np.ndarray:
    """Return [H, W, 3] uint8 RGB: a row of images per class, the files of errors and warnings marked.

    Args:
        legend: class names and their colors, below the images.
    """
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
    return np.concatenate([grid, _draw_legend(legend, grid.shape[1])]) if legend else grid


def _draw_legend(legend: Legend, width: int) -> np.ndarray:
    """Write class names next to their colors in as many rows as needed."""
    places, x, y = [], _GAP, _GAP
    for name, _ in legend:
        taken = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)[0][0] + 40
        if x + taken > width and x > _GAP:
            x, y = _GAP, y + _BAR
        places.append((x, y))
        x += taken
    strip = np.full((y + _BAR, width, 3), _BACK, np.uint8)
    for (left, top), (name, color) in zip(places, legend, strict=True):
        cv2.rectangle(strip, (left, top), (left + 14, top + 14), [int(channel) for channel in color], -1)
        _write(strip, name, (left + 20, top + 12), 0.42, _INK)
    return strip


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


@dataclass(frozen=True)
class Page:
    """What is on a page.

    Attributes:
        title: what is shown.
        style: the stylesheet that all pages share.
        samples: class -> its images.
        worst: images that errors and warnings name.
        legend: class names and their colors.
    """

    title: str
    style: str
    samples: Samples
    worst: Sequence[Sample] = ()
    legend: Legend = ()


def render_page(page: Page, inspection: Inspection) -> str:
    """Return the html: the findings with the images that they name first, then the images of each class."""
    folder = files("densevision.inspection")
    texts = {"page": folder.joinpath("browse.html.jinja").read_text()}
    environment = Environment(loader=DictLoader(texts), autoescape=True, undefined=StrictUndefined)
    flags = flagged(inspection)
    return environment.get_template("page").render(
        style=page.style,
        title=page.title,
        legend=[(name, "#{:02x}{:02x}{:02x}".format(*color)) for name, color in page.legend],
        findings=[_described(finding) for finding in inspection.findings[:_LISTED]],
        more=max(0, len(inspection.findings) - _LISTED),
        sections=[
            {"name": name, "samples": [_shown(sample, flags) for sample in shown]}
            for name, shown in {"Images of these findings": page.worst, **page.samples}.items()
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
    return f"data:image/jpeg;base64,{base64.b64encode(encode_image(image, '.jpg')).decode()}"
