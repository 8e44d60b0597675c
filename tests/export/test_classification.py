"""A classifier's file: scores of PyTorch, crop, labels, and what it refuses."""

import numpy as np
import pytest

from densevision.errors import UserError
from densevision.export.classification import ClassificationGraph, ReferenceClassifier
from densevision.export.convert import ExportImages, ExportOptions, export_tflite
from densevision.export.exporter import make_exporter
from densevision.export.graph import run_graph
from densevision.inference.metadata import read_model_info
from densevision.inference.tflite_backend import load_tflite
from tests.export.toy import classifier, random_images

pytestmark = pytest.mark.usefixtures("converted_once")
ABOUT = dict(classes=["cat", "dog", "cow", "hen", "owl", "fox", "bee"])


def export(path, quantize="none", **settings):
    options = ExportOptions(quantize=quantize)
    images = ExportImages(random_images(4), random_images(6) if quantize == "int8" else ())
    return export_tflite(classifier(**settings), path, options, images, about=ABOUT)


def test_the_graph_gives_the_scores_of_the_model():
    model, image = classifier(), random_images(1)[0]
    (scores,) = run_graph(ClassificationGraph(model), image)
    reference = ReferenceClassifier(model, ABOUT["classes"])(image)
    assert scores.shape == (1, 7) and float(scores.sum()) == pytest.approx(1)
    assert np.abs(scores[0].numpy() - reference).max() < 1e-5
    with pytest.raises(UserError, match="something else than its predictions"):
        exporter = make_exporter(model, ExportOptions())
        exporter.graph.model.head[-1].weight.data += 1.0
        exporter.graph.model.head[-1].weight.data[0] -= 5.0
        exporter.check_graph(image)


def test_a_file_has_the_scores_the_crop_and_the_names(tmp_path):
    report = export(tmp_path / "m.tflite", center_crop=0.5)
    assert report.parity.scores < 1e-5
    info = read_model_info(report.path)
    assert (info.task, info.outputs, info.center_crop) == ("classification", "scores", 0.5)
    predictor, image = load_tflite(report.path), random_images(1, (100, 180))[0]
    reference = ReferenceClassifier(classifier(center_crop=0.5), ABOUT["classes"])
    assert np.abs(predictor(image) - reference(image)).max() < 1e-5
    result = predictor.result(image)
    assert result.name == ABOUT["classes"][int(reference(image).argmax())] and len(result.rows()) == 5
    assert result.draw().shape == (160, 288, 3)  # enlarged, so that the text can be read
    assert predictor.draw(image, result.scores).shape == image.shape


@pytest.mark.parametrize("quantize", ["float16", "int8"])
def test_a_quantized_file_stays_close(tmp_path, quantize):
    report = export(tmp_path / "m.tflite", quantize)
    assert report.parity.shift < (0.01 if quantize == "float16" else 0.2)
    if quantize == "int8":  # only the scores themselves are computed in float
        assert report.outside.get("SOFTMAX", 0) <= 1 and report.ops["CONV_2D"] > 0


def test_options_of_other_tasks_are_refused():
    from densevision.export.request import COMMAND, check_request
    from densevision.task import TASKS

    for given in (dict(nms="per-class"), dict(labels="logits"), dict(upsample=2)):
        with pytest.raises(UserError, match="has no meaning for a classifier"):
            check_request(given, TASKS["classification"], COMMAND)
