"""The category that Roboflow adds to COCO json files with the name of the project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Project:
    """A project of Roboflow.

    Attributes:
        name: of the project, and of the category that Roboflow adds for it.
        classes: the other categories, in the order of their ids.
    """

    name: str
    classes: tuple[str, ...]


def roboflow_project(content: Mapping[str, Any]) -> Project | None:
    """Return the project of a COCO json; None where there is none, or something is labeled with its category.

    Args:
        content: of the json; it may be wrong in any place.
    """
    listed, annotations = content.get("categories"), content.get("annotations")
    if not isinstance(listed, list) or not isinstance(annotations, list):
        return None
    rows = [row for row in listed if isinstance(row, dict)]
    named = [row for row in rows if isinstance(row.get("id"), int) and isinstance(row.get("name"), str)]
    names: dict[int, str] = {row["id"]: row["name"] for row in named}
    if len(names) < 2 or len(names) != len(listed):
        return None
    first = min(names)
    parents = {row["id"]: row.get("supercategory") for row in rows}
    if parents.pop(first) != "none" or set(map(str, parents.values())) != {names[first]}:
        return None
    if any(isinstance(row, dict) and row.get("category_id") == first for row in annotations):
        return None
    return Project(names[first], tuple(names[number] for number in sorted(parents)))
