"""A predictor against a config's metrics: of one's own too, and with the data's classes matched by name (B6)."""

import json

import pytest

from densevision.config.load import load_config
from densevision.detection.metric import CocoMetric
from densevision.errors import UserError
from densevision.evaluation import build_dataset, evaluate_predictor, primary_metric
from densevision.inference.load import load_predictor
from tests.export.toy_data import write_detector
from tests.training.toy_parts import Counting


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    config, checkpoint = write_detector(folder, images=2)
    return load_predictor(config, checkpoint), load_config(config), folder


def test_our_own_metric_and_its_table(toy, tmp_path):
    predictor, config, _ = toy
    data = build_dataset(config, "test_dataloader")
    lines = []
    metrics, table, files = evaluate_predictor(predictor, data, config.test_evaluator, tmp_path, lines.append)
    assert primary_metric(metrics) == ("coco/AP", metrics["coco/AP"]) and metrics["coco/AP"] > 0.5
    assert "Average Precision" in table
    assert json.loads((tmp_path / "predictions" / "detections.json").read_text())
    assert files["ap_table"] == str(tmp_path / "ap.txt")
    assert lines[0].startswith("test: 2 images, ")


@pytest.mark.parametrize("form", ["one", "list", "metrics", "built"])
def test_a_custom_metric_in_every_form(toy, form):
    predictor, config, _ = toy
    own = dict(type="tests.training.toy_parts.Counting", figures=dict(count=7))
    forms = dict(
        one=own, list=[own, dict(type=CocoMetric)], metrics=dict(metrics=[own]), built=[Counting(dict(count=7))]
    )
    config.test_evaluator = forms[form]
    data = build_dataset(config, "test_dataloader")
    metrics, table, files = evaluate_predictor(predictor, data, config.test_evaluator)
    assert metrics["own/count"] == 7 and "own/count 7" in table and files == {}
    assert ("coco/AP" in metrics) == (form == "list")
    assert primary_metric(metrics, "own/count") == ("own/count", 7.0)


def test_data_of_other_classes_are_refused(toy, tmp_path):
    predictor, config, folder = toy

    class Other:
        metainfo = dict(classes=("person", "car"))

    with pytest.raises(UserError, match="the model's classes are car, person, the data's person, car"):
        evaluate_predictor(predictor, Other(), config.test_evaluator)
