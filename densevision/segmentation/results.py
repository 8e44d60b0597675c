"""Write the result files of an evaluation: label images, a table, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from densevision.confusion import write_confusion
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
    table = folder / "iou.txt"
    table.write_text(iou_table(confusion, classes) + "\n")
    return {"iou_table": str(table)} | write_confusion(confusion, classes, folder, "labeled pixels")


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
