"""Write the same 12 small images with labels in five formats, as labeling tools export them."""

import json
from xml.etree import ElementTree

import cv2
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 96, 128
CLASSES = ("disc", "block")
COLORS = ((220, 60, 40), (40, 90, 220))
COUNT = 12


def scene(number):
    """Return image, mask of class numbers from 1 and 0 for the background, and (label, x1, y1, x2, y2) per object."""
    random = np.random.default_rng(number)
    image = random.integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    mask, objects = np.zeros((HEIGHT, WIDTH), np.uint8), []
    for label, left in ((0, 8), (1, 72)):
        x, y, side = left + int(random.integers(0, 16)), int(random.integers(4, 50)), int(random.integers(24, 36))
        region = np.zeros((HEIGHT, WIDTH), np.uint8)
        if label == 0:
            cv2.ellipse(region, (x + side // 2, y + side // 2), (side // 2, side // 2), 0, 0, 360, 1, -1)
        else:
            region[y : y + side, x : x + side] = 1
        image[region > 0], mask[region > 0] = COLORS[label], label + 1
        objects.append((label, x, y, x + side, y + side))
    return image, mask, objects


def write_images(folder, pattern="photo {:02}.png"):
    folder.mkdir(parents=True)
    names = [pattern.format(number) for number in range(COUNT)]
    for number, name in enumerate(names):
        Image.fromarray(scene(number)[0]).save(folder / name)
    return names


def write_coco(root):
    names = write_images(root / "images")
    boxes = [(number, box) for number in range(COUNT) for box in scene(number)[2]]
    content = dict(
        images=[dict(id=i, file_name=name, width=WIDTH, height=HEIGHT) for i, name in enumerate(names)],
        categories=[dict(id=7, name=CLASSES[0]), dict(id=42, name=CLASSES[1])],
        annotations=[
            dict(id=i, image_id=number, category_id=(7, 42)[label], bbox=[x1, y1, x2 - x1, y2 - y1])
            for i, (number, (label, x1, y1, x2, y2)) in enumerate(boxes)
        ],
    )
    (root / "annotations.json").write_text(json.dumps(content))


def write_yolo(root):
    names = write_images(root / "images")
    (root / "labels").mkdir()
    for number, name in enumerate(names):
        lines = [
            f"{label} {(x1 + x2) / 2 / WIDTH} {(y1 + y2) / 2 / HEIGHT} {(x2 - x1) / WIDTH} {(y2 - y1) / HEIGHT}\n"
            for label, x1, y1, x2, y2 in scene(number)[2]
        ]
        (root / "labels" / name).with_suffix(".txt").write_text("".join(lines))
    (root / "data.yaml").write_text(f"train: images\nnc: 2\nnames: [{', '.join(CLASSES)}]\n")


def write_voc(root):
    names = write_images(root / "JPEGImages")
    (root / "Annotations").mkdir()
    for number, name in enumerate(names):
        tree = ElementTree.Element("annotation")
        ElementTree.SubElement(tree, "filename").text = name
        size = ElementTree.SubElement(tree, "size")
        for field, value in (("width", WIDTH), ("height", HEIGHT), ("depth", 3)):
            ElementTree.SubElement(size, field).text = str(value)
        for label, *corners in scene(number)[2]:
            node = ElementTree.SubElement(tree, "object")
            ElementTree.SubElement(node, "name").text = CLASSES[label]
            box = ElementTree.SubElement(node, "bndbox")
            for field, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
                ElementTree.SubElement(box, field).text = str(value)
        ElementTree.ElementTree(tree).write((root / "Annotations" / name).with_suffix(".xml"))


def write_binary_masks(root):
    """Write masks of 0 and 255: everything that is not background is one class."""
    names = write_images(root / "images")
    (root / "masks").mkdir()
    for number, name in enumerate(names):
        Image.fromarray((scene(number)[1] > 0).astype(np.uint8) * 255).save(root / "masks" / name)


def write_palette_masks(root):
    names = write_images(root / "images")
    (root / "masks").mkdir()
    for number, name in enumerate(names):
        mask = Image.fromarray(scene(number)[1], mode="P")
        mask.putpalette([0, 0, 0, *COLORS[0], *COLORS[1]])
        mask.save(root / "masks" / name)


FORMATS = dict(
    coco=write_coco, yolo=write_yolo, voc=write_voc, binary_masks=write_binary_masks, palette_masks=write_palette_masks
)
