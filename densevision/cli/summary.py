"""``densevision summary``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from densevision.atomic import write_json
from densevision.errors import UserError
from densevision.outputs import check_output

if TYPE_CHECKING:
    from mmengine.config import ConfigDict
    from rich.table import Table

    from densevision.complexity import LayerCount


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a config file, or the name of a shipped config")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="input in pixels (default: the config's input_size or training crop)",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write layers, taps and totals")


def run(arguments: argparse.Namespace) -> int:
    """Print every layer's output shape, parameters and MAdds, the taps and the totals."""
    import torch
    from rich.console import Console

    from densevision.complexity import count_layers, peak_activation, total_madds, total_params
    from densevision.config.build_errors import config_errors
    from densevision.config.load import load_config
    from densevision.registry import MODELS

    if arguments.json:
        check_output("--json", arguments.json, others=[arguments.config])
    config = load_config(arguments.config)
    if not config.get("model") or not (config.get("train_dataloader") or {}).get("dataset"):
        raise UserError(f"{arguments.config} has no model or no train_dataloader.dataset; both are needed here")
    dataset = config.train_dataloader.dataset
    size = input_size(arguments.size, dataset)
    model = dict(config.model)
    if "input_size" in dataset:
        model["input_size"] = size
    assumed = model.get("num_classes") is None and not dataset.get("classes")
    model["num_classes"] = number = model.get("num_classes") or class_count(dataset)
    with config_errors(), torch.device("meta"):
        model = MODELS.build(model)
    counts = count_layers(model, size)
    console = Console()
    console.print(layer_table(f"{arguments.config.stem}, {size[0]}x{size[1]}", counts))
    for name, tap in model.backbone.taps.items():
        console.print(f"tap {name}: {tap.channels} channels at stride {tap.stride}")
    with_norm, without = (total_params(counts, norm=norm) for norm in (True, False))
    console.print(f"params {with_norm:,} ({without:,} without batch norm)")
    origin = " (assumed: only the data state them)" if assumed else ""
    console.print(f"MAdds {total_madds(counts):,}, {number} classes{origin}")
    console.print(f"peak activation memory {peak_activation(model, size):,} bytes: all tensors alive at once, float32")
    if arguments.json:
        totals: dict[str, object] = dict(params=with_norm, params_without_norm=without, madds=total_madds(counts))
        totals |= dict(input_size=size, peak_activation_bytes=peak_activation(model, size))
        taps = {name: dict(channels=tap.channels, stride=tap.stride) for name, tap in model.backbone.taps.items()}
        layers = [dataclasses.asdict(layer) for layer in counts]
        write_json(arguments.json, dict(config=arguments.config.stem, **totals, taps=taps, layers=layers), "--json")
    return 0


def layer_table(title: str, counts: list[LayerCount]) -> Table:
    """Format the layers in execution order; a batch norm is part of its convolution's row."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("layer", no_wrap=True)
    for heading in ("output", "params", "MAdds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer, following in zip(counts, [*counts[1:], None], strict=True):
        if layer.kind == "BatchNorm2d":
            continue
        name, params = layer.name, layer.params
        if following is not None and following.kind == "BatchNorm2d":
            name, params = name.removesuffix(".0"), params + following.params
        table.add_row(name, "x".join(map(str, layer.output_shape)), f"{params:,}", f"{layer.madds:,}")
    return table


def input_size(size: list[int] | None, dataset: ConfigDict) -> tuple[int, int]:
    """Return (height, width): ``size`` if given, else the detector's input, else the training crop.

    Raises:
        UserError: a side of ``size`` is below 1, or nothing states a size.
    """
    if size and min(size) < 1:
        raise UserError(f"--size {size[0]} {size[1]}: give height and width in pixels, 1 or more")
    if size:
        return size[0], size[1]
    if "input_size" in dataset:
        return tuple(dataset.input_size)
    named = [(getattr(each.type, "__name__", str(each.type)), each) for each in dataset.get("transforms") or ()]
    crops = [each for name, each in named if name.rpartition(".")[2] in ("RandomCrop", "ClassUniformCrop")]
    if not crops:
        raise UserError("the config has neither an input size nor a RandomCrop in its transforms; give --size H W")
    return crops[0].height, crops[0].width


def class_count(dataset: ConfigDict) -> int:
    """Return the number of the data set's classes; if only its files state them, COCO's 80, Cityscapes' 19, ..."""
    classes = dataset.get("classes")
    if classes:
        return len(classes)
    if "center_crop" in dataset:
        return 1000  # ImageNet's
    return 80 if "input_size" in dataset else 19
