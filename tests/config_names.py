"""What a shipped config's name says, derived from its fields."""

from functools import cache
from itertools import combinations
from pathlib import Path

from mmengine.config import Config

from densevision.config.load import load_config
from densevision.segmentation.sum_loss import SumLoss

ROOT = Path(__file__).parents[1]
HEADS = {
    ("LRASPPHead", 128): "lraspp",
    ("LRASPPHead", 256): "lraspp256",
    ("RASPPHead", 256): "raspp",
    # their backbones name the network
    ("ESPNetDecoder", None): "",
    ("ESPNetV2Decoder", None): "",
    ("CCC2Decoder", None): "",
}
REDUCED = {None: "", "detection": "reduced", "segmentation": "reduced"}


def leaves(task: str) -> list[Path]:
    """Return the configs of a task."""
    return sorted((ROOT / "configs" / task).glob("*.py"))


def tokens(config: Config) -> dict[str, str]:
    """Return the words that a config's fields ask for, in the order of the name; "" stands for no word."""
    model, dataset = config.model, config.train_dataloader.dataset
    backbone = model.backbone
    return dict(
        head=HEADS[model.head.type.__name__, model.head.get("filters")] if "head" in model else "ssdlite",
        backbone=backbone.name.replace("mobilenet_", "").removesuffix("_lraspp_torchvision"),
        width=f"w{round(100 * backbone.width):03d}" if "width" in backbone else "",
        hswish=f"hswish{backbone.hswish_from}" if "hswish_from" in backbone else "",
        reduced=REDUCED[backbone.get("reduced_tail")],
        stride=f"os{backbone.output_stride}" if "output_stride" in backbone else "",
        data=dataset.data_root,
        variant=_variant(config),
    )


def _variant(config: Config) -> str:
    model, is_segmentor = config.model, "head" in config.model
    if model.backbone.get("padding") == "same":
        return "deeplab_release" if is_segmentor else "tensorflow_release"
    if "teacher" in config:
        return "distilled"
    if is_segmentor and model.get("loss", {}).get("type") is SumLoss:
        return "continued" if "init_from" in config else "long"
    if "loss" in model or "torchvision" in model.backbone.name:
        return "torchvision"
    if is_segmentor and config.optim_wrapper.constructor.__name__ == "DefaultOptimWrapperConstructor":
        return "mmseg"
    if "init_from" in config:
        return "finetuned"
    return "testsplit" if config.test_dataloader.dataset.get("split") == "test" else ""


@cache
def _all_tokens(task: str) -> list[dict[str, str]]:
    return [tokens(load_config(path)) for path in leaves(task)]


def names_of(config: Config, task: str) -> set[str]:
    """Return the names that a config may have: with all its words, or without some that its neighbors share.

    Neighbors are the configs with the same head, backbone and data set.
    """
    words = tokens(config)
    same = ("head", "backbone", "data")
    neighbors = [other for other in _all_tokens(task) if all(other[field] == words[field] for field in same)]
    shared = [f for f in ("width", "reduced", "stride") if all(other[f] == words[f] for other in neighbors)]
    left_out = [set(chosen) for count in range(len(shared) + 1) for chosen in combinations(shared, count)]
    return {"_".join(word for field, word in words.items() if word and field not in out) for out in left_out}
