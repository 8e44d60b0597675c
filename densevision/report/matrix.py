"""The confusion matrix as a table with shaded cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from densevision.task import TASKS

_LARGE = 25  # classes; a larger table is folded
_PAIRS = 5


def confusion_view(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the page shows of a report's confusion; None without one.

    Detections and images are counted. Pixels are in percent of the class's labeled pixels.
    """
    task = next((one for one in TASKS if content.get(one)), None)
    if task is None:
        return None
    section, counted = content[task], task != "segmentation"
    labels, counts = section["confusion"]["labels"], section["confusion"]["counts"]
    rows, columns = list(labels), list(labels)
    if task == "detection":
        rows[-1], columns[-1] = "nothing there", "missed"
        note = (
            f"Rows: ground truth, columns: detections above the score {section['score_threshold']:.3f}, matched at IoU "
            "0.5 without regard to the class. Shaded by the share of the row."
        )
    else:
        unit = "number of images. Shaded by the share" if counted else "in percent of the pixels"
        note = f"Rows: ground truth, columns: prediction; {unit} of the row."
    return dict(
        note=note,
        columns=columns,
        rows=[
            dict(name=name, cells=_cells(row, index, counted=counted))
            for index, (name, row) in enumerate(zip(rows, counts, strict=True))
        ],
        pairs=_pairs(labels[:-1] if task == "detection" else labels, counts, counted=counted),
        large=len(labels) > _LARGE,
    )


def _cells(row: Sequence[int], index: int, *, counted: bool) -> list[dict[str, str]]:
    total = max(1, sum(row))
    cells = []
    for column, count in enumerate(row):
        share = count / total
        hue = "31,111,235" if column == index else "217,72,15"
        text = str(count) if counted else f"{100 * share:.0f}" if share >= 0.005 else "0"
        cells.append(
            dict(
                text=text if count else "",
                color=f"rgba({hue},{round(0.06 + 0.84 * share, 2)})",
                ink="#fff" if share > 0.55 else "#1c2024",
            )
        )
    return cells


def _pairs(labels: Sequence[str], counts: Sequence[Sequence[int]], *, counted: bool) -> list[dict[str, str]]:
    """Return the most frequent confusions of two classes."""
    number = len(labels)
    found = [
        (count if counted else count / max(1, sum(row)), labels[truth], labels[predicted])
        for truth, row in enumerate(counts[:number])
        for predicted, count in enumerate(row[:number])
        if count and truth != predicted
    ]
    found.sort(key=lambda one: -one[0])
    return [
        dict(truth=truth, predicted=predicted, text=f"({size:,})" if counted else f"({100 * size:.1f} %)")
        for size, truth, predicted in found[:_PAIRS]
        if counted or size >= 0.01
    ]
