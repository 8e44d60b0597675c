"""Label Studio's json and its short form JSON-MIN: one file for all images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from densevision.data.formats.content import (
    UPLOAD_PREFIX,
    CocoContent,
    box_around,
    image_names,
    load_json_text,
    number,
    one_class_name,
    rotated_corners,
    rows_of,
    stated_size,
)
from densevision.errors import UserError
from densevision.images import IMAGE_SUFFIXES

_KINDS = ("rectanglelabels", "polygonlabels", "ellipselabels")


def read_label_studio(path: Path, image_dir: Path) -> dict[str, Any]:
    """Read rectangles, polygons and ellipses; other results are counted and left out.

    Of several annotations of one task the latest counts; predictions and canceled annotations don't. Tasks without an
    annotation are left out.

    Args:
        path: the json file.
        image_dir: folder of the images.
    Raises:
        UserError: the file is missing or malformed.
    """
    tasks = load_json_text(path)
    if not isinstance(tasks, list) or not all(isinstance(task, Mapping) for task in tasks):
        raise UserError(f"{path} is no list of tasks; export as JSON from Label Studio")
    content, skipped = CocoContent(), Counter[str]()
    known = {name.rpartition("/")[2].lower() for name in image_names(image_dir)}
    for place, task in enumerate(tasks):
        source = f"{path}: task {task.get('id', place)}"
        results = _results(task, source, skipped)
        if results is None:
            continue
        sizes = (stated_size(result.get("original_height"), result.get("original_width")) for result in results)
        size = next((size for size in sizes if size), None)
        image = content.add_image(_image_name(task, source, known), size)
        for result in results:
            _add(content, image, result, source, skipped)
    if not content.images:
        raise UserError(f"{path} has no finished annotation in {len(tasks):,} tasks; label images, and export again")
    content.notes += [f"Label Studio: {what}: {count:,}" for what, count in skipped.items()]
    return content.with_sorted_classes()


def _results(task: Mapping[str, Any], source: str, skipped: Counter[str]) -> list[Mapping[str, Any]] | None:
    """Return the results of the annotation that counts; None if there is none."""
    if "annotations" not in task and "completions" not in task:  # JSON-MIN
        lists = [value for value in task.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        return [result for results in lists for result in results if isinstance(result, dict)]
    given = task.get("annotations") or task.get("completions")
    annotations = [row for row in rows_of(given, "annotations", source) if isinstance(row, dict)]
    valid = [row for row in annotations if not row.get("was_cancelled")]
    if not valid:
        skipped["tasks canceled, left out" if annotations else "tasks without an annotation, left out"] += 1
        return None
    if len(valid) > 1:
        skipped["tasks with several annotations, of which the latest counts"] += 1
    latest = max(valid, key=lambda row: str(row.get("updated_at") or row.get("created_at") or ""))
    return [row for row in rows_of(latest.get("result"), "result", source) if isinstance(row, dict)]


def _image_name(task: Mapping[str, Any], source: str, known: set[str]) -> str:
    data = task["data"] if isinstance(task.get("data"), dict) else task
    names = [value for value in data.values() if isinstance(value, str) and _is_image(value)]
    if not names:
        raise UserError(f"{source} names no image; export it from a project that labels images")
    base = unquote(names[0].partition("?d=")[2] or names[0].partition("?")[0]).replace("\\", "/").rpartition("/")[2]
    original = UPLOAD_PREFIX.sub("", base)
    return original if base.lower() not in known and original.lower() in known else names[0]


def _is_image(text: str) -> bool:
    return any(part.lower().endswith(IMAGE_SUFFIXES) for part in (text, text.partition("?")[0], text.partition("&")[0]))


def _add(content: CocoContent, image: int, result: Mapping[str, Any], source: str, skipped: Counter[str]) -> None:
    value = result["value"] if isinstance(result.get("value"), dict) else result
    kind = next((kind for kind in _KINDS if kind in value), None)
    if kind is None:
        skipped[f"results that are no boxes, left out ({result.get('type') or 'of another kind'})"] += 1
        return
    if not value[kind]:
        skipped["boxes without a class, left out"] += 1
        return
    size = stated_size(result.get("original_height"), result.get("original_width"))
    if size is None:
        raise UserError(f"{source}: a result has no original_width and original_height; export it again as JSON")
    box, polygon = _outline(kind, value, size, source)
    for name in rows_of(value[kind], kind, source):
        content.add(image, one_class_name(name, source), box, polygon=polygon)


def _outline(
    kind: str, value: Mapping[str, Any], size: tuple[int, int], source: str
) -> tuple[list[float], Sequence[float]]:
    """Return box and polygon in pixels, from percent of (height, width)."""
    scale = (size[1] / 100, size[0] / 100)
    if kind == "polygonlabels":
        points = list(_percent_points(value.get("points"), scale, source))
        return box_around(points), [coordinate for point in points for coordinate in point]
    keys = ("x", "y", "width", "height") if kind == "rectanglelabels" else ("x", "y", "radiusX", "radiusY")
    x, y, width, height = (number(value.get(key), key, source) * scale[n % 2] for n, key in enumerate(keys))
    angle = number(value.get("rotation") or 0, "rotation", source)
    if kind == "ellipselabels":
        return [x - width, y - height, 2 * width, 2 * height], ()
    if not angle:
        return [x, y, width, height], ()
    corners = rotated_corners([x, y, width, height], angle, (x, y))  # around its first corner
    return box_around(corners), [coordinate for corner in corners for coordinate in corner]


def _percent_points(points: Any, scale: tuple[float, float], source: str) -> Iterator[list[float]]:
    if not isinstance(points, list) or len(points) < 3:
        raise UserError(f"{source}: a polygon has fewer than three points; correct it in Label Studio")
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise UserError(f"{source}: a polygon has a point that is not [x, y]; export it again")
        yield [number(value, "a coordinate", source) * unit for value, unit in zip(point, scale, strict=True)]
