"""The polygons of labeling tools are boxes for detection, and masks where segmentation is asked for."""

import json

import numpy as np
import pytest

from densevision.data.formats.recognize import recognize
from densevision.errors import UserError
from densevision.segmentation.polygons import PolygonDataset
from tests.data.formats.box_trees import images, labelme, text, write_voc

SQUARE = [[8, 8], [24, 8], [24, 24], [8, 24]]


def write_labelme(root):
    text(root / "images/street.json", labelme("street.jpg", [dict(label="car", points=SQUARE, shape_type="polygon")]))
    text(root / "images/empty.json", labelme("empty.jpg", []))


def write_cvat(root):
    points = ";".join(f"{x},{y}" for x, y in SQUARE)
    street = f'<image name="street.jpg" width="64" height="48"><polygon label="car" points="{points}"/></image>'
    empty = '<image name="empty.jpg" width="64" height="48"/>'
    text(root / "annotations.xml", f"<annotations><version>1.1</version>{street}{empty}</annotations>")


def write_label_studio(root):
    points = [[100 * x / 64, 100 * y / 48] for x, y in SQUARE]
    value = dict(points=points, polygonlabels=["car"])
    result = dict(type="polygonlabels", value=value, original_width=64, original_height=48)
    tasks = [
        dict(data=dict(image=f"/data/upload/1/{name}.jpg"), annotations=[dict(result=results)])
        for name, results in (("street", [result]), ("empty", []))
    ]
    text(root / "project.json", json.dumps(tasks))


def write_coco(root):
    content = dict(
        images=[dict(id=n, file_name=f"{name}.jpg", width=64, height=48) for n, name in enumerate(("street", "empty"))],
        categories=[dict(id=1, name="car")],
        annotations=[dict(id=1, image_id=0, category_id=1, segmentation=[[v for xy in SQUARE for v in xy]])],
    )
    text(root / "instances.json", json.dumps(content))


@pytest.mark.parametrize("write", [write_labelme, write_cvat, write_label_studio, write_coco])
def test_polygons_are_boxes_or_masks(tmp_path, write):
    images(tmp_path / "images")
    write(tmp_path)
    assert recognize(tmp_path).task == "detection"
    layout = recognize(tmp_path, "segmentation")
    dataset = PolygonDataset(**layout.shared, **layout.parts["all"])
    assert layout.task == "segmentation" and dataset.metainfo["classes"] == ("background", "car")
    street = next(n for n, path in enumerate(dataset.images) if path.endswith("street.jpg"))
    labels = dataset.read_labels(street)
    assert labels.shape == (48, 64) and (labels[9:23, 9:23] == 1).all() and 225 <= np.sum(labels == 1) <= 17 * 17
    assert not dataset.read_labels(1 - street).any()


def test_boxes_are_no_masks(tmp_path):
    write_voc(tmp_path)
    with pytest.raises(UserError, match="has labels for detection, none for segmentation"):
        recognize(tmp_path, "segmentation")
    with pytest.raises(UserError, match="must be one of detection, segmentation"):
        recognize(tmp_path, "depth")
