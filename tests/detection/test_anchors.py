import pytest
import torch

from densevision.detection.anchors import anchor_shapes, cell_extents, cell_sizes, place_anchors
from densevision.detection.model import SSDLite
from densevision.errors import UserError


def test_shapes_of_the_authors_configuration():
    shapes = anchor_shapes()
    assert [len(level) for level in shapes] == [3, 6, 6, 6, 6, 6]
    # aspect ratio 2 at scale 0.2: height 0.2 / sqrt(2), width 0.2 * sqrt(2)
    assert shapes[0] == [
        pytest.approx((0.1, 0.1)),
        pytest.approx((0.1414214, 0.2828427)),
        pytest.approx((0.2828427, 0.1414214)),
    ]
    assert shapes[5][0] == (0.95, 0.95)
    assert shapes[5][5] == pytest.approx((0.9746794, 0.9746794))  # sqrt(0.95 * 1.0)


def test_torchvision_variant_has_six_shapes_per_map_with_squares_first_and_sides_up_to_1():
    shapes = anchor_shapes(lowest=None)
    assert [len(level) for level in shapes] == [6] * 6
    # sqrt(0.2 * 0.35) = 0.2645751; ratio 3 at scale 0.95: height 0.5484828, width 1.6454483 -> 1
    assert shapes[0][:2] == [(0.2, 0.2), pytest.approx((0.2645751, 0.2645751))]
    assert shapes[5][4] == pytest.approx((0.5484828, 1.0))


def test_anchors_are_at_cell_centers_ordered_by_row_column_shape():
    shapes = [[(0.5, 0.5), (0.25, 1.0)]]  # (height, width)
    anchors = place_anchors(shapes, [(1, 2)], (40, 80))
    # Cells are 40 wide and 40 high, the short side is 40: the first shape is 20x20, the second 10 high, 40 wide.
    # First cell: center x 20, y 20 -> 20 +- 10 = 10..30.
    assert anchors.tolist() == [[10, 10, 30, 30], [0, 15, 40, 25], [50, 10, 70, 30], [40, 15, 80, 25]]


def test_maps_are_concatenated_in_order():
    anchors = place_anchors([[(1.0, 1.0)], [(1.0, 1.0)]], [(2, 1), (1, 1)], (8, 8))
    assert anchors.tolist() == [[0, -2, 8, 6], [0, 2, 8, 10], [0, 0, 8, 8]]


@pytest.mark.parametrize(("lowest", "count"), [(0.1, 2034), (None, 3234)])
def test_number_of_anchors_at_320(lowest, count):
    sizes = [(20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]
    assert place_anchors(anchor_shapes(lowest=lowest), sizes, (320, 320)).shape == (count, 4)


@pytest.mark.reference
def test_boxes_equal_torchvision():
    module = pytest.importorskip("torchvision.models.detection.anchor_utils")
    theirs = module.DefaultBoxGenerator([[2, 3]] * 6, min_ratio=0.2, max_ratio=0.95)
    sizes = [(20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]
    images = torch.zeros(1, 3, 320, 320)
    lists = type("Images", (), {"tensors": images, "image_sizes": [(320, 320)]})()
    boxes = theirs(lists, [torch.zeros(1, 1, *size) for size in sizes])[0]
    error = (place_anchors(anchor_shapes(lowest=None), sizes, (320, 320)) - boxes).abs().max().item()
    assert error < 1e-3, error


def test_cells_of_the_anchors():
    shapes = [[(0.1, 0.1), (0.2, 0.2)], [(0.5, 0.5)]]
    # 40x60 pixels: cells of 20x20 in 2x3 cells with two shapes, then one cell
    cells = cell_sizes(shapes, [(2, 3), (1, 1)], (40, 60))
    assert cells.tolist() == [[20, 20]] * 12 + [[60, 40]]
    assert len(cells) == len(place_anchors(shapes, [(2, 3), (1, 1)], (40, 60)))


def test_cells_lie_as_in_an_input_of_whole_strides():
    # 300 rows: 19 cells of 16 pixels and 10 of 32, which cover 320, so that the 3 rows of a later map have 320 / 3.
    # 320 columns are whole at both strides.
    sizes = [(19, 20), (10, 10), (3, 3)]
    assert cell_extents(sizes, (300, 320), (16, 32)) == [(16, 16), (32, 32), (320 / 3, 320 / 3)]
    assert cell_extents(sizes, (300, 320)) == [(300 / 19, 16), (30, 32), (100, 320 / 3)]
    shapes = [[(0.1, 0.2)]] * 3  # of the short side, 300: 30 high, 60 wide
    anchors = place_anchors(shapes, sizes, (300, 320), (16, 32))
    assert anchors[: 19 * 20][-1].tolist() == [282, 281, 342, 311]  # center x 19.5 * 16 = 312, y 18.5 * 16 = 296
    assert anchors[-1].tolist() == pytest.approx([1600 / 6 - 30, 1600 / 6 - 15, 1600 / 6 + 30, 1600 / 6 + 15])
    larger = place_anchors(shapes, sizes, (300, 320), (16, 32), side=400)  # 40 high, 80 wide
    assert larger[: 19 * 20][-1].tolist() == [272, 276, 352, 316]
    assert cell_sizes(shapes, sizes, (300, 320), (16, 32))[[0, -1]].tolist() == [[16, 16], [pytest.approx(320 / 3)] * 2]


@pytest.mark.parametrize(("size", "whole"), [((300, 500), (320, 512)), ((250, 437), (256, 448)), ((33, 64), (64, 64))])
def test_a_detector_keeps_the_centers_of_an_input_of_whole_strides(size, whole):
    detectors = [SSDLite(dict(name="mobilenet_v3_small"), 2, each) for each in (size, whole)]
    centers = [((model.anchors[:, :2] + model.anchors[:, 2:]) / 2).unique(dim=0) for model in detectors]
    inside = {tuple(center) for center in centers[1].round(decimals=2).tolist()}
    assert all(tuple(center) in inside for center in centers[0].round(decimals=2).tolist())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(lowest=0), "anchors.lowest is 0; give a number over 0 to 10"),
        (dict(lowest=-1), "anchors.lowest is -1"),
        (dict(scales=(-0.2, 0.35)), r"anchors.scales\[0\] is -0.2"),
        (dict(scales=(0.2, float("nan"))), r"anchors.scales\[1\] is nan"),
        (dict(scales=(20, 35, 50, 65, 80, 95)), r"anchors.scales\[0\] is 20"),  # percent
        (dict(scales=(0.2, "0.3")), r"anchors.scales\[1\] is '0.3'"),
    ],
)
def test_scales_are_shares_of_the_image(given, message):
    with pytest.raises(UserError, match=message):
        anchor_shapes(**given)
