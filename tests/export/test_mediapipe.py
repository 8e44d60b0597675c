"""MediaPipe's tasks load the files. MediaPipe gets a virtual environment of its own, from a package index."""

import json
import subprocess
import sys

import pytest

from densevision.export.convert import ExportImages, ExportOptions, export_tflite
from densevision.images import write_image
from tests.export.toy import SIZE, classifier, detector, random_images, segmentor

pytestmark = [pytest.mark.slow, pytest.mark.reference, pytest.mark.usefixtures("converted_once")]
COMMON = """
import json, os, sys
import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision
image, base = mp.Image.create_from_file(sys.argv[2]), BaseOptions(model_asset_path=sys.argv[1])
"""
DETECT = (
    COMMON
    + """
options = vision.ObjectDetectorOptions(base_options=base, score_threshold=0.3)
found = vision.ObjectDetector.create_from_options(options).detect(image).detections
print(json.dumps([[d.categories[0].category_name, d.categories[0].score, d.bounding_box.origin_x,
                   d.bounding_box.origin_y, d.bounding_box.width, d.bounding_box.height] for d in found]))
sys.stdout.flush()
os._exit(0)  # closing at exit raises in this version
"""
)
CLASSIFY = (
    COMMON
    + """
options = vision.ImageClassifierOptions(base_options=base, max_results=3)
found = vision.ImageClassifier.create_from_options(options).classify(image).classifications[0].categories
print(json.dumps([[one.category_name, one.score] for one in found]))
sys.stdout.flush()
os._exit(0)
"""
)
SEGMENT = (
    COMMON
    + """
options = vision.ImageSegmenterOptions(base_options=base, output_category_mask=True)
task = vision.ImageSegmenter.create_from_options(options)
print(json.dumps([task.labels, task.segment(image).category_mask.numpy_view().squeeze().tolist()]))
sys.stdout.flush()
os._exit(0)
"""
)


@pytest.fixture(scope="module")
def mediapipe(tmp_path_factory):
    """Run a script under MediaPipe with a model and an image; returns what it printed."""
    folder = tmp_path_factory.mktemp("mediapipe")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin/python"), "-m", "pip", "install", "-q", "mediapipe>=1.2"], check=True)

    def run(script, model, image):
        words = [str(folder / "bin/python"), "-c", script, str(model), str(image)]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture
def image(tmp_path):
    write_image(tmp_path / "in.png", random_images(1)[0])
    return tmp_path / "in.png"


@pytest.mark.parametrize("input_type, quantize", [("uint8", "none"), ("float32", "none"), ("uint8", "int8")])
def test_the_object_detector_finds_the_same_with_the_right_labels(tmp_path, mediapipe, image, input_type, quantize):
    from densevision.inference.tflite_backend import load_tflite

    options, images = ExportOptions(quantize=quantize, input_type=input_type), ExportImages((), random_images(4))
    path = export_tflite(detector(), tmp_path / "m.tflite", options, images, about=dict(classes=["car", "bus"])).path
    predictor = load_tflite(path, 0.3)
    wanted, found = predictor(random_images(1)[0]), mediapipe(DETECT, path, image)
    assert len(found) == len(wanted) > 2
    names = [predictor.classes[label] for label in wanted.labels]
    if quantize == "none":  # int8 scores may be equal, and such rows change places
        assert [name for name, *_ in found] == names
    rows = list(zip(names, wanted.scores, wanted.boxes, strict=True))
    for seen in found:
        rows.pop(next(index for index, row in enumerate(rows) if _is_same(seen, row)))


def test_the_object_detector_loads_a_shipped_config_of_another_size(tmp_path, mediapipe):
    from densevision.inference.tflite_backend import load_tflite
    from tests.export.shipped import DETECTORS, real_images, shipped_model

    path = next(path for path in DETECTORS if path.stem == "ssdlite_v3_small_reduced_bccd")
    images = real_images((224, 160), "bccd")
    model = shipped_model(path, images, ("model.input_size=(224, 160)",))
    about = dict(classes=["a", "b", "c", *map(str, range(3, model.num_classes))])
    file = export_tflite(model, tmp_path / "m.tflite", images=ExportImages(images), about=about).path
    write_image(tmp_path / "in.png", images[0])
    predictor = load_tflite(file, 0.3)
    wanted, found = predictor(images[0]), mediapipe(DETECT, file, tmp_path / "in.png")
    assert len(found) == len(wanted) > 2
    rows = list(zip([predictor.classes[label] for label in wanted.labels], wanted.scores, wanted.boxes, strict=True))
    for seen in found:
        rows.pop(next(index for index, row in enumerate(rows) if _is_same(seen, row)))


def _is_same(seen, row):
    """MediaPipe does not clip, and cuts corner and size down to whole pixels."""
    (name, score, left, top, width, height), (expected_name, expected_score, box) = seen, row
    return (
        name == expected_name
        and abs(score - expected_score) < 1e-3
        and left <= box[0] + 1
        and top <= box[1] + 1
        and left + width >= box[2] - 2
        and top + height >= box[3] - 2
    )


@pytest.mark.parametrize("input_type, quantize", [("uint8", "none"), ("float32", "none"), ("uint8", "int8")])
def test_the_image_classifier_gives_the_same_scores_with_the_right_labels(
    tmp_path, mediapipe, image, input_type, quantize
):
    from densevision.inference.tflite_backend import load_tflite

    options, images = ExportOptions(quantize=quantize, input_type=input_type), ExportImages((), random_images(4))
    about = dict(classes=["cat", "dog", "cow", "hen", "owl", "fox", "bee"])
    path = export_tflite(classifier(), tmp_path / "m.tflite", options, images, about=about).path
    wanted, found = load_tflite(path).result(random_images(1)[0]).rows()[:3], mediapipe(CLASSIFY, path, image)
    assert [name for name, _ in found] == [name for name, _ in wanted]
    assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=1e-3)


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_the_image_segmenter_loads_logits_with_the_right_labels(tmp_path, mediapipe, image, quantize):
    import numpy as np

    from densevision.inference.tflite_backend import load_tflite

    options = ExportOptions(SIZE, quantize, labels="logits")
    about = dict(classes=["sky", "road", "car"], palette=[[0, 0, 0]] * 3)
    images = ExportImages((), random_images(4))
    path = export_tflite(segmentor(), tmp_path / "m.tflite", options, images, about=about).path
    labels, mask = mediapipe(SEGMENT, path, image)
    assert labels == ["sky", "road", "car"]
    agree = (np.array(mask) == load_tflite(path)(random_images(1)[0])).mean()
    assert agree > 0.8, agree  # MediaPipe enlarges probabilities, we enlarge logits; these are random
