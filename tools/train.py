"""Run ``densevision train``: ``python tools/train.py CONFIG ...``."""

import sys

from densevision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
