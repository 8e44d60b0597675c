"""Read class names, ids and colors from the files that labeling tools put next to masks."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from densevision.json_text import parse_json

_Rgb = tuple[int, int, int]
_LONGEST = 1000  # characters of a line with the name of a class
_IGNORED = ("__ignore__", "ignore", "ignored", "void", "unlabeled", "unlabelled")  # labels that are no class
_NAME_KEYS = ("name", "title", "label", "class", "category", "readable")
_ID_KEYS = ("id", "label_id", "pixel value", "pixel_value", "value", "index", "class_id")


@dataclass(frozen=True)
class ClassNames:
    """What a file says about the classes of masks.

    Attributes:
        source: the file.
        names: in its order.
        ids: name -> id, where it states ids.
        colors: name -> color, where it states colors.
    """

    source: Path
    names: list[str]
    ids: dict[str, int] = field(default_factory=dict)
    colors: dict[str, _Rgb] = field(default_factory=dict)


def find_class_names(folders: Iterable[Path]) -> ClassNames | None:
    """Read the first file in the folders that names classes; files with colors or ids come first."""
    found = []
    for folder in folders:
        files = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
        for pattern, read in _READERS.items():
            paths = [path for name, path in files.items() if re.fullmatch(pattern, name)]
            found += [names for path in paths if (names := _try(read, path))]
    return max(found, key=lambda names: 2 * bool(names.colors) + bool(names.ids), default=None)


def is_ignored(name: str) -> bool:
    """Tell whether a name marks pixels without a class."""
    return name.strip().lower() in _IGNORED


def _try(read: Callable[[Path], list[dict[str, Any]]], path: Path) -> ClassNames | None:
    try:
        rows = read(path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, csv.Error):
        return None  # a file of the same name with another purpose
    names = [row["name"] for row in rows]
    if not names or not all(isinstance(n, str) and n.strip() for n in names) or len(set(names)) < len(names):
        return None
    ids = {row["name"]: row["id"] for row in rows if row.get("id") is not None}
    colors = {row["name"]: row["color"] for row in rows if row.get("color") is not None}
    return ClassNames(path, names, ids if len(ids) == len(names) else {}, colors if len(colors) == len(names) else {})


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    if max(map(len, lines), default=0) > _LONGEST:  # on which the patterns below would take minutes
        raise ValueError("a line is too long for the name of a class")
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _color(values: Sequence[Any]) -> _Rgb:
    red, green, blue = (int(value) for value in values[:3])
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise ValueError(values)
    return red, green, blue


def _read_labelmap(path: Path) -> list[dict[str, Any]]:
    """Read CVAT's "name:r,g,b:parts:actions"."""
    fields = [line.split(":") for line in _lines(path)]
    return [dict(name=parts[0], color=_color(parts[1].split(","))) for parts in fields]


def _read_color_lines(path: Path) -> list[dict[str, Any]]:
    """Read "r g b name" (CamVid) or "name r g b"."""
    rows = []
    for line in _lines(path):
        words = re.split(r"[\s,;]+", line)
        first = words[0].isdigit()
        rows.append(
            dict(name=" ".join(words[3:] if first else words[:-3]), color=_color(words[:3] if first else words[-3:]))
        )
    return rows


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Read names, or "id name", "id: name" and "name id"; labelme's first id is -1 where it is ``__ignore__``."""
    lines = _lines(path)
    for pattern in (r"(?P<id>\d+)\s*[:,;=\s]\s*(?P<name>.*\D.*)", r"(?P<name>.*\D.*?)\s*[:,;=\s]\s*(?P<id>\d+)"):
        matches = [re.fullmatch(pattern, line) for line in lines]
        if lines and all(matches):
            return [dict(name=m["name"].strip(), id=int(m["id"])) for m in matches if m]
    return [dict(name=line) for line in lines if line != "__ignore__"]


def _read_csv(path: Path) -> list[dict[str, Any]]:
    """Read the columns name and r, g, b, or Roboflow's "Pixel Value, Class"."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = [{key.strip().lower(): value.strip() for key, value in row.items()} for row in csv.DictReader(file)]
    if rows and "pixel value" in rows[0]:
        return [dict(name=row["class"], id=int(row["pixel value"])) for row in rows]
    channels = (("r", "g", "b"), ("red", "green", "blue"))
    keys = next((keys for keys in channels if rows and set(keys) <= set(rows[0])), None)
    return [_row(row, None if keys is None else [row[key] for key in keys]) for row in rows]


def _row(row: dict[str, Any], color: Any) -> dict[str, Any]:
    """Return name, id and color of a mapping with keys of several tools."""
    name = next((row[key] for key in _NAME_KEYS if isinstance(row.get(key), str)), "")
    id_ = next((int(row[key]) for key in _ID_KEYS if row.get(key) is not None and str(row[key]).isdigit()), None)
    if isinstance(color, str):  # "#ff8000"
        number = int(color.removeprefix("#"), 16)
        color = (number >> 16, number >> 8 & 255, number & 255)
    return dict(name=name, id=id_, color=None if color is None else _color(color))


def _read_yaml(path: Path) -> list[dict[str, Any]]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return _rows(content["names"])


def _read_json(path: Path) -> list[dict[str, Any]]:
    content = parse_json(path.read_bytes())
    if isinstance(content, dict):
        content = next(
            (content[key] for key in ("classes", "labels", "categories", "names") if key in content), content
        )
    return _rows(content)


def _rows(content: Any) -> list[dict[str, Any]]:
    """Read a list of names or of mappings, name -> id, id -> name, or name -> color."""
    if isinstance(content, list):
        if all(isinstance(item, str) for item in content):
            return [dict(name=item) for item in content]
        return [_row(item, item.get("color")) for item in content]
    if all(str(key).isdigit() for key in content):
        return [dict(name=name, id=int(key)) for key, name in content.items()]
    if all(isinstance(value, list) for value in content.values()):
        return [dict(name=name, color=_color(value)) for name, value in content.items()]
    return [dict(name=name, id=int(value)) for name, value in content.items()]


_READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    r"label_?map\.txt": _read_labelmap,
    r"(label|class)_?colou?rs?\.txt": _read_color_lines,
    r"_?(classes|class_dict|labels?|label_?map|class_?map|class_names)\.csv": _read_csv,
    r"(classes|labels?|class_?names|names|label_?names|label_?map|obj\.names)(\.txt|\.names)?": _read_lines,
    r"(data|dataset|classes)\.ya?ml": _read_yaml,
    r"(classes|labels?|label_?map|class_?map|class_?names|categories|meta)\.json": _read_json,
}


def ids_by_names(found: ClassNames, ids: Sequence[int]) -> dict[str, int] | None:
    """Give names to the ids of masks.

    Ids that a file with ids does not name are "background" and "class_<id>". Without ids in the file, the first name
    is 0 if the ids are lower than the number of names; it is 1, after a background, if the highest id is that number.
    Two values, such as 0 and 255, take one name or two.

    Returns:
        Name -> id; None if the names do not fit the ids.
    """
    names = sorted(found.ids, key=found.ids.__getitem__) if found.ids else found.names
    if found.ids and not (len(ids) == len(names) == 2 and ids[1] not in found.ids.values()):
        unnamed = [id_ for id_ in ids if id_ not in found.ids.values()]
        return {"background" if id_ == 0 else f"class_{id_}": id_ for id_ in unnamed} | found.ids
    if len(ids) == 2 and ids[0] == 0 and ids[1] >= len(names) and len(names) <= 2:
        return {"background": 0, names[0]: ids[1]} if len(names) == 1 else dict(zip(names, ids, strict=True))
    if max(ids) < len(names):
        return {name: id_ for id_, name in enumerate(names)}
    if max(ids) == len(names) and "background" not in names:
        return ({"background": 0} if 0 in ids else {}) | {name: id_ for id_, name in enumerate(names, 1)}
    return None
