"""A Cityscapes folder of two 8x8 frames, for checks by hand."""

import numpy as np
import pytest
from PIL import Image

from densevision.data.check import check_counts, count_lines
from densevision.errors import UserError
from densevision.segmentation.cityscapes import CityscapesDataset

# Upper half sky (23), lower half road (7), one car (26) pixel and one unlabeled (0).
IDS = np.full((8, 8), 23, np.uint8)
IDS[4:] = 7
IDS[4, 4] = 26
IDS[7, 7] = 0
FRAMES = ("bern_000000_000019", "bern_000001_000019")


def write_frame(root, name, ids=IDS, split="val", city="bern"):
    """Write one image (red increases to the right, green downward) and its label file; return both paths."""
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
    """Return the path of the folder."""
    for name in FRAMES:
        write_frame(tmp_path, name)
    return tmp_path


ROAD = {"background": 0, "road": 1}


def mask(*shares):
    """Make an 8x8 mask of (id, pixels) pairs, e.g. mask((0, 56), (255, 8))."""
    ids = np.concatenate([np.full(pixels, id_, np.uint8) for id_, pixels in shares])
    return ids.reshape(8, 8)


def make_dataset(root, masks, classes=None, split="train", **options):
    """Write masks with their images, and read them."""
    for number, ids in enumerate(masks):
        write_frame(root, f"bern_{number:06}_000019", ids, split)
    return CityscapesDataset(str(root), split, classes, **options)


def lines(data, split="train"):
    """Return the lines that are printed before a training or an evaluation."""
    return "\n".join(count_lines(split, data.count(split)))


def fault_of(data, split="train"):
    """Return the one-line error that stops a training or an evaluation."""
    with pytest.raises(UserError) as caught:
        check_counts(split, data.count(split))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check(data, split="train"):
    """Return the counts of a data set without a fault."""
    counts = data.count(split)
    check_counts(split, counts)
    return counts
