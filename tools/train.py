"""``python tools/train.py CONFIG``: the same as ``densevision train CONFIG``."""

import sys

from densevision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
