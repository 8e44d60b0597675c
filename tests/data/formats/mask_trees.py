"""Write folders of tiny images and masks."""

import numpy as np
from PIL import Image

PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]  # the first four colors of Pascal VOC


def write_image(path, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(path)


def write_mask(path, *values, palette=None):
    """Write an 8x8 mask: equal bands of ids, or of colors where the values are triples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [values[row * len(values) // 8] for row in range(8)]
    pixels = np.array(rows, np.uint8)[:, None].repeat(8, axis=1)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)


def write_pairs(root, images, masks, *values, count=4, palette=None, ends=(".jpg", ".png")):
    """Write ``count`` images below ``root/images`` and masks below ``root/masks``."""
    for number in range(count):
        write_image(root / images / f"street_{number}{ends[0]}")
        write_mask(root / masks / f"street_{number}{ends[1]}", *values, palette=palette)
    return root
