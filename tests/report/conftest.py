"""A report of a small evaluation, made without a training."""

import numpy as np
import pytest
import torch
from mmengine.config import Config

from densevision.images import write_image
from densevision.report.content import Run, build_content
from tests.detection.test_thresholds import evaluate

CURVES = [
    {"iteration": 2, "loss": 4.0, "loss_box": 1.0, "lr": 0.1},
    {"iteration": 4, "loss": 2.0, "loss_box": 0.5, "lr": 0.05, "coco/AP": 0.2, "coco/AP50": 0.4},
    {"iteration": 8, "loss": 1.0, "loss_box": 0.2, "lr": 0.01, "coco/AP": 0.3, "coco/AP50": 0.5},
]


class Network(torch.nn.Module):
    """Has 3 * 4 * 9 + 4 = 112 parameters; 3 * 4 * 9 * 16 * 16 = 27,648 multiply-adds at 16x16."""

    input_size = (16, 16)

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images):
        return self.layer(images)


def make_run(folder, classes=("cat", "dog"), kind="training", **changes):
    """Return a run on the evaluation of tests/detection/test_thresholds.py."""
    evaluation, boxes = evaluate(classes=classes)
    for number in (1, 2, 3):
        write_image(folder / f"{number}.png", np.full((100, 100, 3), 60 * number, np.uint8))
    paths = {number: str(folder / f"{number}.png") for number in (1, 2, 3)}
    boxes = boxes.__class__(**{**vars(boxes), "images": paths})
    metrics = {"coco/AP": float(evaluation.stats[0]), "coco/AP50": float(evaluation.stats[1]), "coco/AP_small": -1.0}
    values = dict(
        kind=kind,
        config=Config(dict(model=dict(type="Network"), train_cfg=dict(max_iters=8)), cfg_text=" ", filename="mine.py"),
        model=Network(),
        metrics=metrics,
        details=[boxes],
        ranking="coco/AP",
        iterations=dict(all=8, best=8, shown=8),
        curves=CURVES,
        data_lines=["val: 3 images, 5 boxes: cat 3, dog 2"],
    )
    return Run(**{**values, **changes})


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The content and the example images of the report."""
    return build_content(make_run(tmp_path_factory.mktemp("images")))
