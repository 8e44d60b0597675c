"""Run ``densevision export``: ``python tools/export_tflite.py CONFIG CHECKPOINT --out MODEL.tflite ...``."""

import sys

from densevision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
