"""Recognize what labeling tools export: LabelMe, CVAT, Label Studio, CreateML and csv."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from densevision.data.formats.box_layouts import box_layout, image_folder, only_part, part_of_file
from densevision.data.formats.layout import Layout
from densevision.data.formats.mask_folders import children, split_folders
from densevision.data.formats.tables import CSV_COLUMNS
from densevision.errors import UserError
from densevision.json_text import parse_json

_HEAD = 1 << 16  # bytes of a file that show its format
_FILES = 20  # annotation files of one folder that are looked at
_NAMES = {
    "cvat": "CVAT xml",
    "label_studio": "Label Studio json",
    "createml": "CreateML json",
    "csv": "TensorFlow csv",
}
_CVAT_NAME = re.compile(r'<image\s[^<>]*?\bname="([^"]+)"')
_JSON_NAME = re.compile(r'"(?:image|imagefilename|img|image_url|url)"\s*:\s*"((?:[^"\\]|\\.)+)"')


def recognize_labelme(data: Path) -> Layout | None:
    """Recognize LabelMe's json files, next to the images or in a folder of their own."""
    if not data.is_dir():
        return None
    found = children(data)
    parts = {
        part: dict(ann_file=name, image_dir=name) for part, name in split_folders(data) if _has_shapes(data / name)
    }
    if not parts and _has_shapes(data):
        parts = {"all": dict(ann_file=".", image_dir=".")}
    labels = [found[name] for name in ("annotations", "labels", "json", "jsons", "label", "images") if name in found]
    own = next((name for name in labels if _has_shapes(data / name)), None)
    if not parts and own is not None:
        images = next((found[name] for name in ("images", "imgs", "image", "jpegimages") if name in found), ".")
        parts = {"all": dict(ann_file=own, image_dir=images)}
    return box_layout("LabelMe json", data, dict(format="labelme"), only_part(parts)) if parts else None


def _has_shapes(folder: Path) -> bool:
    files = sorted(folder.glob("*.json"))[:_FILES]
    return any('"shapes"' in (head := _head(file)) and '"images"' not in head for file in files)


def recognize_exports(data: Path) -> Layout | None:
    """Recognize the formats with one file for all images, or one per part."""
    root = data if data.is_dir() else data.parent
    files = [data] if data.is_file() else list(_files(root))
    parts: dict[str, dict[str, str]] = {}
    formats = dict[str, Path]()
    for file in files:
        if (kind := _format(file)) is None:
            continue
        formats[kind] = file
        part, names = part_of_file(file, root), image_names_in(file, kind)
        folder = image_folder(root, file, part, names)
        if folder is None:
            raise UserError(
                f"{file}: its images, such as {names[0]}, are not below {root}; give the folder that has both"
            )
        if part in parts:
            raise UserError(
                f"{root / parts[part]['ann_file']} and {file} are both annotations of the part {part!r}; remove one, "
                "or give one of them"
            )
        parts[part] = dict(ann_file=file.relative_to(root).as_posix(), image_dir=folder)
    if len(formats) > 1:
        first, second = list(formats.values())[:2]
        raise UserError(f"{first} and {second} have different formats; give one of them")
    if not parts:
        return None
    kind = next(iter(formats))
    return box_layout(_NAMES[kind], root, dict(format=kind), only_part(parts))


def _files(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        return
    for folder in [root, *(path for path in sorted(root.iterdir()) if path.is_dir() and path.name[0] != ".")]:
        for suffix in (".xml", ".json", ".csv"):
            yield from sorted(folder.glob(f"*{suffix}"))[:_FILES]


def _head(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(_HEAD).decode("utf-8-sig", "replace").lstrip()


def _format(file: Path) -> str | None:
    """Return the format of an annotation file by its beginning; None if it is none of ``_NAMES``."""
    head, suffix = _head(file), file.suffix.lower()
    if suffix == ".xml":
        return "cvat" if "<annotations" in head and ("<image" in head or "<track" in head or "<meta" in head) else None
    if suffix == ".csv":
        columns = [name.strip() for name in head.partition("\n")[0].split(",")]
        return "csv" if set(CSV_COLUMNS) <= set(columns) else None
    if not head.startswith("["):
        return None
    if '"coordinates"' in head or re.search(r'"annotations"\s*:\s*\[\s*\{\s*"label"', head):
        return "createml"
    is_task = '"annotations"' in head or '"completions"' in head or re.search('"(rectangle|polygon)labels"', head)
    return "label_studio" if is_task and ('"data"' in head or "labels" in head) else None


def image_names_in(file: Path, kind: str) -> list[str]:
    """Return some of the image names in an annotation file."""
    head = _head(file)
    if kind == "csv":
        rows = head.splitlines()
        column = [name.strip() for name in rows[0].split(",")].index("filename")
        names = [row.split(",")[column].strip() for row in rows[1:-1] if row.count(",") >= column]
    elif kind == "cvat":
        names = [html.unescape(name) for name in _CVAT_NAME.findall(head)]
    else:
        names = [_unescaped(name) for name in _JSON_NAME.findall(head)]
    return names[:_FILES]


def _unescaped(name: str) -> str:
    try:
        return str(parse_json(f'"{name}"'))
    except ValueError:  # a control character, half an escape: the reader of the file says so
        return name
