"""A Cityscapes folder of two 8x8 frames, small enough to check by hand."""

import numpy as np
import pytest
from PIL import Image

# Upper half sky (23), lower half road (7), one car (26) pixel and one unlabelled (0).
IDS = np.full((8, 8), 23, np.uint8)
IDS[4:] = 7
IDS[4, 4] = 26
IDS[7, 7] = 0
FRAMES = ("bern_000000_000019", "bern_000001_000019")


def write_frame(root, name, ids=IDS, split="val", city="bern"):
    """Write one image (red grows to the right, green downwards) and its label file; returns both paths."""
    image = np.zeros((*ids.shape, 3), np.uint8)
    image[..., 0] = 10 * np.arange(ids.shape[1])
    image[..., 1] = 10 * np.arange(ids.shape[0])[:, None]
    image_path = root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png"
    label_path = root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png"
    for path, array in ((image_path, image), (label_path, ids)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)
    return image_path, label_path


@pytest.fixture
def cityscapes(tmp_path):
    """The folder's path."""
    for name in FRAMES:
        write_frame(tmp_path, name)
    return tmp_path
