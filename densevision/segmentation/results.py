"""Result files of an evaluation: label pictures, a table, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from densevision.images import write_image


def write_label_ids(labels: np.ndarray, img_path: str, label_ids: Sequence[int], out_dir: Path) -> Path:
    """Write one prediction as a picture of label ids.

    Args:
        labels: [H, W] class indices 0..K-1.
        img_path: the image; its name and folder (the city) name the file.
        label_ids: id of each class in the data set.
    Returns:
        ``<out_dir>/<city>/<image name>.png``, a name that the Cityscapes test server and its scripts accept.
    """
    image = Path(img_path)
    path = out_dir / image.parent.name / f"{image.stem}.png"
    write_image(path, np.asarray(label_ids, np.uint8)[labels])
    return path
