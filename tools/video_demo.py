"""Run ``densevision demo``: ``python tools/video_demo.py CONFIG CHECKPOINT ...``."""

import sys

from densevision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
