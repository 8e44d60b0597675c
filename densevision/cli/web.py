"""``densevision web``."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help=".tflite files of densevision export")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the site")
    parser.add_argument("--image", type=Path, metavar="IMAGE", help="sample image (default: a rendered street)")
    parser.add_argument(
        "--runtime", type=Path, metavar="DIR", help="folder of npm install @litertjs/core (default: the package's own)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the site, and say how to open it."""
    from densevision.web.site import build_site

    out = build_site(arguments.models, arguments.out, runtime=arguments.runtime, image=arguments.image)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    count = len(arguments.models)
    print(f"{out}: {count} model{'s' if count > 1 else ''}, {size / 1e6:.1f} MB, for any static host")
    print(f"open it here: python -m http.server --bind 127.0.0.1 --directory {out}, then http://127.0.0.1:8000")
    return 0
