import json
import os
from pathlib import Path

import pytest
import torch

from densevision.cli.main import main
from densevision.config.init_from import InitFrom
from densevision.config.load import load_config
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.segmentation.head import LRASPPHead, RASPPHead
from densevision.segmentation.model import Segmentor
from densevision.weights.classes import ClassColumns, class_tensors
from densevision.weights.convert import convert
from densevision.weights.initialize import initialize
from densevision.weights.report import LoadReport, shorten

CONFIGS = Path(__file__).parents[2] / "configs" / "detection"
IMAGENET = dict(type="densevision.Normalize", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
COCO = ["person", "car", "dog"]


def detector(num_classes, width=0.35, size=(64, 64), **options):
    backbone = dict(name="mobilenet_v3_small", width=width) | options.pop("backbone", {})
    return SSDLite(backbone, num_classes, size, **options)


def segmentor(num_classes, head=LRASPPHead):
    backbone = dict(name="mobilenet_v3_small", width=0.35, output_stride=16)
    return Segmentor(backbone, dict(type=head, filters=16), num_classes)


def save(path, model, classes, settings=None):
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.normal_()
    meta = dict(dataset_meta=dict(classes=classes), settings=settings or {})
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return model.state_dict()


def start(model, path, classes, **options):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = initialize(model, InitFrom(str(path), **options), classes)
    return before, model.state_dict(), report


def test_columns_of_a_detector_are_copied_by_name_for_every_anchor():
    # Two anchors; theirs: background, person, car; ours: background, truck, car, person.
    columns = ClassColumns(("person", "car"), ("truck", "car", "person"), background=1)
    given = torch.tensor([10.0, 11, 12, 20, 21, 22])
    filled = columns.fill(torch.zeros(8), given)
    assert filled.tolist() == [10, 0, 12, 11, 20, 0, 22, 21]
    assert columns.shared == ["car", "person"]


def test_columns_of_a_segmentation_model_have_no_background():
    columns = ClassColumns(("road", "sky"), ("sky", "tree"))
    given = torch.tensor([[[[1.0]]], [[[2.0]]]])
    assert columns.fill(torch.zeros(2, 1, 1, 1), given).flatten().tolist() == [2, 0]


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        (lambda: detector(2), [f"head.classify.{level}.1" for level in range(6)]),
        (lambda: segmentor(2, LRASPPHead), ["head.high_logits", "head.low_logits"]),
        (lambda: segmentor(2, RASPPHead), ["head.logits"]),
    ],
)
def test_class_layers(model, layers):
    assert class_tensors(model()) == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def test_other_classes_and_input_size_load_all_but_the_class_predictors(tmp_path):
    theirs = save(tmp_path / "w.pth", detector(3), COCO)
    before, after, report = start(detector(2, size=(96, 128)), tmp_path / "w.pth", ["red", "white"])
    names = [f"head.classify.{level}.1.{kind}" for level in range(6) for kind in ("weight", "bias")]
    assert report.reinitialized == names
    assert all(torch.equal(after[name], before[name]) for name in names)
    assert all(torch.equal(after[name], theirs[name]) for name in after if name not in names)
    assert f"reinitialized, other classes: {', '.join(names)}" in str(report)


def test_columns_of_the_same_classes_are_kept_on_request(tmp_path):
    theirs = save(tmp_path / "w.pth", detector(3), COCO)
    before, after, report = start(detector(2), tmp_path / "w.pth", ["dog", "cat"], same_classes=True)
    name = "head.classify.0.1.bias"  # 3 anchors; theirs: background, person, car, dog; ours: background, dog, cat
    kept, there = after[name].view(3, 3), theirs[name].view(3, 4)
    assert torch.equal(kept[:, :2], there[:, [0, 3]]) and torch.equal(kept[:, 2], before[name].view(3, 3)[:, 2])
    assert "other classes (columns of dog kept)" in str(report)


def test_other_classes_of_the_same_number_are_reinitialized_and_the_same_classes_are_loaded(tmp_path):
    theirs = save(tmp_path / "w.pth", detector(3), COCO)
    before, after, report = start(detector(3), tmp_path / "w.pth", ["a", "b", "c"])
    assert len(report.reinitialized) == 12
    _, after, report = start(detector(3), tmp_path / "w.pth", COCO)
    assert not report.reinitialized and all(torch.equal(after[name], theirs[name]) for name in after)


@pytest.mark.parametrize(("head", "count"), [(LRASPPHead, 4), (RASPPHead, 2)])
def test_segmentation_model_of_19_classes_initializes_one_of_11(tmp_path, head, count):
    theirs = save(tmp_path / "w.pth", segmentor(19, head), [f"c{i}" for i in range(19)])
    _, after, report = start(segmentor(11, head), tmp_path / "w.pth", [f"d{i}" for i in range(11)])
    assert len(report.reinitialized) == count and all("logits" in name for name in report.reinitialized)
    assert all(torch.equal(after[n], theirs[n]) for n in after if n not in report.reinitialized)


def test_detector_initializes_the_backbone_of_a_segmentation_model(tmp_path):
    theirs = save(tmp_path / "w.pth", detector(3), COCO)
    before, after, report = start(segmentor(2), tmp_path / "w.pth", ["a", "b"])
    assert all(torch.equal(after[n], theirs[n]) for n in after if n.startswith("backbone"))
    assert all(torch.equal(after[n], before[n]) for n in after if n.startswith("head"))
    assert "left at initial value: head.* (11)" in str(report)
    assert "unused: extra.* (60), head.* (84)" in str(report)


@pytest.mark.parametrize("choice", ["first_half", "leave_out"])
def test_full_tail_initializes_a_halved_one(tmp_path, choice):
    theirs = save(tmp_path / "w.pth", detector(3, width=1.0), COCO)
    torch.save(dict(state_dict={n: t for n, t in theirs.items() if n.startswith("backbone")}), tmp_path / "w.pth")
    model = detector(3, width=1.0, backbone=dict(reduced_tail="detection"))
    before, after, report = start(model, tmp_path / "w.pth", COCO, halved_tail=choice)
    name = "backbone.blocks.9.expansion.0.weight"  # 576x96 there, 288x48 here
    assert after[name].shape == (288, 48, 1, 1)
    assert torch.equal(after[name], theirs[name][:288, :48] if choice == "first_half" else before[name])
    same = "backbone.blocks.8.depthwise.0.weight"  # the expansion of C4 is not halved
    assert torch.equal(after[same], theirs[same])
    title = "first half of the channels" if choice == "first_half" else "left at initial value"
    listed = next(line for line in str(report).splitlines() if title in line)
    assert "backbone.blocks.9.* (19), backbone.blocks.10.* (19), backbone.last.* (5)" in listed


def test_full_tail_for_a_halved_one_without_the_option_raises_an_error(tmp_path):
    save(tmp_path / "w.pth", detector(3, width=1.0), COCO)
    content = torch.load(tmp_path / "w.pth", weights_only=True)
    content["state_dict"] = {n: t for n, t in content["state_dict"].items() if n.startswith("backbone")}
    torch.save(content, tmp_path / "w.pth")
    model = detector(3, width=1.0, backbone=dict(reduced_tail="detection"))
    with pytest.raises(
        UserError,
        match=r"first backbone.blocks.8.projection.0.weight \(96x288x1x1 there, 48x288x1x1 "
        r"here\), .*; for a halved tail set init_from.halved_tail",
    ):
        start(model, tmp_path / "w.pth", COCO)
    with pytest.raises(UserError, match="it is 'first_half' or 'leave_out'"):
        InitFrom("w.pth", halved_tail="half")


def test_another_network_raises_an_error_with_three_names_and_the_model_is_unchanged(tmp_path):
    save(tmp_path / "w.pth", detector(3, width=0.5), COCO)
    model = detector(3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(UserError) as raised:
        start(model, tmp_path / "w.pth", COCO, halved_tail="first_half")
    text = str(raised.value)
    assert "w.pth: " in text and text.count(" here)") == 3 and "backbone, width and reduced_tail" in text
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_file_without_our_names_raises_an_error_with_its_first_three(tmp_path):
    torch.save(dict(state_dict=dict.fromkeys("abcd", torch.ones(1))), tmp_path / "w.pth")
    with pytest.raises(UserError, match="w.pth has none of the backbone's tensors; its first are a, b, c"):
        start(detector(3), tmp_path / "w.pth", COCO)
    torch.save(dict.fromkeys("abcd", torch.ones(1)), tmp_path / "w.pth")
    with pytest.raises(UserError, match="w.pth is no checkpoint of densevision; .* init_from=dict"):
        start(detector(3), tmp_path / "w.pth", COCO)


@pytest.mark.parametrize("value", [3, dict(file="w.pth"), dict(source="w.pth", tail=1)])
def test_invalid_init_from_raises_an_error(value):
    with pytest.raises(UserError, match=r"init_from: give a file, or dict\(source=...\) with some of model, same_cl"):
        InitFrom.parse(value)


def test_other_settings_raise_an_error_with_the_remedy(tmp_path):
    save(tmp_path / "w.pth", detector(3), COCO, {"backbone.bn_eps": 1e-5, "backbone.padding": "same"})
    with pytest.raises(UserError, match="set in the config model.backbone.bn_eps=1e-05, model.backbone.padding=same$"):
        start(detector(3), tmp_path / "w.pth", COCO)
    start(detector(3, backbone=dict(bn_eps=1e-5, padding="same")), tmp_path / "w.pth", COCO)


def test_classifier_initializes_a_detector(timm_file):
    model = detector(3, width=1.0, backbone=dict(bn_eps=1e-5), data_preprocessor=IMAGENET)
    options = InitFrom(str(timm_file), model="timm:mobilenetv3_small_100")
    report = initialize(model, options, COCO)
    theirs = torch.load(timm_file, weights_only=True)
    assert torch.equal(model.backbone.last[0].weight, theirs["blocks.5.0.conv.weight"])
    first = f"{len(report.loaded)} of 350 tensors loaded"
    assert f"{first}\n  left at initial value: extra.* (60), head.* (84)" in str(report)
    assert report.unused == ["head.0.weight", "head.0.bias", "head.3.weight", "head.3.bias"]
    assert {name.split(".")[0] for name in report.initial} == {"extra", "head"}


def test_names_are_abbreviated_by_their_prefix():
    assert shorten(["a.x", "a.y", "b.x"], ["a.x", "a.y", "b.x", "b.y"]) == ["a.* (2)", "b.x"]
    assert str(LoadReport("w.pth", loaded=["a", "b"])) == "weights of w.pth: 2 of 2 tensors loaded"


def bccd_like(root, out, *overrides, resume=False):
    """Run the BCCD config for an iteration on a tiny data set of two classes."""
    place = [
        f"{part}_dataloader.dataset.{key}={value}"
        for part in ("train", "val", "test")
        for key, value in (
            ("data_root", root),
            ("ann_file", "truth.json"),
            ("image_dir", "images"),
            ("classes", "['dog','cat']"),
        )
    ]
    return main(
        [
            "train",
            str(CONFIGS / "ssdlite_v3_small_bccd_finetuned.py"),
            "--work-dir",
            str(out),
            *["--resume"] * resume,
            "--cfg-options",
            *place,
            f"train_cfg.max_iters={1 + resume}",
            "train_cfg.val_interval=5",
            "train_dataloader.batch_size=2",
            "train_dataloader.num_workers=0",
            *overrides,
        ]
    )


def test_training_starts_from_a_converted_file_and_a_resumed_one_does_not(coco_root, timm_file, tmp_path, capsys):
    out = tmp_path / "weights.pth"
    assert main(["convert", str(timm_file), "--model", "timm:mobilenetv3_small_100", "--out", str(out)]) == 0
    assert bccd_like(coco_root, tmp_path / "run", f"init_from={out}") == 0
    assert f"weights of {out}: 206 of" in capsys.readouterr().out
    trained = torch.load(tmp_path / "run" / "iter_1.pth", weights_only=True)["ema_state_dict"]
    given = convert(str(timm_file), "timm:mobilenetv3_small_100")[0]["state_dict"]
    name = "backbone.blocks.4.depthwise.0.weight"
    assert (trained[f"module.{name}"] - given[name]).abs().max() < 0.01  # after one step
    out.unlink()  # a resumed training does not need it
    assert bccd_like(coco_root, tmp_path / "run", f"init_from={out}", resume=True) == 0
    assert "weights of" not in capsys.readouterr().out and (tmp_path / "run" / "iter_2.pth").is_file()


def test_command_line_changes_an_option_and_a_misspelled_one_raises_an_error(tmp_path):
    config = CONFIGS / "ssdlite_v3_small_bccd_finetuned.py"
    text = "init_from = dict(source='w.pth')\n"
    (tmp_path / "config.py").write_text(text)
    assert load_config(tmp_path / "config.py", ["init_from.same_classes=True"]).init_from.same_classes is True
    with pytest.raises(UserError, match="nothing reads 'same_clases' there; did you mean same_classes"):
        load_config(tmp_path / "config.py", ["init_from.same_clases=True"])
    assert load_config(config, ["init_from=other.pth"]).init_from == "other.pth"


def test_missing_file_raises_a_one_line_error(coco_root, tmp_path, capsys):
    assert bccd_like(coco_root, tmp_path / "run", "init_from=absent.pth") == 2
    assert capsys.readouterr().err.endswith(
        "no file absent.pth; published networks are written like timm:mobilenetv3_large_100\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path(os.environ.get("DENSEVISION_DATA", "-"), "bccd").is_dir(), reason="needs BCCD")
def test_bccd_trains_from_a_backbone_of_another_framework(timm_file, tmp_path):
    weights = tmp_path / "weights.pth"
    config = CONFIGS / "ssdlite_v3_small_bccd_finetuned.py"
    assert main(["convert", str(timm_file), "--model", "timm:mobilenetv3_small_100", "--out", str(weights)]) == 0
    assert (
        main(
            [
                "train",
                str(config),
                "--work-dir",
                str(tmp_path / "run"),
                "--cfg-options",
                f"init_from={weights}",
                "train_cfg.max_iters=60",
                "train_cfg.val_interval=60",
                "train_dataloader.batch_size=8",
            ]
        )
        == 0
    )
    checkpoint = torch.load(tmp_path / "run" / "iter_60.pth", weights_only=True)
    losses = checkpoint["message_hub"]["log_scalars"]["train/loss"][0]
    assert len(losses) == 60 and sum(losses[-10:]) < 0.7 * sum(losses[:10]), losses
    assert (
        main(
            [
                "test",
                str(config),
                str(tmp_path / "run" / "best.pth"),
                "--json",
                str(tmp_path / "ap.json"),
                "--work-dir",
                str(tmp_path / "test"),
            ]
        )
        == 0
    )
    assert json.loads((tmp_path / "ap.json").read_text())["coco/AP50"] >= 0
