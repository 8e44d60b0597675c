"""The same two images in every format of boxes: street.jpg with a car and a person, empty.jpg without objects."""

import json
from pathlib import Path

import numpy as np

from densevision.data.formats.recognize import recognize
from densevision.detection.coco import CocoDataset
from densevision.images import write_image

WIDTH, HEIGHT = 64, 48
CAR, PERSON = [4, 10, 34, 30], [40, 8, 50, 38]  # x1, y1, x2, y2


def image(path, size=(HEIGHT, WIDTH)):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.zeros((*size, 3), np.uint8))


def text(path, content, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))


def images(folder, names=("street.jpg", "empty.jpg")):
    for name in names:
        image(folder / name)


def voc(name, objects, size=True):
    # Pixels count from 1 and a box includes its last pixel: x1 = 4 is written as 5, x2 = 34 as 34.
    rows = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax>"
        f"<ymax>{y2}</ymax></bndbox></object>"
        for label, (x1, y1, x2, y2) in objects
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>" if size else ""
    return f"<annotation><filename>{name}</filename>{size}{rows}</annotation>"


def labelme(name, shapes):
    return json.dumps(
        dict(version="5", flags={}, shapes=shapes, imagePath=name, imageData=None, imageHeight=HEIGHT, imageWidth=WIDTH)
    )


def rectangle(label, corners):
    x1, y1, x2, y2 = corners
    return dict(label=label, points=[[x2, y2], [x1, y1]], shape_type="rectangle")  # drawn from the lower right corner


def write_yolo(root):
    images(root / "images")
    text(root / "data.yaml", "names: [car, person]\ntrain: images\nval: images\n")
    # (4 + 34) / 2 / 64 = 0.296875, (10 + 30) / 2 / 48 = 0.416667, 30 / 64 = 0.46875, 20 / 48 = 0.416667
    text(
        root / "labels/street.txt",
        "0 0.296875 0.4166666667 0.46875 0.4166666667\r\n1 0.703125 0.479166667 0.15625 0.625",
    )
    text(root / "labels/empty.txt", "")


def write_voc(root):
    images(root / "JPEGImages")
    text(root / "Annotations/street.xml", voc("street.jpg", [("car", CAR), ("person", PERSON)]))
    text(root / "Annotations/empty.xml", voc("empty.jpg", []))


def write_labelme(root):
    images(root)
    text(root / "street.json", labelme("..\\x\\street.jpg", [rectangle("car", CAR), rectangle("person", PERSON)]))
    text(root / "empty.json", labelme("empty.jpg", []))


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><labels><label><name>car</name></label><label><name>person</name></label></labels></task></meta>
<image id="0" name="street.jpg" width="64" height="48">
<box label="car" xtl="4" ytl="10" xbr="34" ybr="30" occluded="0"></box>
<box label="person" xtl="40" ytl="8" xbr="50" ybr="38"></box></image>
<image id="1" name="empty.jpg" width="64" height="48"></image></annotations>"""


def write_cvat(root):
    images(root / "images")
    text(root / "annotations.xml", CVAT)


def percent(label, corners):
    x1, y1, x2, y2 = corners
    value = dict(x=100 * x1 / WIDTH, y=100 * y1 / HEIGHT, width=100 * (x2 - x1) / WIDTH, rotation=0)
    value |= dict(height=100 * (y2 - y1) / HEIGHT, rectanglelabels=[label])
    return dict(type="rectanglelabels", value=value, original_width=WIDTH, original_height=HEIGHT)


def task(number, name, *annotations):
    return dict(id=number, data=dict(image=f"/data/upload/1/{name}"), annotations=list(annotations), predictions=[])


def write_label_studio(root):
    images(root / "images")
    objects = dict(result=[percent("car", CAR), percent("person", PERSON)])
    tasks = [task(7, "0a1b2c3d-street.jpg", objects), task(9, "empty.jpg", dict(result=[]))]
    text(root / "project.json", json.dumps(tasks))


def write_createml(root):
    images(root)
    rows = [
        dict(label="car", coordinates=dict(x=19, y=20, width=30, height=20)),
        dict(label="person", coordinates=dict(x=45, y=23, width=10, height=30)),
    ]
    listing = [dict(image="street.jpg", annotations=rows), dict(image="empty.jpg", annotations=[])]
    text(root / "_annotations.createml.json", json.dumps(listing))


def write_csv(root):
    images(root)
    head = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    text(root / "_annotations.csv", head + "street.jpg,64,48,car,4,10,34,30\nstreet.jpg,64,48,person,40,8,50,38\n")


def write_coco(root):
    images(root / "images")
    names = ["street.jpg", "empty.jpg"]
    content = dict(
        images=[dict(id=n, file_name=name, width=WIDTH, height=HEIGHT) for n, name in enumerate(names)],
        categories=[dict(id=1, name="car"), dict(id=2, name="person")],
        annotations=[
            dict(id=1, image_id=0, category_id=1, bbox=[4, 10, 30, 20]),
            dict(id=2, image_id=0, category_id=2, bbox=[40, 8, 10, 30]),
        ],
    )
    text(root / "annotations.json", json.dumps(content))


FORMATS = dict(
    coco=write_coco,
    yolo=write_yolo,
    voc=write_voc,
    labelme=write_labelme,
    cvat=write_cvat,
    label_studio=write_label_studio,
    createml=write_createml,
    csv=write_csv,
)


def read(root, part="all", **options):
    """Return the data set of a recognized folder."""
    layout = recognize(Path(root))
    return CocoDataset(**{**layout.shared, **layout.parts[part], **options}, input_size=(HEIGHT, WIDTH))


def boxes(dataset):
    """Return file name -> [(class, x1, y1, x2, y2)], in pixels."""
    names = dataset.metainfo["classes"]
    found = {}
    for row, name in enumerate(dataset.file_names.tolist()):
        rows = slice(dataset.starts[row], dataset.starts[row + 1])
        numbers = np.round(dataset.boxes[rows].astype(float), 3).tolist()
        found[name] = [(names[label], *box) for label, box in zip(dataset.labels[rows], numbers, strict=True)]
    return found
