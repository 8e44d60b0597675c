"""``densevision new``."""

from __future__ import annotations

import argparse
import keyword
import re
import shlex
import unicodedata
from pathlib import Path

from densevision.errors import UserError

_TARGETS = ("phone-fast", "balanced", "accurate")
_FEW = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder with images and labels")
    parser.add_argument("--name", help="name of the config, written as NAME.py (default: from the folder's name)")
    parser.add_argument("--model", help="small, large, or the name of a backbone (default: by --target)")
    parser.add_argument("--target", choices=_TARGETS, default="balanced", help="what matters most (default: balanced)")
    parser.add_argument("--task", choices=("detection", "segmentation"), help="where the labels allow both")
    parser.add_argument(
        "--weights",
        default="auto",
        help="auto (ImageNet weights if they can be downloaded), none, torchvision:NETWORK, timm:NETWORK, or a "
        "checkpoint (default: auto)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Look at the data, choose the settings, write the config, and print the next command."""
    folder = Path.cwd()
    name = _check_name(arguments.name) if arguments.name is not None else name_of(arguments.data)
    _check_free(folder, name)

    import datetime

    from densevision.atomic import write_whole
    from densevision.config.load import load_config
    from densevision.data.formats.recognize import recognize
    from densevision.proposal.network import choose_backbone
    from densevision.proposal.propose import check_test_part, divide, propose
    from densevision.proposal.start import find_start
    from densevision.proposal.write import config_text, image_lists

    layout = recognize(arguments.data)
    backbone = choose_backbone(layout.task, arguments.model, arguments.target).value["name"]
    parts = divide(layout, folder, name)
    parts, note = check_test_part(layout, parts)
    lines = parts.facts.lines("data" if parts.lists else "train")
    print(f"{layout.name} in {layout.shared['data_root']}", *lines, sep="\n")
    for line in (*layout.notes, *([note] if note else [])):
        print(f"  {line}")
    start = find_start(arguments.weights, backbone, folder)
    proposal = propose(layout, parts, start, model=arguments.model, target=arguments.target)
    for setting, line in proposal.reasons.items():
        print(f"{setting:<9} {line}")
    if start.path is None:
        print(*scratch_advice(parts.images["train"], start.later, arguments, name), sep="\n")
    files = {**image_lists(proposal, name), f"{name}.py": config_text(proposal, name, datetime.date.today())}
    for file, text in files.items():
        write_whole(folder / file, text.encode(), "new")
    load_config(folder / f"{name}.py")
    print(f"wrote {', '.join(sorted(files))}")
    print(f"next: densevision train {name}.py")
    return 0


def name_of(data: Path) -> str:
    """Return a name for the config from the folder's: "My cells (2)" becomes "my_cells_2"."""
    plain = unicodedata.normalize("NFKD", data.resolve().name).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not name:
        return "my_data"
    return f"data_{name}" if name[0].isdigit() or keyword.iskeyword(name) else name


def _check_name(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UserError(f"--name {name}: give letters, digits and underscores only, such as {name_of(Path(name))}")
    return name


def _check_free(folder: Path, name: str) -> None:
    """Raise a UserError if a file that would be written exists."""
    taken = [file for file in (f"{name}.py", f"{name}_train.txt", f"{name}_val.txt") if (folder / file).exists()]
    if taken:
        raise UserError(f"{taken[0]} exists already and is not overwritten; give another name with --name")


def scratch_advice(images: int, later: str | None, arguments: argparse.Namespace, name: str) -> list[str]:
    """Say what to expect of a training from scratch, and the command for a training from published weights."""
    lines = ["The training starts from scratch, without published weights."]
    if images < _FEW:
        lines.append(
            f"  With {images:,} images expect a usable model only if they look alike (one camera, one kind of object); "
            "published weights help most with few images."
        )
    if later is not None:
        options = ["--name", f"{name}_pretrained", "--weights", later, "--target", arguments.target]
        options += ["--model", arguments.model] if arguments.model else []
        command = shlex.join(["densevision", "new", str(arguments.data), *options])
        lines.append(f"  Where there is a network: {command}")
    return lines
