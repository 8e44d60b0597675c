"""Compare the times of exported graphs: int8 with float, and our SSDLite with torchvision's.

    python tools/benchmarks/tflite_times.py --images FOLDER --out runs/tflite_times [--rounds 40]

V3-Large with reduced and full tail. Weights are random; the statistics of the batch norms are those of the images. The
files run in turns on one thread, and the ratio is the median of the ratios of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.ops import box_convert

from densevision.config.load import load_config
from densevision.data.normalize import Normalize
from densevision.detection.box_coder import BoxCoder
from densevision.export.convert import convert
from densevision.export.detection_graph import DetectionGraph
from densevision.export.graph import InputType, Pixels
from densevision.export.quantize import to_int8
from densevision.export.segmentation import SegmentationGraph
from densevision.export.tflite_graph import op_name, read_graph, write_graph
from densevision.images import read_image, resize_image
from densevision.inference.load import build_model
from densevision.inference.tflite_backend import open_interpreter

CONFIGS = Path(__file__).parents[2] / "configs"
SEGMENTATION = CONFIGS / "segmentation/lraspp_v3_large_reduced_os16_cityscapes.py"
DETECTOR = CONFIGS / "detection/ssdlite_v3_large_reduced_coco.py"


class TorchvisionGraph(nn.Module):
    """torchvision's SSDLite as a graph like ``DetectionGraph``: decoded boxes and scores, without background."""

    def __init__(self, pixels: InputType):
        super().__init__()
        self.pixels = Pixels(Normalize(), pixels)
        self.model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=91).eval()
        grid = [(20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]
        anchors = self.model.anchor_generator._grid_default_boxes(grid, [320, 320])[:, [1, 0, 3, 2]]
        self.register_buffer("corners", box_convert(anchors, "cxcywh", "xyxy"))
        self.coder = BoxCoder()

    def forward(self, image):
        features = list(self.model.backbone(self.pixels(image)).values())
        head = self.model.head
        deltas = self._flat(head.regression_head.module_list, features, 4)
        logits = self._flat(head.classification_head.module_list, features, 91)
        return self.coder.decode(deltas, self.corners), logits.softmax(-1)

    def _flat(self, layers, features, columns):
        rows = [layer(x).permute(0, 2, 3, 1).reshape(1, -1, columns) for layer, x in zip(layers, features, strict=True)]
        return torch.cat(rows, 1)


def settle(network: nn.Module, forward, images: list[np.ndarray]) -> None:
    """Set the statistics of the batch norms to those of real images."""
    batch = torch.stack([torch.from_numpy(image) for image in images]).permute(0, 3, 1, 2).float() / 127.5 - 1
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    network.train()
    with torch.no_grad():
        for momentum in (1.0, 0.5):
            for norm in norms:
                norm.momentum = momentum
            forward(batch)
    network.eval()


def write_files(out: Path, folder: Path) -> dict[str, Path]:
    """Write the files that do not exist yet."""
    torch.manual_seed(0)
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in (".jpg", ".png")][:8]
    inputs = {size: [resize_image(read_image(path), size) for path in paths] for size in ((512, 1024), (320, 320))}
    small = inputs[320, 320]
    out.mkdir(parents=True, exist_ok=True)
    made = {}

    def write(name: str, kind: str, graph: nn.Module, size: tuple[int, int]) -> None:
        path = made[f"{name}_{kind}"] = out / f"{name}_{kind}.tflite"
        if not path.exists():
            content = convert(graph, size)
            if isinstance(graph, TorchvisionGraph):
                content = _name_network(content)
            path.write_bytes(to_int8(content, inputs[size]) if kind == "int8" else content)

    for tail in ("", "_full"):
        segmentor, detector = build_model(_config(SEGMENTATION, tail), 19), build_model(_config(DETECTOR, tail), 80)
        settle(segmentor, segmentor, small)
        settle(detector, detector.forward_head, small)
        for kind, pixels in (("float", "uint8"), ("int8", "float32")):  # as densevision export does; both take uint8
            write(f"lraspp{tail}_512x1024", kind, SegmentationGraph(segmentor, pixels), (512, 1024))
            write(f"ssdlite{tail}_320", kind, DetectionGraph(detector, pixels, decode=True), (320, 320))
    for kind, pixels in (("float", "uint8"), ("int8", "float32")):
        torch.manual_seed(0)
        other = TorchvisionGraph(pixels)
        settle(other.model, lambda batch, model=other.model: model.head(list(model.backbone(batch).values())), small)
        write("torchvision_320", kind, other.eval(), (320, 320))
    return made


def _name_network(content: bytes) -> bytes:
    """Name torchvision's layers so that they become int8 like ours; layers named io stay in float."""
    model = read_graph(content)
    graph, kinds = model.subgraphs[0], [op_name(model, operator) for operator in model.subgraphs[0].operators]
    last = len(kinds) - kinds[::-1].index("CONV_2D")
    for operator, kind in zip(graph.operators[:last], kinds, strict=False):
        tensor = graph.tensors[operator.outputs[0]]
        if kind != "RESHAPE":
            tensor.name = tensor.name.replace(b"io/", b"network/")
    return write_graph(model)


def _config(path: Path, tail: str) -> Config:
    config = load_config(path)
    if tail == "_full":
        del config.model.backbone.reduced_tail
    return config


def time_rounds(files: dict[str, Path], rounds: int) -> dict[str, list[float]]:
    """Measure the milliseconds of every file in every round."""
    runs = {name: open_interpreter(path) for name, path in files.items()}
    random = np.random.default_rng(0)
    for interpreter in runs.values():
        entry = interpreter.get_input_details()[0]
        pixels = random.integers(0, 256, entry["shape"]).astype(np.uint8)
        interpreter.set_tensor(entry["index"], pixels if entry["dtype"] is np.uint8 else pixels / np.float32(127.5) - 1)
        for _ in range(3):
            interpreter.invoke()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, interpreter in runs.items():
            start = time.perf_counter()
            interpreter.invoke()
            times[name].append(1000 * (time.perf_counter() - start))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/tflite_times"))
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    files = write_files(arguments.out, arguments.images)
    networks = ("lraspp_512x1024", "lraspp_full_512x1024", "ssdlite_320", "ssdlite_full_320", "torchvision_320")
    pairs = [(f"{name}_int8", f"{name}_float") for name in networks]
    for pair in (*pairs, ("ssdlite_320_float", "torchvision_320_float")):
        times = time_rounds({name: files[name] for name in pair}, arguments.rounds)
        ratio = statistics.median(a / b for a, b in zip(*times.values(), strict=True))
        medians = ", ".join(f"{name} {statistics.median(values):.2f} ms" for name, values in times.items())
        print(f"{medians}, ratio {ratio:.3f}", flush=True)


if __name__ == "__main__":
    main()
