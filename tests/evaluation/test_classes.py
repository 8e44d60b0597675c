"""A predictor is evaluated with its own classes, by name, on pixels as the data set reads them."""

import json

import pytest

from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.evaluation import build_dataset, evaluate_predictor
from densevision.inference.predictor import DetectionPredictor
from densevision.inference.torch_backend import TorchBackend
from densevision.structures import PostProcess
from tests.export.toy import detector
from tests.export.toy_data import CLASSES, write_detector


@pytest.fixture
def evaluate(tmp_path):
    config, _ = write_detector(tmp_path, images=2)
    model = detector()
    backend = TorchBackend(model.predict_dense, model.data_preprocessor.normalize, model.input_size)
    predictor = DetectionPredictor(backend, CLASSES[:2], PostProcess(0.3, 0.6, 5))

    def run(change, **options):
        table = json.loads((tmp_path / "truth.json").read_text())
        change(table)
        (tmp_path / "truth.json").write_text(json.dumps(table))
        loaded = load_config(config)
        loaded.test_dataloader.dataset.update(options)
        return evaluate_predictor(predictor, build_dataset(loaded, "test_dataloader"), loaded.test_evaluator)[0]

    return run


def test_another_order_of_the_same_classes(evaluate):
    def change(table):
        for row in table["categories"]:
            row["id"] = 3 - row["id"]
        for row in table["annotations"]:
            row["category_id"] = 3 - row["category_id"]

    assert evaluate(change)["coco/AP"] == pytest.approx(1)


def test_a_json_of_some_of_the_classes(evaluate):
    def change(table):
        table["categories"] = [row for row in table["categories"] if row["id"] == 2]
        table["annotations"] = [row for row in table["annotations"] if row["category_id"] == 2]

    metrics = evaluate(change)
    assert metrics["coco/AP"] == metrics["coco/AP/person"] == pytest.approx(1) and metrics["coco/AP/car"] == -1


def test_a_class_of_another_model(evaluate):
    with pytest.raises(UserError, match=r"the model has no class 'lorry' \(\d+ boxes\)"):
        evaluate(lambda t: t["categories"][0].update(name="lorry"))


def test_image_ids_of_words(evaluate):
    def change(table):
        for row in table["images"]:
            row["id"] = f"image {row['id']}"
        for row in table["annotations"]:
            row["image_id"] = f"image {row['image_id']}"

    assert evaluate(change)["coco/AP"] == pytest.approx(1)
