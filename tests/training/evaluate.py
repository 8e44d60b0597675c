"""Evaluate a checkpoint, in one process or under torchrun, and print the metrics as JSON."""

import json
import os
import sys

from densevision.config.load import load_config
from densevision.training.runner import build_runner

config = load_config(sys.argv[1], sys.argv[4:])
config.work_dir, config.load_from = sys.argv[2], sys.argv[3]
config.launcher = "pytorch" if "RANK" in os.environ else "none"
metrics = build_runner(config, training=False).test()
if os.environ.get("RANK", "0") == "0":
    print(json.dumps(metrics))
