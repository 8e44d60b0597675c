"""Every example of docs/extending.md, run: own parts in one training, own networks, an own task, an own command."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.structures import BaseDataElement

from densevision.backbones import BACKBONES
from densevision.cli import main as command_line
from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.evaluation import evaluate_predictor, primary_metric
from densevision.export.convert import ExportOptions, export_tflite
from densevision.export.detection import check_graph as check_detection
from densevision.export.detection_graph import DetectionGraph
from densevision.export.segmentation import SegmentationGraph
from densevision.export.segmentation import check_graph as check_segmentation
from densevision.images import write_image
from densevision.inference.load import build_model, load_predictor
from densevision.task import TASKS
from densevision.training.optim import DecayWeightsOnly
from tests.backbones.test_freeze import detector, moved, segmentation_model, train
from tests.doc_examples import code_blocks
from tests.export.toy import random_images

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of the page in one folder, where Python finds them, with a small data set."""
    folder = tmp_path_factory.mktemp("mine")
    blocks = code_blocks(PAGE, "python")
    assert all(block.title for block in blocks), "each example is a file"
    for block in blocks:
        (folder / block.title).write_text(block.text)
    (folder / "data/labels").mkdir(parents=True)
    for number, image in enumerate(random_images(4)):
        write_image(folder / f"data/images/{number}.png", image)
        np.save(folder / f"data/labels/{number}.npy", (image[..., 0] > 127).astype(np.uint8))
    before, tasks, backbones = set(sys.modules), dict(TASKS), dict(BACKBONES)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.chdir(folder)
        yield folder
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == folder:
            del sys.modules[name]
    for registered, original in ((TASKS, tasks), (BACKBONES, backbones)):
        registered.clear()
        registered.update(original)


def test_every_example_is_used_here():
    source = Path(__file__).read_text()
    for block in code_blocks(PAGE, "python"):
        assert block.title in source or f"import {block.title.removesuffix('.py')}" in source, block.title


def test_own_data_head_loss_and_metric_train(folder, capsys):
    """mine.py, with my_data.py, my_parts.py and my_metric.py."""
    assert command_line.main(["train", "mine.py", "--work-dir", "run"]) == 0
    assert command_line.main(["test", "mine.py", "run/iter_2.pth", "--work-dir", "out"]) == 0
    printed = capsys.readouterr().out
    assert "mine/errors" in printed and "road" in printed
    import my_metric

    figures = {"tensor": torch.tensor(0.5), "matrix": np.eye(2), "text": "x"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(my_metric.PixelErrors, "compute_metrics", lambda self, results: figures)
        words = ["mine.py", "run/iter_2.pth", "--work-dir", "out", "--json", "out.json"]
        assert command_line.main(["test", *words]) == 0
    written = json.loads(Path("out.json").read_text())
    assert [written[f"mine/{name}"] for name in figures] == [0.5, [[1, 0], [0, 1]], "x"]
    from my_parts import FCNHead, SmoothedLoss

    model = build_model(load_config("mine.py"), 2)
    assert isinstance(model.head, FCNHead) and isinstance(model.loss_function, SmoothedLoss)
    check_segmentation(SegmentationGraph(model.eval()), model, random_images(1)[0])


def test_a_timm_network_trains_in_both_models(folder):
    pytest.importorskip("timm")
    import timm_models  # of timm_models.py, with timm_backbone.py

    from densevision.registry import MODELS

    for settings, (_, samples) in (
        (timm_models.detector | dict(input_size=(64, 64)), detector()),
        (timm_models.segmentation_model, segmentation_model()),
    ):
        torch.manual_seed(0)
        settings["backbone"]["frozen_stages"] = 2
        model = MODELS.build(settings | dict(num_classes=2))
        strides = [tap.stride for tap in model.backbone.taps.values()]
        assert strides == ([8, 16, 16] if "output_stride" in settings["backbone"] else [8, 16, 32])
        changed = moved(*train(model, samples, steps=1))
        assert "backbone.network.layer1.0.bn1.running_mean" in changed
        assert not {"backbone.network.conv1.weight", "backbone.network.bn1.running_mean"} & changed
        assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
        image = random_images(1, (64, 64))[0]
        if "head" in settings:
            check_segmentation(SegmentationGraph(model.eval()), model, image)
        else:
            check_detection(DetectionGraph(model.eval(), decode=True), model, image)


def test_fine_tuning_keys_reach_model_and_optimizer(folder):
    config = load_config("fine_tuning.py")
    model = build_model(config, 11)
    assert not model.backbone.stem[0].weight.requires_grad and model.backbone.freeze_norm_statistics
    wrapper = dict(config.optim_wrapper.to_dict(), type="OptimWrapper")
    groups = DecayWeightsOnly(wrapper, wrapper.pop("paramwise_cfg"))(model).optimizer.param_groups
    assert sorted({round(group["lr"], 6) for group in groups}) == [0.001, 0.01]


def test_an_own_detection_head_trains_and_fits_an_export(folder):
    """my_detector.py, with my_detection_head.py."""
    config = load_config("my_detector.py")
    model = build_model(config, 2)
    _, samples = detector()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    losses = model(torch.randn(2, 3, 64, 96), samples, mode="loss")
    sum(losses.values()).backward()
    assert all(layer.weight.grad is not None for layer in model.head.class_layers)
    assert before["head.class_layers.0.bias"].tolist() == pytest.approx([4.6, -4.6, -4.6] * 3)
    check_detection(DetectionGraph(model.eval(), decode=True), model, random_images(1)[0])
    for layer in model.head.box_layers:
        layer.bias = None  # allowed, unlike that of the class layers, which starts at the background
    check_detection(DetectionGraph(model, decode=True), model, random_images(1)[0])
    model.head.class_layers[0].bias = None
    with pytest.raises(ValueError, match="PlainHead.class_layers: each needs a bias, and anchors x 3 output channels"):
        model._initialize(0.03)


class SceneSample(BaseDataElement):
    """What an image shows."""

    def set_result(self, result):
        self.scores = torch.from_numpy(result)


class SceneData:
    """Two images of class 0."""

    metainfo = dict(classes=("day", "night"))

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return dict(data_samples=SceneSample(metainfo=dict(label=0)))

    def read(self, index):
        return random_images(2)[index]


class Accuracy(BaseMetric):
    default_prefix = "scene"

    def process(self, data_batch, data_samples):
        self.results += [int(sample["scores"].argmax() == sample["label"]) for sample in data_samples]

    def compute_metrics(self, results):
        return {"accuracy": float(np.mean(results)), "images": 2}


def test_a_third_task_is_its_own_module_and_one_entry(folder, tmp_path, capsys):
    import my_task

    name = "mobilenet_v3_small"
    config = tmp_path / "scene.py"
    config.write_text(
        "from my_task import SceneClassifier\n"
        f"model = dict(type=SceneClassifier, backbone=dict(name='{name}', width=0.35), num_classes=None)\n"
    )
    torch.manual_seed(0)
    model = my_task.SceneClassifier(dict(name=name, width=0.35), 2)
    with torch.no_grad():
        model.head.bias[0] = 9
    meta = dict(dataset_meta=dict(classes=["day", "night"]))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), tmp_path / "best.pth")
    predictor = load_predictor(config, tmp_path / "best.pth")
    figures, table, _ = evaluate_predictor(predictor, SceneData(), [dict(type=Accuracy)])
    assert primary_metric(figures) == ("scene/accuracy", 1.0) and "scene/accuracy 1" in table
    write_image(tmp_path / "a.png", random_images(1)[0])
    words = ["demo", str(config), str(tmp_path / "best.pth"), "--input", str(tmp_path / "a.png")]
    assert command_line.main([*words, "--json", str(tmp_path / "a.json")]) == 0
    assert '"class": "day"' in (tmp_path / "a.json").read_text()
    capsys.readouterr()
    assert command_line.main([*words, "--nms", "per-class", "--json", str(tmp_path / "a.json")]) == 2
    assert "has no meaning for a scene classifier" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"a scene classifier \(SceneClassifier\) can't be exported"):
        export_tflite(predictor.model, tmp_path / "m.tflite", ExportOptions((64, 96)))
    assert not (tmp_path / "m.tflite").exists()


def test_an_own_command_runs(folder, monkeypatch, capsys):
    import classes  # of classes.py

    monkeypatch.setitem(command_line.COMMANDS, "classes", "list the classes of a checkpoint")
    monkeypatch.setitem(sys.modules, "densevision.cli.classes", classes)
    torch.save(dict(state_dict={}, meta=dict(dataset_meta=dict(classes=["a", "b"]))), folder / "c.pth")
    assert command_line.main(["classes", str(folder / "c.pth")]) == 0
    assert capsys.readouterr().out == "a\nb\n"
