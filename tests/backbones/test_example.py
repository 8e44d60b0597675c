import re
from pathlib import Path

import torch

from densevision.backbones import BACKBONES


def test_the_documented_backbone_trains():
    text = (Path(__file__).parents[2] / "docs" / "backbones.md").read_text()
    torch.manual_seed(0)
    names = {}
    try:
        exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], names)
    finally:
        BACKBONES.pop("tiny", None)
    assert names["losses"][-1] < 0.8 * names["losses"][0]
