"""Figures and result files of an evaluation, from the confusion of all images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from densevision.confusion import write_confusion


def compute_scores(confusion: np.ndarray, classes: Sequence[str], top5: float | None) -> dict[str, float]:
    """Compute ``top1``, ``top5`` if given, ``mean_recall``, and ``recall_<class>`` of each class with images.

    Args:
        confusion: [K, K] counts, rows are target classes.
        classes: K names.
        top5: share of images with the class among the five best.
    """
    if not confusion.any():
        return {}
    recall = divide(np.diag(confusion), confusion.sum(1))
    figures = {"top1": float(np.diag(confusion).sum() / confusion.sum())}
    figures |= {} if top5 is None else {"top5": float(top5)}
    figures["mean_recall"] = float(np.nanmean(recall))
    per_class = {f"recall_{name}": float(value) for name, value in zip(classes, recall, strict=True)}
    return figures | {name: value for name, value in per_class.items() if not np.isnan(value)}


def class_columns(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Return recall, precision and F1 [K] of each class in 0..1; NaN where a class does not occur."""
    hit, target, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    return dict(
        recall=divide(hit, target), precision=divide(hit, predicted), f1=divide(2 * hit, target + predicted, target > 0)
    )


def class_table(confusion: np.ndarray, classes: Sequence[str], top5: float | None = None) -> str:
    """Format recall, precision and F1 of each class in percent and its images, then the figures of all images."""
    columns, target = class_columns(confusion), confusion.sum(1)
    width = max(11, *map(len, classes))
    lines = [f"{'class':{width}}  recall  precision      F1  images"]
    for name, recall, precision, f1, images in zip(classes, *columns.values(), target.tolist(), strict=True):
        cells = [_percent(value) for value in (recall, precision, f1)]
        lines.append(f"{name:{width}}  {cells[0]:>6}  {cells[1]:>9}  {cells[2]:>6}  {images:>6,}")
    top1 = np.diag(confusion).sum() / max(1, confusion.sum())
    lines.append(f"{'top-1':{width}}  {_percent(top1):>6}  {'':9}  {'':6}  {target.sum():>6,}")
    if top5 is not None:
        lines.append(f"{'top-5':{width}}  {_percent(top5):>6}")
    if (target > 0).any():
        absent = int((target == 0).sum())
        note = f"  {absent} of {len(classes)} classes without images" if absent else ""
        lines.append(f"{'mean recall':{width}}  {_percent(np.nanmean(columns['recall'])):>6}{note}")
    return "\n".join(lines)


def write_report(
    confusion: np.ndarray, classes: Sequence[str], folder: str | Path, top5: float | None = None
) -> dict[str, str]:
    """Write ``per_class.txt``, the table, and ``confusion.csv`` and ``confusion.png``; return the paths by kind."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "per_class.txt"
    table.write_text(class_table(confusion, classes, top5) + "\n")
    return {"class_table": str(table)} | write_confusion(confusion, classes, folder, "images of the class")


def divide(part: np.ndarray, whole: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
    """Divide counts; NaN where ``whole`` is 0, or where ``where`` is not."""
    wanted = whole > 0 if where is None else where
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=wanted)


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f}"
