"""Recognize the folders of published segmentation data sets: Cityscapes, ADE20K, Pascal VOC, CamVid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from densevision.data.formats.layout import Layout
from densevision.data.formats.mask_folders import children, recognize_mask_folders, split_folders, with_lists
from densevision.data.formats.mask_layout import describe_masks, find_masks
from densevision.data.formats.mask_names import ClassNames, find_class_names
from densevision.data.formats.mask_values import IdSample, class_ids, id_options, sample_ids, unnamed_classes
from densevision.data.label_files import read_label_header
from densevision.data.pairs import LABEL_SUFFIXES

CITYSCAPES_DATASET = "densevision.segmentation.cityscapes.CityscapesDataset"
# Ids of the 19 evaluated classes in *_labelIds.png; densevision/segmentation/labels.py has the whole table.
_CITYSCAPES = {
    **{"road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19},
    **{"traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26},
    **{"truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33},
}
_CITYSCAPES_IDS = range(34)
_VOC = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
_VOC_COLORS = bytes([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])  # the first four of its palette
_CAMVID = (
    *("sky", "building", "pole", "road", "pavement", "tree", "signsymbol", "fence", "car", "pedestrian", "bicyclist"),
    "unlabeled",
)
_ADE_CLASSES = 150


def recognize_cityscapes(root: Path) -> Layout | None:
    """Recognize ``leftImg8bit/<split>/<city>/`` and ``gtFine/<split>/<city>/``."""
    labeled = dict(split_folders(root / "gtFine"))
    splits = {part: name for part, name in split_folders(root / "leftImg8bit") if part in labeled or part == "test"}
    files = {part: sorted((root / "gtFine" / name).glob("*/*")) for part, name in splits.items()}
    images = [path for name in splits.values() for path in (root / "leftImg8bit" / name).glob("*/*")]
    label_suffix = _ending([path for paths in files.values() for path in paths], "_gtFine_labelIds", ".png")
    image_suffix = _ending(images, "_leftImg8bit", "")
    masks = [path for paths in files.values() for path in paths if path.name.lower().endswith(label_suffix.lower())]
    if not masks or not images:
        return None
    sample = sample_ids(masks)
    if not isinstance(sample, IdSample):
        raise sample
    arguments: dict[str, Any] = dict(image_suffix=image_suffix) if image_suffix != "_leftImg8bit.png" else {}
    arguments |= dict(label_suffix=label_suffix) if label_suffix != "_gtFine_labelIds.png" else {}
    arguments |= _cityscapes_classes(sample)
    shared = dict(data_root=str(root.resolve()), **arguments)
    parts = {part: dict(split=name) for part, name in splits.items()}
    return Layout("Cityscapes", "segmentation", CITYSCAPES_DATASET, shared, parts)


def _ending(files: list[Path], usual: str, suffix: str) -> str:
    """Return the end of file names: the usual one, or else the commonest suffix of image files."""
    names = [path.name for path in files if path.suffix.lower() in LABEL_SUFFIXES]
    if any(name.lower().endswith(f"{usual}{suffix}".lower()) for name in names) and suffix:
        return f"{usual}{suffix}"
    with_usual = [Path(name).suffix for name in names if Path(name).stem.lower().endswith(usual.lower())]
    if with_usual:
        return usual + Counter(with_usual).most_common(1)[0][0]
    return Counter(Path(name).suffix for name in names).most_common(1)[0][0] if names else suffix


def _cityscapes_classes(sample: IdSample) -> dict[str, Any]:
    """Return the classes of the Cityscapes table that occur, nothing if all do, or the user's own ids."""
    present = set(sample.present())
    known = [name for name, id_ in _CITYSCAPES.items() if id_ in present]
    if present <= set(_CITYSCAPES_IDS) and len(known) > 1 and max(present) > len(_CITYSCAPES):
        return {} if len(known) == len(_CITYSCAPES) else dict(classes=known)
    classes = unnamed_classes(class_ids(sample))
    return dict(classes=classes, **id_options(sample, classes))


def recognize_ade20k(root: Path) -> Layout | None:
    """Recognize ``images/training`` and ``annotations/training`` of ADE20K, whose id 0 is ignored."""
    info = root / "objectInfo150.txt"
    if not info.is_file() and not root.name.lower().startswith(("ade20k", "adechallenge")):
        return None
    parts = {}
    for part, name in split_folders(root / "images"):
        parts[part] = dict(image_dir=f"images/{name}", label_dir=f"annotations/{name}")
    stated = info.is_file()
    names = _ade_names(info) if stated else [f"class_{id_}" for id_ in range(1, _ADE_CLASSES + 1)]
    ids = {"void": 0} | {name: id_ for id_, name in enumerate(names, 1)}
    return describe_masks("ADE20K", root, parts, ClassNames(info if stated else root, list(ids), ids))


def _ade_names(info: Path) -> list[str]:
    """Read the last column of ``objectInfo150.txt``; the first synonym, or all if two classes share it."""
    rows = [line.split("\t") for line in info.read_text(encoding="utf-8-sig").splitlines()[1:] if line.strip()]
    names = [row[-1].strip() for row in rows]
    first = Counter(name.split(",")[0] for name in names)
    return [name if first[name.split(",")[0]] > 1 else name.split(",")[0] for name in names]


def recognize_voc_masks(root: Path) -> Layout | None:
    """Recognize ``JPEGImages/`` and ``SegmentationClass/`` with the lists in ``ImageSets/Segmentation/``.

    Also below ``VOCdevkit/VOC2012/``, and as CVAT writes it, with ``labelmap.txt``.
    """
    for folder in [root, *sorted(root.glob("VOC[0-9]*")), *sorted(root.glob("VOCdevkit/VOC*"))]:
        found = children(folder)
        if not {"jpegimages", "segmentationclass"} <= set(found):
            continue
        part = dict(image_dir=found["jpegimages"], label_dir=found["segmentationclass"])
        parts = {name: one for name, one in with_lists(folder, part).items() if find_masks(folder, one)}
        masks = [mask for one in parts.values() for mask in find_masks(folder, one)]
        names = find_class_names([folder])
        if masks and names is None and read_label_header(masks[0]).palette.startswith(_VOC_COLORS):
            names = ClassNames(folder, list(_VOC), {name: id_ for id_, name in enumerate(_VOC)})
        return describe_masks("Pascal VOC masks", folder, parts, names)
    return None


def recognize_camvid(root: Path) -> Layout | None:
    """Recognize CamVid: ``train/`` and ``trainannot/`` of SegNet, or the original with ``701_StillsRaw_full/``."""
    found = children(root)
    stills = next((found[name] for name in found if name.startswith("701_stillsraw")), None)
    approved = next((found[name] for name in found if name.startswith("labeledapproved")), None)
    if stills and approved:
        part = dict(image_dir=stills, label_dir=approved, label_suffix="_L.png")
        return describe_masks("CamVid", root, with_lists(root, part))
    if not {"train", "trainannot"} <= set(found):
        return None
    parts = {
        part: dict(image_dir=name, label_dir=found[f"{name.lower()}annot"])
        for part, name in split_folders(root)
        if f"{name.lower()}annot" in found
    }
    masks = [mask for one in parts.values() for mask in find_masks(root, one)]
    sample = sample_ids(masks) if masks else None
    if not isinstance(sample, IdSample) or not set(sample.present()) <= set(range(12)):
        return None
    names = ClassNames(root, list(_CAMVID), {name: id_ for id_, name in enumerate(_CAMVID)})
    return describe_masks("CamVid", root, parts, names)


SEGMENTATION_FORMATS: tuple[Callable[[Path], Layout | None], ...] = (
    recognize_cityscapes,
    recognize_ade20k,
    recognize_voc_masks,
    recognize_camvid,
    recognize_mask_folders,
)
