"""Training images that are decoded at a part of their size."""

import pytest

from densevision.data.reduced import read_reduced, reduction
from densevision.data.sampler import SampleKey
from densevision.errors import UserError
from densevision.images import read_image
from tests.detection.test_coco_json import dataset
from tests.detection.test_image_sizes import replace_image


def test_the_reduction_by_hand():
    assert reduction((480, 640), (320, 320)) == 1  # half is 240 high
    assert reduction((640, 640), (320, 320)) == 2 and reduction((639, 640), (320, 320)) == 1
    assert reduction((3000, 4000), (320, 320)) == 8 and reduction((3000, 4000), (480, 480)) == 4
    assert reduction((100, 100), (320, 320)) == 1


@pytest.mark.parametrize(("orientation", "stored"), [(1, (160, 320)), (6, (320, 160))])
def test_a_reduced_image_keeps_its_boxes_in_place(coco_root, orientation, stored):
    replace_image(coco_root, (160, 320), stored, orientation)
    path = coco_root / "images" / "a.png"  # a JPEG, whatever its name says
    image, size = read_reduced(path, (20, 40))
    assert image.shape[:2] == (20, 40) and size == (160, 320) == read_image(path).shape[:2]
    full, reduced = dataset(coco_root), dataset(coco_root, min_decoded=1)
    assert full.input_size == (20, 40)
    expected, found = full.load(0, 7)["data_samples"].gt, reduced.load(0, 7)["data_samples"].gt
    assert expected.boxes.shape == (2, 4) and (expected.boxes - found.boxes).abs().max() < 1e-4
    for data in (full, reduced):  # an evaluation reads all pixels
        assert data[0]["data_samples"].ori_size == (160, 320)
    assert (full[0]["inputs"] == reduced[0]["inputs"]).all()


def test_an_image_that_is_small_enough_is_read_as_without_the_option(coco_root):
    replace_image(coco_root, (40, 80), (40, 80), 1)
    key = SampleKey(0, 3)
    assert (dataset(coco_root)[key]["inputs"] == dataset(coco_root, min_decoded=1.5)[key]["inputs"]).all()


def test_faults(coco_root):
    replace_image(coco_root, (40, 80), (320, 160), 1)
    with pytest.raises(UserError, match="annotated as 80x40 .* but it is 160x320"):
        dataset(coco_root, min_decoded=1)[SampleKey(0, 3)]
    with pytest.raises(UserError, match="min_decoded in the data set"):
        dataset(coco_root, min_decoded=0.5)
