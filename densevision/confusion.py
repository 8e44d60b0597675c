"""Write a confusion matrix: as a table and as an image."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_DRAWN = 40  # classes


def write_confusion(confusion: np.ndarray, classes: Sequence[str], folder: Path, unit: str) -> dict[str, str]:
    """Write ``confusion.csv`` and ``confusion.png``.

    Args:
        confusion: [K, K] counts, rows are target classes.
        classes: K names.
        folder: exists.
        unit: what is counted, for the image: "labeled pixels".
    Returns:
        The paths, with the keys ``confusion_csv`` and ``confusion_png``.
    """
    table, image = folder / "confusion.csv", folder / "confusion.png"
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["target \\ predicted", *classes])
        writer.writerows([name, *row] for name, row in zip(classes, confusion.tolist(), strict=True))
    shown = most_confused(confusion, _DRAWN)
    _draw(confusion[np.ix_(shown, shown)], confusion.sum(1)[shown], [classes[label] for label in shown], image, unit)
    return {"confusion_csv": str(table), "confusion_png": str(image)}


def most_confused(confusion: np.ndarray, most: int) -> list[int]:
    """Return all classes, or of more than ``most`` those with the most errors, as target or as prediction."""
    errors = confusion.sum(0) + confusion.sum(1) - 2 * np.diag(confusion)
    ranked = np.argsort(-errors, kind="stable")[:most] if len(errors) > most else np.arange(len(errors))
    return sorted(ranked.tolist())


def _draw(counts: np.ndarray, totals: np.ndarray, classes: Sequence[str], path: Path, unit: str) -> None:
    from matplotlib.figure import Figure  # a slow import that only reports need

    shares = np.nan_to_num(counts / np.maximum(1, totals[:, None]))
    side = 2.5 + 0.5 * len(classes)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.set_ylabel("labeled as")
    axes.set_xlabel(f"predicted as, % of the {unit}")
    for row, column in np.argwhere(shares >= 0.005):
        share = shares[row, column]
        color = "white" if share > 0.6 else "black"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=color)
    figure.savefig(path, dpi=110)
