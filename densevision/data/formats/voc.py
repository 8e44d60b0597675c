"""Pascal VOC's format: an xml file per image."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from densevision.data.formats.content import (
    CocoContent,
    ImageFinder,
    files_below,
    number,
    one_class_name,
    per_image_notes,
    stated_size,
)
from densevision.data.threads import read_files
from densevision.errors import UserError

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(path: Path, image_dir: Path) -> dict[str, Any]:
    """Read the xml files below a folder.

    Pixels count from 1, and a box includes its last pixel, as in Pascal VOC; in files with a coordinate below 1 they
    count from 0, as some tools write them. Objects that are marked as difficult are crowds: not trained on, and neither
    right nor wrong in an evaluation, as in Pascal VOC's own.

    Args:
        path: folder of the xml files.
        image_dir: folder of the images.
    Raises:
        UserError: a file is missing or malformed.
    """
    files = files_below(path, ".xml")
    finder, content = ImageFinder(image_dir), CocoContent()
    roots = read_files(parse_xml, files)
    shift = 0.0 if any(_counts_from_0(root, file) for root, file in zip(roots, files, strict=True)) else 1.0
    labeled, without = set(), []
    for file, root in zip(files, roots, strict=True):
        name = finder.find(file, (root.findtext("filename") or "").strip(), path)
        if name is None:
            without.append(file)
            continue
        if name in labeled:
            raise UserError(f"{file}: another .xml file has the image {name}, too; remove one of them")
        labeled.add(name)
        size = root.find("size")
        stated = None if size is None else stated_size(size.findtext("height"), size.findtext("width"))
        image = content.add_image(name, stated)
        for node in root.iter("object"):
            _add_object(content, image, node, file, shift)
    if not labeled:
        raise UserError(f"no .xml file in {path} has an image in {image_dir}; correct image_dir in the config")
    per_image_notes(content, [name for name in finder.names if name not in labeled], without, ".xml")
    return content.with_sorted_classes()


def parse_xml(file: Path) -> ElementTree.Element:
    """Parse an xml file, without entities of its own.

    Raises:
        UserError: it is not readable xml.
    """
    try:
        data = file.read_bytes()
        if b"<!ENTITY" in data or b"<!DOCTYPE" in data:
            raise UserError(f"{file} declares entities or a document type; remove the declaration")
        return ElementTree.fromstring(data)
    except (OSError, ElementTree.ParseError, LookupError, ValueError) as error:
        raise UserError(f"{file} is not readable xml ({error})") from error


def _counts_from_0(root: ElementTree.Element, file: Path) -> bool:
    boxes = [node.find("bndbox") for node in root.iter("object")]
    corners = [box.findtext(name) for box in boxes if box is not None for name in ("xmin", "ymin")]
    return any(number(value, "a corner", file) < 1 for value in corners)


def _add_object(content: CocoContent, image: int, node: ElementTree.Element, file: Path, shift: float) -> None:
    name = one_class_name(node.findtext("name"), file)
    box = node.find("bndbox")
    if box is None:
        raise UserError(f"{file}: the object {name!r} has no bndbox")
    left, top, right, bottom = (number(box.findtext(corner), f"{corner} of {name!r}", file) for corner in _CORNERS)
    left, right = _in_order(left, right, shift)
    top, bottom = _in_order(top, bottom, shift)
    difficult = (node.findtext("difficult") or "0").strip() in ("1", "true", "True")
    xywh = [left - shift, top - shift, right - left + shift, bottom - top + shift]
    content.add(image, name, xywh, crowd=difficult)


def _in_order(low: float, high: float, shift: float) -> tuple[float, float]:
    """Swap the corners of a box that was drawn backward; last pixel = first - 1 is a box of zero size."""
    return (high, low) if high - low + shift < 0 else (low, high)
