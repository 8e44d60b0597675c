"""``python tools/test.py CONFIG CHECKPOINT ...``: the same as ``densevision test``."""

import sys

from densevision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["test", *sys.argv[1:]]))
