"""Run ``densevision test``: ``python tools/test.py CONFIG CHECKPOINT ...``."""

import sys

from densevision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["test", *sys.argv[1:]]))
