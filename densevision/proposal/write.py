"""Write a proposal as a config that a person reads and changes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from densevision.proposal.network import describe_backbone
from densevision.proposal.propose import Proposal

_WIDTH = 110
_MODELS = {"detection": "SSDLite", "segmentation": "LR-ASPP 128", "classification": "Classifier"}
_TRANSFORMS = {
    "detection": (),
    "segmentation": ("ColorJitter", "PadIfNeeded", "RandomCrop", "RandomScale"),
    "classification": ("ColorJitter",),
}
_OURS = {
    "detection": ("from densevision.detection.model import SSDLite",),
    "segmentation": (
        "from densevision.segmentation.head import LRASPPHead",
        "from densevision.segmentation.model import Segmentor",
    ),
    "classification": (
        "from densevision.classification.model import ImageClassifier",
        "from densevision.classification.transforms import InceptionCrop",
    ),
}


def config_text(proposal: Proposal, name: str, today: datetime.date) -> str:
    """Return the content of the config.

    Args:
        name: of the config's file, without suffix.
    """
    sections = [_docstring(proposal, name, today), _imports(proposal), _data(proposal), _model(proposal)]
    return "\n".join([*sections, _schedule(proposal)])


def image_lists(proposal: Proposal, name: str) -> dict[str, str]:
    """Return file name -> content of the files that name the images of each part."""
    return {f"{name}_{part}.txt": "\n".join(names) + "\n" for part, names in proposal.parts.lists.items()}


def _docstring(proposal: Proposal, name: str, today: datetime.date) -> str:
    layout, facts = proposal.layout, proposal.parts.facts
    height, width = proposal.size
    model = _MODELS[layout.task]
    size = f"crops of {height}x{width}" if layout.task == "segmentation" else f"{height}x{width}"
    folder = "".join(c for c in Path(layout.shared["data_root"]).name if c.isprintable() and c not in "\\\"'")
    images = " and ".join(f"{count:,} {part}" for part, count in proposal.parts.images.items())
    return f'''"""{model} on {describe_backbone(proposal.backbone)}, {size}: {name}, {len(facts.classes)} classes.

Written by `densevision new` on {today} for {layout.name} in {folder}: {images} images.
It is yours to change; docs/own_data.md says what each line is for.

    densevision train {name}.py
    densevision test work_dirs/{name}/best.pth
    densevision export work_dirs/{name}/best.pth --quantize int8 --out {name}.tflite
    densevision demo {name}.tflite --input VIDEO --out annotated.mp4
"""
'''


def _imports(proposal: Proposal) -> str:
    task = proposal.layout.task
    transforms = [*proposal.flips, *_TRANSFORMS[task]]
    module, _, dataset = proposal.layout.dataset.rpartition(".")
    ours = [f"from {module} import {dataset}"]
    if _normalize(proposal):
        ours.append("from densevision.data.normalize import Normalize")
    ours += _OURS[task]
    lines = [f"from albumentations import {', '.join(sorted(transforms))}"] if transforms else []
    lines.append("from mmengine.config import read_base")
    lines.append(
        f"from mmengine.optim import {'LinearLR, PolyLR' if task == 'segmentation' else 'CosineAnnealingLR, LinearLR'}"
    )
    lines.append(f"from torch.optim import {'SGD' if task == 'classification' else 'AdamW'}")
    lines += ["", *sorted(ours), "", "with read_base():"]
    lines += [f"    from densevision.configs._base_.{part} import *" for part in ("runtime", f"small_{task}")]
    return "\n".join([*lines, ""])


def _data(proposal: Proposal) -> str:
    parts, schedule = proposal.parts.arguments, proposal.schedule
    train, val = parts["train"], parts["val"]
    dataset = proposal.layout.dataset.rpartition(".")[2]
    same = {key: value for key, value in train.items() if key in val and val[key] == value}
    lines = [f"_data = {_call('dict', dict(type=Code(dataset), **proposal.layout.shared) | same)}"]
    for part, arguments in (("train", train), ("val", val)):
        own = {key: value for key, value in arguments.items() if key not in same}
        lines.append(f"{part}_dataloader.dataset.update({_arguments(own, '_data')})")
    if "test" in parts:
        own = dict.fromkeys(val) | dict(parts["test"])
        differing = {key: value for key, value in own.items() if key not in val or val[key] != value}
        lines.append(f"test_dataloader = dict(dataset=dict({_arguments(differing)}))")
    lines.append(_transforms(proposal))
    lines.append(f"train_dataloader.update(batch_size={schedule.batch})")
    lines.append(f"val_dataloader.update(batch_size={proposal.val_batch})")
    return "\n".join([*lines, ""])


def _transforms(proposal: Proposal) -> str:
    flips = [f"dict(type={flip})" for flip in proposal.flips]
    if proposal.layout.task == "detection":
        return f"train_dataloader.dataset.transforms += [{', '.join(flips)}]"
    if proposal.layout.task == "classification":
        lines = [
            "dict(type=InceptionCrop, scale=(0.5, 1.0)),",
            *(f"{flip}," for flip in flips),
            "dict(type=ColorJitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02, p=0.5),",
        ]
        return "\n    ".join(["train_dataloader.dataset.transforms = [", *lines]) + "\n]"
    height, width = proposal.size
    return (
        "\n    ".join(
            [
                "train_dataloader.dataset.transforms = [",
                "dict(type=RandomScale, scale_limit=(-0.25, 0.75), p=1.0),",
                f"dict(type=PadIfNeeded, min_height={height}, min_width={width}, fill=127, fill_mask=255),",
                f"dict(type=RandomCrop, height={height}, width={width}),",
                *(f"{flip}," for flip in flips),
                "dict(type=ColorJitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.05, p=0.8),",
            ]
        )
        + "\n]"
    )


def _model(proposal: Proposal) -> str:
    settings, task = proposal.start.settings, proposal.layout.task
    model = {"detection": "SSDLite", "segmentation": "Segmentor", "classification": "ImageClassifier"}[task]
    backbone = dict(proposal.backbone)
    backbone |= {key.partition(".")[2]: value for key, value in settings.items() if key.startswith("backbone.")}
    lines = []
    if proposal.start.path is not None:
        lines.append(f"init_from = {_init_from(proposal)}")
    lines += ["model = dict(", f"    type={model},"]
    lines.append(f"    backbone=dict({_arguments(backbone)}),")
    if task == "segmentation":
        lines.append("    head=dict(type=LRASPPHead, filters=128),")
    lines.append("    num_classes=None,  # as in the data")
    if task != "segmentation":
        lines.append(f"    input_size={proposal.size},  # (height, width)")
    if proposal.anchors and not proposal.anchors.is_default:
        lines.append(f"    anchors=dict(scales={proposal.anchors.scales}, lowest={proposal.anchors.lowest}),")
    if task == "classification":
        lines.append("    label_smoothing=0.1,")
    if task != "detection":
        lines.append("    bn_momentum=0.1,")
    if scaling := _normalize(proposal):
        lines.append(f"    data_preprocessor=dict({_arguments(scaling)}),")
    return "\n".join([*lines, ")"])


def _normalize(proposal: Proposal) -> dict[str, Any]:
    scaling = proposal.start.settings.get("data_preprocessor")
    if not scaling:
        return {}
    return dict(type=Code("Normalize"), mean=tuple(scaling["mean"]), std=tuple(scaling["std"]))


def _init_from(proposal: Proposal) -> str:
    path = str(proposal.start.path)
    halved = dict(halved_tail="first_half") if proposal.backbone.get("reduced_tail") else {}
    return _call("dict", dict(source=path, **halved)) if halved else _literal(path)


def _schedule(proposal: Proposal) -> str:
    schedule = proposal.schedule
    optimizer = {
        "detection": f"dict(type=AdamW, lr={schedule.rate}, weight_decay=0.05)",
        "segmentation": f"dict(type=AdamW, lr={schedule.rate}, weight_decay=0.02)",
        "classification": f"dict(type=SGD, lr={schedule.rate}, momentum=0.9, weight_decay=5e-4)",
    }[proposal.layout.task]
    decay = f"dict(type=CosineAnnealingLR, begin={schedule.warmup})"
    if proposal.layout.task == "segmentation":
        decay = f"dict(type=PolyLR, power=0.9, begin={schedule.warmup}, eta_min=1e-5)"
    return f"""\
# {schedule.epochs:,.0f} epochs of {proposal.parts.images["train"]:,} images
train_cfg.update(max_iters={schedule.iterations}, val_interval={schedule.interval})
total_batch = {schedule.batch}  # the learning rate is for this number of images per step
auto_scale_lr = True  # with more processes, or another batch size, the rate is scaled to it
optim_wrapper.update(optimizer={optimizer})
param_scheduler = [
    dict(type=LinearLR, start_factor=0.05, end={schedule.warmup}),
    {decay},
]
"""


class Code(str):
    """Text that stands in the config without quotes."""


def _arguments(values: Mapping[str, Any], first: str = "") -> str:
    """Write keyword arguments in one line."""
    return ", ".join([*([first] if first else []), *(f"{key}={_literal(value)}" for key, value in values.items())])


def _call(name: str, values: Mapping[str, Any]) -> str:
    """Write a call in one line, or with one argument per line."""
    line = f"{name}({_arguments(values)})"
    if len(line) <= _WIDTH:
        return line
    written = [f"    {key}={_wrapped(value)}," for key, value in values.items()]
    return "\n".join([f"{name}(", *written, ")"])


def _literal(value: Any) -> str:
    """Write plain data as Python text with double quotes."""
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"' if value.isprintable() and not set(value) & set('"\\') else repr(str(value))
    opening, items, closing = _items(value)
    return f"{opening}{', '.join(items)}{closing}" if opening else repr(value)


def _items(value: Any) -> tuple[str, list[str], str]:
    """Return opening bracket, items and closing bracket; empty brackets for other values."""
    if isinstance(value, Mapping):
        return "{", [f"{_literal(key)}: {_literal(item)}" for key, item in value.items()], "}"
    if isinstance(value, list | tuple):
        items = [_literal(item) for item in value]
        return ("[", items, "]") if isinstance(value, list) else ("(", items, ",)" if len(items) == 1 else ")")
    return "", [], ""


def _wrapped(value: Any) -> str:
    """Write an argument; a long list or dict as lines of as many items as fit."""
    opening, items, closing = _items(value)
    if not opening or len(_literal(value)) <= _WIDTH - 20:
        return _literal(value)
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) > _WIDTH - 12:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{item},"
    return "\n".join([opening, *(f"        {line}" for line in lines), f"    {closing.removeprefix(',')}"])
