"""What is for training only changes neither the exported graph nor a count: with every trick as without any."""

import json

import pytest
import torch

from densevision.checkpoints.config import checkpoint_config, describe_config
from densevision.checkpoints.model import build_model, load_model
from densevision.cli.main import main
from densevision.config.dump import printable
from densevision.config.load import load_config
from densevision.export.detection_graph import DetectionGraph
from densevision.export.exporter import ExportOptions, make_exporter
from densevision.export.segmentation import SegmentationGraph

CLASSES = ("a", "b", "c")
DETECTOR, SEGMENTOR = "ssdlite_v3_small_reduced_bccd", "lraspp_v3_small_camvid"
MIX = ", ".join(f"dict(type='densevision.{name}', p=0.5)" for name in ("BoxMosaic", "BoxMixUp", "BoxCopyPaste"))
LOSSES = ("CrossEntropyLoss", "BoundaryCrossEntropyLoss", "LovaszSoftmaxLoss", "RMILoss")
SUM = ", ".join(f"dict(type='densevision.{name}')" for name in LOSSES)
PLAIN = {DETECTOR: ["model.input_size=(64, 96)", "model.backbone.width=0.35"], SEGMENTOR: ["model.backbone.width=0.35"]}
EVERY = {
    DETECTOR: [
        "model.loss=dict(type='densevision.QualityFocalLoss')",
        "model.box_loss=dict(type='densevision.IoULoss')",
        "model.assigner=dict(type='densevision.DynamicAssigner')",
        f"train_dataloader.dataset.mix=[{MIX}]",
        "teacher=dict(checkpoint='gone.pth', loss=dict(type='densevision.AnchorDistillation'))",
    ],
    SEGMENTOR: [
        f"model.loss=dict(type='densevision.SumLoss', losses=[{SUM}], begins=[0, 0, 0.5, 0.5])",
        "model.auxiliary=dict(type='densevision.AuxiliaryHead')",
        "teacher=dict(checkpoint='gone.pth', loss=dict(type='densevision.PixelDistillation'))",
    ],
}


def saved(path, name, options):
    """Write the checkpoint of an untrained model; return its path."""
    config = load_config(name, options)
    torch.manual_seed(0)
    meta = dict(dataset_meta=dict(classes=CLASSES), **describe_config(config))
    torch.save(dict(state_dict=build_model(config, len(CLASSES)).state_dict(), meta=meta), path)
    return path


def graph_of(config, checkpoint):
    model, _ = load_model(config, checkpoint)
    return make_exporter(model, ExportOptions(size=(64, 96))).graph


@pytest.mark.parametrize("name", [DETECTOR, SEGMENTOR])
def test_the_graph_is_that_of_a_model_without_them(tmp_path, name):
    every = saved(tmp_path / "every.pth", name, [*PLAIN[name], *EVERY[name]])
    plain = saved(tmp_path / "plain.pth", name, PLAIN[name])
    graphs = [
        graph_of(checkpoint_config(every), every),  # its own config, whose teacher no longer exists
        graph_of(load_config(name, PLAIN[name]), every),
        graph_of(load_config(name, [*PLAIN[name], *EVERY[name]]), plain),  # an old checkpoint
    ]
    assert all(isinstance(graph, DetectionGraph | SegmentationGraph) for graph in graphs)
    first, *others = ([(key, tuple(value.shape)) for key, value in graph.state_dict().items()] for graph in graphs)
    assert all(one == first for one in others)
    assert not any("teacher" in key or "auxiliary" in key for key, _ in first)
    pixels = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        results = [graph.eval()(pixels) for graph in graphs[:2]]
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", [DETECTOR, SEGMENTOR])
def test_summary_counts_the_same(tmp_path, capsys, name):
    found = []
    for options in (PLAIN[name], [*PLAIN[name], *EVERY[name]]):
        path, config = tmp_path / "layers.json", tmp_path / f"{name}.py"
        config.write_text(printable(load_config(name, [*options, "model.num_classes=3"])).pretty_text)
        assert main(["summary", str(config), "--size", "64", "96", "--json", str(path)]) == 0
        found.append((json.loads(path.read_text()), capsys.readouterr().out))
    assert found[0][0] == found[1][0]
    assert found[0][1] == found[1][1]


@pytest.mark.slow
@pytest.mark.parametrize("name", [DETECTOR, SEGMENTOR])
def test_the_file_has_the_same_bytes(tmp_path, name):
    """The same operators and the same size, and so the same time."""
    pytest.importorskip("litert_torch")
    from densevision.export.convert import convert

    every = saved(tmp_path / "every.pth", name, [*PLAIN[name], *EVERY[name]])
    graphs = [graph_of(checkpoint_config(every), every), graph_of(load_config(name, PLAIN[name]), every)]
    first, second = (convert(graph, (64, 96)) for graph in graphs)
    assert first == second
