"""Run ``densevision benchmark``: ``python tools/benchmark.py MODEL.tflite ...``."""

import sys

from densevision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", *sys.argv[1:]]))
