"""A COCO data set of three images, small enough to read."""

import json

import numpy as np
import pytest

from densevision.images import write_image

# Category ids with holes, out of order; image 7 has no object; annotation 5 is a crowd, 6 has no width.
TABLE = dict(
    images=[
        dict(id=4, file_name="a.png", height=40, width=80),
        dict(id=7, file_name="b.png", height=40, width=80),
        dict(id=9, file_name="c.png", height=20, width=20),
    ],
    categories=[dict(id=30, name="dog"), dict(id=2, name="cat")],
    annotations=[
        dict(id=0, image_id=4, category_id=30, bbox=[10, 5, 40, 20], area=800, iscrowd=0),
        dict(id=3, image_id=9, category_id=2, bbox=[0, 0, 10, 10], area=100, iscrowd=0),
        dict(id=4, image_id=4, category_id=2, bbox=[60, 20, 20, 20], area=400, iscrowd=0),
        dict(id=5, image_id=9, category_id=2, bbox=[0, 0, 20, 20], area=400, iscrowd=1),
        dict(id=6, image_id=9, category_id=30, bbox=[3, 3, 0, 5], area=0, iscrowd=0),
    ],
)


def write_coco(folder):
    """Write the data set below ``folder``: ``truth.json`` and ``images``; return the folder."""
    for number, image in enumerate(TABLE["images"]):
        pixels = np.full((image["height"], image["width"], 3), 50 * number, np.uint8)
        write_image(folder / "images" / image["file_name"], pixels)
    (folder / "truth.json").write_text(json.dumps(TABLE))
    return folder


@pytest.fixture
def coco_root(tmp_path):
    return write_coco(tmp_path)
