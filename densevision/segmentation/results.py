"""Write the result files of an evaluation: label images, a table, the confusion matrix."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from densevision.images import write_image


def write_label_ids(labels: np.ndarray, img_path: str, label_ids: Sequence[int], out_dir: Path) -> Path:
    """Write one prediction as an image of label ids.

    Args:
        labels: [H, W] class indices 0..K-1.
        img_path: path of the image; the file gets its name and folder (the city), or its whole path if that is
            relative.
        label_ids: id of each class in the data set.
        out_dir: folder of the predictions.
    Returns:
        ``<out_dir>/<city>/<image name>.png``; of Cityscapes a name that its test server and scripts
        accept.
    """
    image = Path(img_path)
    folder = image.parent.name if image.is_absolute() else image.parent
    path = out_dir / folder / f"{image.stem}.png"
    write_image(path, np.asarray(label_ids, np.uint8)[labels])
    return path


def write_report(confusion: np.ndarray, classes: Sequence[str], folder: str | Path) -> dict[str, str]:
    """Write ``iou.txt``, ``confusion.csv`` and ``confusion.png``.

    Args:
        confusion: [K, K] pixel counts, rows are target classes.
        classes: K names.
        folder: created if it does not exist.
    Returns:
        The paths, with the keys ``iou_table``, ``confusion_csv`` and ``confusion_png``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {"iou_table": "iou.txt", "confusion_csv": "confusion.csv", "confusion_png": "confusion.png"}
    paths = {name: folder / file for name, file in files.items()}
    paths["iou_table"].write_text(iou_table(confusion, classes) + "\n")
    with open(paths["confusion_csv"], "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["target \\ predicted", *classes])
        writer.writerows([name, *row] for name, row in zip(classes, confusion.tolist(), strict=True))
    _draw_confusion(confusion, classes, paths["confusion_png"])
    return {name: str(path) for name, path in paths.items()}


def iou_table(confusion: np.ndarray, classes: Sequence[str]) -> str:
    """Format IoU, precision, recall and share of pixels of each class in percent, and the mean IoU.

    A class that neither occurs nor is predicted has a dash and does not count in the mean, as in cityscapesscripts.
    """
    hit, target, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    columns = [
        _ratio(hit, target + predicted - hit),
        _ratio(hit, predicted),
        _ratio(hit, target),
        _ratio(target, np.full_like(target, confusion.sum())),
    ]
    width = max(5, *map(len, classes))
    lines = [f"{'class':{width}}     IoU  precision  recall  pixels"]
    for name, *values in zip(classes, *columns, strict=True):
        cells = ["-" if np.isnan(value) else f"{100 * value:.2f}" for value in values]
        lines.append(f"{name:{width}}  {cells[0]:>6}  {cells[1]:>9}  {cells[2]:>6}  {cells[3]:>6}")
    occurring = columns[0][~np.isnan(columns[0])]
    mean = f"{100 * occurring.mean():.2f}" if occurring.size else "-"
    accuracy = f"{100 * hit.sum() / max(1, confusion.sum()):.2f}"
    note = absent_note(target)
    summary = [f"{'mIoU':{width}}  {mean:>6}{note and '  ' + note}", f"{'aAcc':{width}}  {accuracy:>6}"]
    return "\n".join(lines + summary)


def absent_note(target: np.ndarray) -> str:
    """Return how many of the classes have no labeled pixel, given their pixels [K]; "" if all have some."""
    absent = int((target == 0).sum())
    return f"{absent} of {len(target)} classes {'has' if absent == 1 else 'have'} no pixel" if absent else ""


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _draw_confusion(confusion: np.ndarray, classes: Sequence[str], path: Path) -> None:
    from matplotlib.figure import Figure  # a slow import that only reports need

    shares = np.nan_to_num(confusion / np.maximum(1, confusion.sum(1, keepdims=True)))
    side = 2.5 + 0.5 * len(classes)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.set_ylabel("labeled as")
    axes.set_xlabel("predicted as, % of the labeled pixels")
    for row, column in np.argwhere(shares >= 0.005):
        share = shares[row, column]
        color = "white" if share > 0.6 else "black"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=color)
    figure.savefig(path, dpi=110)
