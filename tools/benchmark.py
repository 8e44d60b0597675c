"""``python tools/benchmark.py MODEL.tflite ...``: the same as ``densevision benchmark``."""

import sys

from densevision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", *sys.argv[1:]]))
