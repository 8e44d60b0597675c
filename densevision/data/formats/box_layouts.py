"""Recognize folders of images with boxes: COCO, YOLO, Pascal VOC."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from densevision.data.formats.content import UPLOAD_PREFIX, image_names
from densevision.data.formats.layout import Layout
from densevision.data.formats.mask_folders import SPLITS, children, split_folders
from densevision.data.formats.roboflow import Project, roboflow_project
from densevision.data.formats.yolo import NAME_FILES, class_names, label_file, load_yaml
from densevision.errors import UserError, listed
from densevision.json_text import parse_json

BOX_DATASET = "densevision.detection.coco.CocoDataset"
_SKIPPED_JSON = re.compile(r"(panoptic|captions|person_keypoints|stuff|image_info)", re.IGNORECASE)
_FILES = 20  # json files of one folder that are looked at
_PROBED = 20  # file names that are looked for to find the folder of the images


def box_layout(
    name: str, root: Path, shared: Mapping[str, Any], parts: Mapping[str, Any], notes: tuple[str, ...] = ()
) -> Layout:
    """Return the layout of a folder with boxes."""
    return Layout(name, "detection", BOX_DATASET, dict(data_root=str(root.resolve()), **shared), parts, notes)


def part_of(name: str) -> str | None:
    """Return the part that the words in a file or folder name state, "train" for "instances_train2017"."""
    words = [word.strip("0123456789") for word in re.split(r"[^a-z0-9]+", name.lower())]
    return next((part for part, names in SPLITS.items() if any(word in names for word in words)), None)


def recognize_coco(data: Path) -> Layout | None:
    """Recognize COCO json files, one or one per part: COCO's own folders, and what labeling tools export."""
    root = data if data.is_dir() else data.parent
    files = [data] if data.suffix.lower() == ".json" else list(_json_files(root))
    parts: dict[str, dict[str, str]] = {}
    projects: list[Project | None] = []
    for file in files:
        if (content := _coco_content(file)) is None:
            continue
        names = _some_names(content["images"])
        projects.append(roboflow_project(content))
        part = part_of_file(file, root)
        folder = image_folder(root, file, part, names)
        if folder is None:
            raise UserError(
                f"{file}: its images, such as {names[0] if names else 'none'}, are not below {root}; give the folder "
                "that has both"
            )
        if part in parts:
            raise UserError(
                f"{root / parts[part]['ann_file']} and {file} are both COCO json files of the part {part!r}; give one "
                "of them, or remove one"
            )
        parts[part] = dict(ann_file=file.relative_to(root).as_posix(), image_dir=folder)
    if not parts:
        return None
    if "train" not in parts and len(parts) > 1:
        raise UserError(f"{root} has json files of the parts {listed(list(parts))}, but none for training")
    project = projects[0] if len(set(projects)) == 1 else None
    if project is None:
        return box_layout("COCO json", root, {}, only_part(parts))
    note = f"the category {project.name!r} is the name of the Roboflow project, not a class, and is left out"
    return box_layout("COCO json", root, dict(classes=project.classes), only_part(parts), (note,))


def _json_files(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        return
    folders = [root, *(path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith("."))]
    for folder in folders:
        below = sorted(folder.glob("*.json"))[:_FILES]
        yield from (file for file in below if not _SKIPPED_JSON.search(file.name) and file.name[0] != ".")


def _coco_content(file: Path) -> dict[str, Any] | None:
    """Return the content of a COCO json; None if the file is another json."""
    with file.open("rb") as opened:
        head = opened.read(1 << 20)
    if not re.search(rb'"(images|annotations|categories)"\s*:\s*\[', head):
        return None
    try:
        content = parse_json(head if file.stat().st_size <= len(head) else file.read_bytes())
    except ValueError as error:
        raise UserError(f"{file} is not readable json: {error}") from error
    is_coco = isinstance(content, dict) and isinstance(content.get("images"), list) and "annotations" in content
    return content if is_coco else None


def _some_names(images: Sequence[Any]) -> list[str]:
    """Return the file names of an even sample of the images of a COCO json."""
    names = [row.get("file_name") for row in images[:: max(1, len(images) // _PROBED)] if isinstance(row, dict)]
    return [name for name in names if isinstance(name, str)]


def part_of_file(file: Path, root: Path) -> str:
    """Return the part that the name of an annotation file or of its folder states, else "all"."""
    folder = "" if file.parent == root else file.parent.name
    return part_of(file.stem) or part_of(folder) or "all"


def image_folder(root: Path, file: Path, part: str, names: Sequence[str]) -> str | None:
    """Return the folder in which some images of an annotation file are, relative to the root; None if in none."""
    found = children(root)
    stem_words = [word for word in re.split(r"[^A-Za-z0-9]+", file.stem) if word]
    split = [found[word.lower()] for word in stem_words if word.lower() in found]
    split += [name for part_name, name in split_folders(root) if part_name == part]
    images = [found[name] for name in ("images", "imgs", "jpegimages", "image", "data") if name in found]
    own = file.parent.relative_to(root)
    candidates = [
        *(Path(folder, word) for folder in images for word in (*stem_words, *SPLITS.get(part, ()), "default")),
        *(Path(folder) for folder in (*split, *images)),
        *(Path(folder, "images") for folder in split),
        own,
        own / "images",
        Path("."),
    ]
    bases = [re.split(r"[/\\=]", unquote(name))[-1] for name in names]  # Label Studio has ?d=path
    for spelled in (names, bases):
        for folder in candidates:
            if names and all(os.path.isfile(root / folder / name) for name in spelled):
                return folder.as_posix()
    below = next((folder for folder in (*images, ".") if _has_below(root / folder, bases)), None)
    return below if names else (images or split or ["."])[0]


def _has_below(folder: Path, names: Sequence[str]) -> bool:
    try:
        known = {name.rpartition("/")[2].lower() for name in image_names(folder)}
    except UserError:
        return False
    found = sum(name.lower() in known or UPLOAD_PREFIX.sub("", name).lower() in known for name in names)
    return bool(names) and found * 2 >= len(names)


def recognize_yolo(data: Path) -> Layout | None:
    """Recognize data.yaml with the folders that it names, or images and .txt files with classes.txt."""
    root = data if data.is_dir() else data.parent
    yamls = [data] if data.suffix.lower() in (".yaml", ".yml") else sorted([*root.glob("*.yaml"), *root.glob("*.yml")])
    for file in yamls if root.is_dir() else ():
        content = load_yaml(file)
        if "names" in content:
            class_names(file)
            stated = {part: content[key] for part, key in _yaml_parts(content) if content.get(key)}
            named = {part: _yaml_part(root, file, content, value) for part, value in stated.items()}
            parts = {part: arguments for part, arguments in named.items() if _has_labels(root, arguments)}
            unlabeled = ", ".join(part for part in named if part not in parts)
            notes = (f"not used, as no image has a label file: {unlabeled}",) if unlabeled and parts else ()
            if parts.get("val") == parts.get("train"):  # as in the examples of Ultralytics
                parts.pop("val", None)
            parts = parts or _image_folders(root)
            if not parts:
                raise UserError(f"{file}: none of its images has a label file; the folders are images/ and labels/")
            shared = dict(ann_file=file.relative_to(root).as_posix(), format="yolo")
            return box_layout("YOLO txt", root, shared, only_part(parts), notes)
    name_files = (f"{folder}{name}" for folder in ("", "labels/") for name in NAME_FILES)
    names = next((name for name in name_files if (root / name).is_file()), None)
    parts = _image_folders(root) if names is not None and root.is_dir() else {}
    if not parts:
        return None
    class_names(root / str(names))
    return box_layout("YOLO txt", root, dict(ann_file=names, format="yolo"), only_part(parts))


def only_part(parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Call the only part "all"."""
    return {"all": next(iter(parts.values()))} if len(parts) == 1 else parts


def _yaml_parts(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part, names in SPLITS.items():
        yield from ((part, key) for key in names if key in content)


def _yaml_part(root: Path, file: Path, content: Mapping[str, Any], value: Any) -> dict[str, str]:
    """Return the arguments of the images that a data.yaml names: a folder or a text file."""
    if isinstance(value, list):
        return _common_folder(root, file, [_yaml_part(root, file, content, one) for one in value])
    base = str(content.get("path") or "")
    given = str(value).replace("\\", "/")
    stripped = re.sub(r"^(\.\./)+", "", given)  # Roboflow writes ../train/images for train/images
    ends = [Path(*Path(given).parts[start:]) for start in range(1, len(Path(given).parts))]  # of another machine's path
    for candidate in (Path(base, given), Path(given), Path(stripped), Path(stripped, "images"), *ends):
        found = (root / candidate).resolve()
        if os.path.isfile(found) and found.suffix == ".txt":
            folder = "images" if (root / "images").is_dir() else "."
            return dict(image_dir=folder, image_list=_relative(found, root))
        if os.path.isdir(found):  # also False for a name that is too long
            return dict(image_dir=_relative(found, root))
    raise UserError(f"{file}: {given} does not exist below {root}; correct the path in it")


def _common_folder(root: Path, file: Path, parts: Sequence[dict[str, str]]) -> dict[str, str]:
    """Return the folder that has the images of several folders, and no others."""
    if len(parts) == 1:
        return parts[0]
    folders = sorted({str((root / part["image_dir"]).resolve()) for part in parts})
    common = Path(os.path.commonpath(folders)) if folders else root
    separate = sum(len(image_names(Path(folder))) for folder in folders)
    if not folders or any("image_list" in part for part in parts) or len(image_names(common)) != separate:
        raise UserError(
            f"{file}: a part of several folders, with other images next to them; list the images of the part in a "
            ".txt, or put the folders into a folder of their own"
        )
    return dict(image_dir=_relative(common, root))


def _relative(path: Path, root: Path) -> str:
    resolved = root.resolve()
    return path.relative_to(resolved).as_posix() if path.is_relative_to(resolved) else str(path)


def _has_labels(root: Path, arguments: Mapping[str, str]) -> bool:
    folder = root / arguments["image_dir"]
    try:
        names = image_names(folder)
    except UserError:
        return False
    return any(label_file(folder, name).is_file() for name in names)


def _image_folders(root: Path) -> dict[str, dict[str, str]]:
    """Return the parts of images with .txt files: images/train, train/images, train, images, or the folder itself."""
    found = children(root)
    images = found.get("images")
    by_part = {
        **{part: f"{name}/images" for part, name in split_folders(root) if (root / name / "images").is_dir()},
        **({part: f"{images}/{name}" for part, name in split_folders(root / images)} if images else {}),
    } or dict(split_folders(root))
    parts = {part: dict(image_dir=name) for part, name in by_part.items()}
    parts = {part: arguments for part, arguments in parts.items() if _has_labels(root, arguments)}
    if parts:
        return parts
    whole = [dict(image_dir=name) for name in (images, found.get("obj_train_data"), ".") if name]
    return next(({"all": arguments} for arguments in whole if _has_labels(root, arguments)), {})


def recognize_voc(data: Path) -> Layout | None:
    """Recognize xml files: Annotations/ and JPEGImages/, also below VOCdevkit, or xml files next to the images."""
    if not data.is_dir():
        return None
    for root in [data, *sorted(data.glob("VOC[0-9]*")), *sorted(data.glob("VOCdevkit/VOC*"))]:
        found = children(root)
        xml = found.get("annotations") or found.get("labels") or found.get("xml") or found.get("xmls")
        images = next((found[name] for name in ("jpegimages", "images", "imgs", "image") if name in found), None)
        if xml and _has_xml(root / xml) and (images or _has_images(root)):
            images = images or "."
            shared = dict(ann_file=xml, image_dir=images, format="voc")
            return box_layout("Pascal VOC xml", root, shared, _voc_lists(root))
        parts = {
            part: dict(ann_file=name, image_dir=name) for part, name in split_folders(root) if _has_xml(root / name)
        }
        if parts:
            return box_layout("Pascal VOC xml", root, dict(format="voc"), parts)
        if _has_xml(root, deep=False):
            return box_layout("Pascal VOC xml", root, dict(ann_file=".", image_dir=".", format="voc"), {"all": {}})
    return None


def _has_images(folder: Path) -> bool:
    try:
        return bool(image_names(folder))
    except UserError:
        return False


def _has_xml(folder: Path, *, deep: bool = True) -> bool:
    files = folder.rglob("*.xml") if deep else folder.glob("*.xml")
    first = next(iter(files), None)
    return first is not None and re.search(rb"<annotation[\s>]", first.read_bytes()[:500]) is not None


def _voc_lists(root: Path) -> Mapping[str, Any]:
    """Return the parts that ImageSets/Main lists."""
    lists = {part: f"ImageSets/Main/{part}.txt" for part in SPLITS}
    parts = {
        part: dict(image_list=name)
        for part, name in lists.items()
        if (root / name).is_file() and (root / name).read_text().strip()
    }
    return only_part(parts) if "train" in parts else {"all": {}}
