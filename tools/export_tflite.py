"""``python tools/export_tflite.py CONFIG CHECKPOINT --out MODEL.tflite ...``: the same as ``densevision export``."""

import sys

from densevision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
