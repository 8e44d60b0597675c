"""Describe folders of masks: what their values mean, and which classes they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from densevision.data.formats.layout import Layout
from densevision.data.formats.mask_names import ClassNames, find_class_names, ids_by_names, is_ignored
from densevision.data.formats.mask_values import (
    IdSample,
    class_ids,
    id_options,
    main_colors,
    palettes_differ,
    sample_colors,
    sample_ids,
    unnamed_classes,
)
from densevision.data.label_files import ColorFault, read_label_header
from densevision.data.pairs import Folders, pair_files
from densevision.errors import UserError, listed

MASK_DATASET = "densevision.segmentation.masks.MaskDataset"
Part = Mapping[str, str]  # image_dir, label_dir, and other arguments of the data set


@dataclass(frozen=True)
class _Classes:
    """The arguments of the data set that say what the values of masks mean, and notes."""

    arguments: dict[str, Any]
    notes: tuple[str, ...] = ()


def find_masks(root: Path, part: Part) -> list[Path]:
    """Return the masks of the images of a part; [] if there are none or the folders contain something else."""
    image_list = part.get("image_list")
    folders = Folders(
        root / part["image_dir"],
        root / part["label_dir"],
        part.get("image_suffix", ""),
        part.get("label_suffix", ""),
        None if image_list is None else root / image_list,
    )
    try:
        found = pair_files(folders)
    except UserError:
        return []
    enough = 2 * len(found.images) >= len(found.unlabeled)
    return [folders.labels / name for name in found.labels] if enough else []


def describe_masks(name: str, root: Path, parts: Mapping[str, Part], names: ClassNames | None = None) -> Layout | None:
    """Describe image and mask folders by a sample of the masks.

    Args:
        name: of the format.
        root: folder of the data.
        parts: the arguments of each part; parts without masks are left out.
        names: of the classes, if the format has them; otherwise a file next to the folders is looked for.
    Returns:
        None if no part has masks.
    Raises:
        UserError: the masks are photos, JPEG files, or have no values that could be classes.
    """
    masks = {part: found for part, folders in parts.items() if (found := find_masks(root, folders))}
    paths = [path for found in masks.values() for path in found]
    if not paths:
        return None
    names = names or find_class_names(_folders_of_names(root, [parts[part] for part in masks]))
    sample = sample_ids(paths)
    use_colors = isinstance(sample, UserError) or palettes_differ(paths) or _has_palette_table(paths, names)
    if isinstance(sample, IdSample) and not use_colors:
        found_classes = _classes_by_id(sample, names)
    else:
        found_classes = _classes_by_color(paths, names, sample)
    shared = dict(data_root=str(root.resolve()), **found_classes.arguments)
    return Layout(name, "segmentation", MASK_DATASET, shared, {p: dict(parts[p]) for p in masks}, found_classes.notes)


def _folders_of_names(root: Path, parts: Sequence[Part]) -> list[Path]:
    """List the folders in which files with class names may be: the root, and those of the masks and above them."""
    folders = {root: None}
    for part in parts:
        for folder in (root / part["label_dir"], root / part["image_dir"]):
            folders |= dict.fromkeys([folder, *(above for above in folder.parents if above.is_relative_to(root))])
    return list(folders)


def _has_palette_table(masks: Sequence[Path], names: ClassNames | None) -> bool:
    """Whether a color table says what the colors of palette masks mean."""
    if names is None or not names.colors:
        return False
    try:
        return bool(read_label_header(masks[0]).palette)
    except OSError:
        return False


def _classes_by_id(sample: IdSample, names: ClassNames | None) -> _Classes:
    ids = class_ids(sample)
    named = _named_ids(sample, ids, names)
    if named is None:
        classes = unnamed_classes(ids)
        notes = [] if names is None else [f"{names.source} does not fit the ids of the masks, {_some(ids)}; not used"]
        notes.append("no file names the classes: rename them in the config, or add classes.txt with a name per line")
    else:
        classes, notes = _without_ignored(named, names)
    ignored = [i for i in sample.present() if i not in classes.values()]
    notes += [_note_ignored(sample, ignored)] if ignored else []
    return _Classes(dict(classes=classes, **id_options(sample, classes)), tuple(notes))


def _named_ids(sample: IdSample, ids: list[int], names: ClassNames | None) -> dict[str, int] | None:
    if names is None or not ids:
        return None
    if names.colors and not names.ids and all(len(set(color)) == 1 for color in names.colors.values()):
        gray = {name: color[0] for name, color in names.colors.items()}
        if set(ids) <= set(gray.values()):
            return gray
    stated = set(names.ids.values()) & set(sample.present())  # 255 may be a class that the file names
    return ids_by_names(names, sorted(set(ids) | stated))


def _without_ignored(named: dict[str, int], names: ClassNames | None) -> tuple[dict[str, int], list[str]]:
    """Leave out names such as "void", if two classes remain."""
    kept = {name: id_ for name, id_ in named.items() if not is_ignored(name) and id_ <= 255}
    source = f"classes of {names.source}" if names else "classes"
    if len(kept) < 2 or len(kept) == len(named):
        return named, [source]
    return kept, [f"{source}; ignored: {listed([name for name in named if name not in kept])}"]


def _note_ignored(sample: IdSample, ignored: Sequence[int]) -> str:
    shares = sample.shares()
    if list(ignored) == [255]:
        return f"255 is ignored, as usual: {shares[255]:.1%} of the pixels"
    total = sum(float(shares[i]) for i in ignored)
    return f"ids that are no class and are ignored: {_some(ignored)}, {total:.1%} of the pixels"


def _classes_by_color(masks: Sequence[Path], names: ClassNames | None, by_id: IdSample | UserError) -> _Classes:
    if isinstance(by_id, UserError) and not isinstance(by_id, ColorFault):
        raise by_id
    sample = sample_colors(masks)
    colors = names.colors if names and names.colors else None
    found = main_colors(sample) if colors is None else []
    if colors is not None:
        classes = [name for name in colors if not is_ignored(name)]
        classes = list(colors) if len(classes) < 2 else classes
        unused = [name for name in colors if name not in classes]
        lacking = [name for name in classes if sample.is_rare(colors[name])]
        notes = [f"colors of {names.source if names else ''}" + (f"; ignored: {listed(unused)}" if unused else "")]
        arguments = dict(colors=dict(colors)) | (dict(classes=classes) if unused else {})
        return _Classes(arguments | (dict(may_lack=lacking) if lacking else {}), tuple(notes))
    named = {name: found[i] for name, i in unnamed_classes(range(len(found))).items()}
    if found[0] != (0, 0, 0):
        named = {f"class_{number}": color for number, color in enumerate(found)}
    lacking = [name for name, color in named.items() if sample.is_rare(color)]
    notes = ["no file names the colors: rename the classes in the config, or add classes.csv with name,r,g,b"]
    if len(sample.pixels) > len(found):
        edges = 1 - sum(map(sample.share, found))
        notes.append(f"{len(sample.pixels) - len(found):,} colors at edges are ignored, {edges:.1%} of the pixels")
    return _Classes(dict(colors=named) | (dict(may_lack=lacking) if lacking else {}), tuple(notes))


def _some(ids: Sequence[int]) -> str:
    return listed([str(id_) for id_ in ids], 8)
