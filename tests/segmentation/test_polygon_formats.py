"""Label maps from LabelMe json and CVAT xml: order, rectangles, circles and painted masks."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from densevision.data.formats.outlines import check_pixels, decode_runs, ellipse_polygon, paste_mask
from densevision.data.formats.recognize import recognize
from densevision.errors import UserError
from densevision.segmentation.polygons import PolygonDataset
from tests.data.formats.mask_trees import write_image
from tests.segmentation.conftest import check


def png(mask):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def shape(label, points, kind="polygon", **more):
    return dict(label=label, points=points, shape_type=kind, **more)


def labelme(root, *shapes):
    write_image(root / "a.jpg", (16, 16))
    content = dict(shapes=shapes, imagePath="a.jpg", imageHeight=16, imageWidth=16)
    (root / "a.json").write_text(json.dumps(content))
    layout = recognize(root, "segmentation")
    return PolygonDataset(**layout.shared, **layout.parts["all"])


CAR = shape("car", [[2, 2], [6, 2], [6, 6], [4, 7], [2, 6]])
ROAD = shape("road", [[0, 0], [16, 0], [16, 12], [8, 13], [0, 12]])


def test_the_later_shape_of_labelme_is_on_top(tmp_path):
    data = labelme(tmp_path, ROAD, CAR)
    assert data.metainfo["classes"] == ("background", "car", "road")
    assert data.read_labels(0)[3, 3] == 1
    assert labelme(tmp_path, CAR, ROAD).read_labels(0)[3, 3] == 2  # the road covers the car
    check(data)


def test_rectangles_circles_and_painted_masks_of_labelme(tmp_path):
    painted = np.array([[True, False], [True, True]])
    data = labelme(
        tmp_path,
        shape("a", [[1, 1], [4, 3]], "rectangle"),
        shape("b", [[10, 10], [10, 14]], "circle"),  # center, point on the edge: radius 4
        shape("c", [[12, 1], [13, 2]], "mask", mask=png(painted)),
    )
    labels = data.read_labels(0)
    assert (labels == 1).sum() == 6 and (labels[1:3, 1:4] == 1).all()
    assert 0.9 * np.pi * 16 < (labels == 2).sum() < 1.1 * np.pi * 16
    assert (labels[1:3, 12:14] == 3).tolist() == painted.tolist()


def test_labels_to_ignore_are_ignored(tmp_path):
    data = labelme(tmp_path, ROAD, shape("__ignore__", CAR["points"]))
    assert data.metainfo["classes"] == ("background", "road") and data.read_labels(0)[3, 3] == 255


def test_cvat_xml(tmp_path):
    write_image(tmp_path / "images/a.jpg", (8, 8))
    (tmp_path / "annotations.xml").write_text(
        '<annotations><image id="0" name="a.jpg" width="8" height="8">'
        '<polygon label="road" points="0,4;8,4;8,8;4,8;0,8" z_order="0"/>'
        '<mask label="car" rle="1, 2, 1" left="6" top="2" width="2" height="2" z_order="1"/>'
        '<ellipse label="sun" cx="2" cy="2" rx="2" ry="1" z_order="1"/></image></annotations>'
    )
    layout = recognize(tmp_path, "segmentation")
    data = PolygonDataset(**layout.shared, **layout.parts["all"])
    labels = data.read_labels(0)
    assert data.metainfo["classes"] == ("background", "car", "road", "sun")
    assert (labels[4:] == 2).all()
    assert (labels[2:4, 6:] == 1).tolist() == [[False, True], [True, False]]  # zeros first, row by row
    assert 4 <= (labels == 3).sum() <= 8  # pi * 2 * 1 = 6.3
    (tmp_path / "annotations.xml").write_text((tmp_path / "annotations.xml").read_text().replace("1, 2, 1", "1, 2"))
    with pytest.raises(UserError, match="its rle has 3 pixels, its width and height 4"):
        PolygonDataset(**layout.shared, **layout.parts["all"])


def test_a_mask_that_reaches_past_the_image_is_cut():
    # The image is 2 high and 3 wide; the mask begins one column to the left of it and one row above it.
    rle = paste_mask(np.ones((2, 3), bool), -1, -1, (2, 3))
    assert rle == dict(size=[2, 3], counts=[0, 1, 1, 1, 3])  # columns: 1 0, 1 0, 0 0
    assert paste_mask(np.ones((1, 1), bool), 2, 1, (2, 3))["counts"] == [5, 1]
    assert paste_mask(np.ones((2, 2), bool), 9, 9, (2, 3))["counts"] == [6]


def test_an_ellipse_is_rotated_clockwise():
    x, y = np.reshape(ellipse_polygon((5, 5), (3, 1), 90), (-1, 2)).T
    assert np.allclose([x.min(), x.max(), y.min(), y.max()], [4, 6, 2, 8])


def test_a_mask_of_an_impossible_size_takes_no_memory():
    with pytest.raises(UserError, match="a.json states 1000000x1000000 pixels, too many for an image"):
        check_pixels((10**6, 10**6), "a.json")
    with pytest.raises(UserError, match="too many"):
        decode_runs([10**12], (10**6, 10**6), "a.xml")
