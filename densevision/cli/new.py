"""``densevision new``."""

from __future__ import annotations

import argparse
import keyword
import re
import unicodedata
from pathlib import Path

from densevision.errors import UserError

_TARGETS = ("phone-fast", "balanced", "accurate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder with images and labels")
    parser.add_argument("--name", help="name of the config, written as NAME.py (default: from the folder's name)")
    parser.add_argument("--model", help="small, large, or the name of a backbone (default: by --target)")
    parser.add_argument("--target", choices=_TARGETS, default="balanced", help="what matters most (default: balanced)")
    parser.add_argument(
        "--task", choices=("detection", "segmentation", "classification"), help="where the labels allow several"
    )
    parser.add_argument(
        "--weights",
        default="auto",
        help="auto (ImageNet weights if they can be downloaded), none, torchvision:NETWORK, timm:NETWORK, or a "
        "checkpoint (default: auto)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Look at the data, choose the settings, write the config, and print the next command."""
    folder = Path.cwd()
    name = name_of(arguments.data) if arguments.name is None else check_name(arguments.name)

    from densevision.data.formats.recognize import recognize
    from densevision.proposal.create import Request, check_free, create_config

    check_free(folder, name)
    layout = recognize(arguments.data, arguments.task)
    request = Request(str(arguments.data), name, arguments.model, arguments.target, arguments.weights)
    config = create_config(layout, request, folder, print)
    print(f"next: densevision train {config.name}")
    return 0


def name_of(data: Path) -> str:
    """Return a name for the config from the folder's: "My cells (2)" becomes "my_cells_2"."""
    plain = unicodedata.normalize("NFKD", data.resolve().name).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not name:
        return "my_data"
    return f"data_{name}" if name[0].isdigit() or keyword.iskeyword(name) else name


def check_name(name: str) -> str:
    """Return a name that can be a Python file's.

    Raises:
        UserError: it can't.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UserError(f"--name {name!r}: give letters, digits and underscores only, such as {name_of(Path(name))}")
    return name
