"""Data sets, configs and checkpoints for the toy models: what the models themselves find counts as the truth."""

import json
from pathlib import Path

import numpy as np
import torch

from densevision.images import write_image
from densevision.inference.predictor import DetectionPredictor
from densevision.inference.torch_backend import TorchBackend
from densevision.structures import PostProcess
from tests.export.toy import DETECTOR, SEGMENTOR, SIZE, detector, random_images, segmentor

CLASSES = ("car", "person", "bicycle")
LOADERS = """
from mmengine.dataset import DefaultSampler
from mmengine.runner import TestLoop
default_scope = None
_loader = dict(sampler=dict(type=DefaultSampler, shuffle=False), batch_size=1, num_workers=0)
train_dataloader = dict(_loader, dataset=_data)
test_dataloader = dict(_loader, dataset=_data)
test_cfg = dict(type=TestLoop)
"""
DETECTOR_DATA = """
from densevision.detection.coco import CocoDataset
from densevision.detection.metric import CocoMetric
_data = dict(type=CocoDataset, data_root={root!r}, ann_file="truth.json", image_dir="images", input_size=(64, 96))
test_evaluator = dict(type=CocoMetric)
"""
SEGMENTOR_DATA = """
from densevision.segmentation.cityscapes import CityscapesDataset
from densevision.segmentation.metric import IoUMetric
_data = dict(
    type=CityscapesDataset, data_root={root!r}, split="train", classes=dict(car=0, person=1, bicycle=2),
)
test_evaluator = dict(type=IoUMetric)
"""


def write_detector(folder: Path, images: int = 6) -> tuple[Path, Path]:
    """Write a config with data and a checkpoint; returns their paths."""
    model, table = detector(), dict(images=[], annotations=[])
    table["categories"] = [dict(id=number, name=name) for number, name in enumerate(CLASSES[:2], start=1)]
    backend = TorchBackend(model.predict_dense, model.data_preprocessor.normalize, model.input_size)
    find = DetectionPredictor(backend, CLASSES[:2], PostProcess(0.3, 0.6, 5))
    for number, image in enumerate(random_images(images)):
        write_image(folder / f"images/{number}.png", image)
        table["images"].append(dict(id=number, file_name=f"{number}.png", height=SIZE[0], width=SIZE[1]))
        found = find(image)
        for (x0, y0, x1, y1), label in zip(found.boxes.tolist(), found.labels.tolist(), strict=True):
            box = [x0, y0, x1 - x0, y1 - y0]
            table["annotations"].append(
                dict(id=len(table["annotations"]), image_id=number, category_id=label + 1, bbox=box)
            )
    (folder / "truth.json").write_text(json.dumps(table))
    return _write(folder, DETECTOR + DETECTOR_DATA.format(root=str(folder)) + LOADERS, model, dict(classes=CLASSES[:2]))


def write_segmentor(folder: Path, images: int = 6) -> tuple[Path, Path]:
    """Write a config with data and a checkpoint; returns their paths."""
    model = segmentor()
    for number, image in enumerate(random_images(images)):
        with torch.inference_mode():
            pixels = torch.from_numpy(image)[None].permute(0, 3, 1, 2)
            labels = model(model.data_preprocessor.normalize(pixels)).argmax(1)[0].numpy().astype(np.uint8)
        write_image(folder / f"leftImg8bit/train/a/{number}_leftImg8bit.png", image)
        write_image(folder / f"gtFine/train/a/{number}_gtFine_labelIds.png", labels)
    info = dict(classes=CLASSES, palette=[[255, 0, 0], [0, 255, 0], [0, 0, 255]])
    return _write(folder, SEGMENTOR + SEGMENTOR_DATA.format(root=str(folder)) + LOADERS, model, info)


def _write(folder: Path, text: str, model, info: dict) -> tuple[Path, Path]:
    (folder / "config.py").write_text(text)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=info)), folder / "model.pth")
    return folder / "config.py", folder / "model.pth"
