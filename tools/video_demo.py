"""``python tools/video_demo.py CONFIG CHECKPOINT ...``: the same as ``densevision demo``."""

import sys

from densevision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
