"""``densevision convert``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from densevision.outputs import Kind, check_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "source", metavar="SOURCE", help="a file (with --model), or LIBRARY:NETWORK[.TAG], which the library downloads"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="the checkpoint to write, weights.pth")
    parser.add_argument("--model", metavar="LIBRARY:NETWORK", help="the file's network: timm:mobilenetv3_large_100")


def run(arguments: argparse.Namespace) -> int:
    """Write a checkpoint for ``densevision test`` and ``init_from``, and report how the tensors were assigned."""
    import io

    import torch

    from densevision.atomic import write_whole
    from densevision.checkpoints.settings import format_overrides, non_default
    from densevision.errors import UserError
    from densevision.weights.convert import convert

    if os.path.isdir(arguments.out):
        raise UserError(f"--out {arguments.out} is a folder; give a file in it")
    check_output("--out", arguments.out, CONVERTED, [arguments.source], makes_folder=True)
    checkpoint, report = convert(arguments.source, arguments.model)
    content = io.BytesIO()
    torch.save(checkpoint, content)
    write_whole(arguments.out, content.getvalue(), "--out")
    print(report)
    if settings := non_default(checkpoint["meta"]["settings"]):
        print(f"  a config for them sets {format_overrides(settings)}")
    print(f"wrote {arguments.out}")
    return 0


def _is_converted(path: Path) -> bool:
    from densevision.checkpoints.reading import read_checkpoint
    from densevision.errors import UserError

    try:
        return "source" in read_checkpoint(path, "meta").get("meta", {})
    except UserError:
        return False


CONVERTED = Kind("checkpoint that densevision convert wrote", _is_converted)
