"""Every shipped config's file against the model as ``densevision test`` runs it, on real images (DENSEVISION_DATA)."""

import json

import numpy as np
import pytest

from densevision.export.convert import ExportImages, ExportOptions, export_tflite
from densevision.export.detection_parity import matched_rows
from densevision.export.detection_reference import ReferenceDetector, predict_dense, with_op_postprocess
from densevision.export.segmentation import ReferenceSegmentor
from densevision.inference.metadata import read_model_info
from densevision.inference.tflite_backend import TFLiteBackend, load_tflite
from densevision.structures import Detections
from tests.export.shipped import CORNERS_ALIGNED, DETECTORS, SEGMENTORS, real_images, shipped_model

pytestmark = [pytest.mark.slow, pytest.mark.reference]
SIZES = {(224, 224): ("none",), (300, 300): ("nms",), (321, 481): ("none",), (480, 256): ("nms",)}


def _name(path):
    return path.stem


@pytest.mark.parametrize("path", SEGMENTORS, ids=_name)
def test_a_segmentor_files_give_the_model_labels(tmp_path, path):
    pytest.importorskip("litert_torch")
    kinds = [((256, 384), "logits", 1), ((255, 381), "logits", 1), ((255, 381), "argmax", None)]
    if path in CORNERS_ALIGNED:
        kinds += [((256, 384), "argmax", None), ((256, 384), "argmax", 1), ((255, 381), "logits", 2)]
    for size, labels, upsample in kinds:
        images = real_images(size, "camvid")
        model = shipped_model(path, images)
        options = ExportOptions(size, labels=labels, upsample=upsample)
        report = export_tflite(model, tmp_path / "m.tflite", options, ExportImages(images))
        assert report.parity.labels >= 0.999
        predict, reference = load_tflite(report.path), ReferenceSegmentor(model, ())
        found = np.stack([predict(image) for image in images])
        wanted = np.stack([reference(image) for image in images])
        assert len(np.unique(wanted)) >= 5
        if (labels, upsample) == ("argmax", 1):  # its cells lie on every eighth pixel
            found, wanted = found[:, ::8, ::8], wanted[:, ::8, ::8]
        agree = float((found == wanted).mean())
        print(
            json.dumps([path.stem, size, labels, upsample, round(report.parity.labels, 5), round(agree, 5)]), flush=True
        )
        assert agree >= 0.999


@pytest.mark.parametrize("path", DETECTORS, ids=_name)
def test_a_detector_files_give_the_model_detections(tmp_path, path):
    pytest.importorskip("litert_torch")
    for size, endings in SIZES.items():
        images = real_images(size, "coco128", 8)  # the last maps have one cell
        model = shipped_model(path, images, (f"model.input_size={size}",))
        images = images[:4]
        for ending in endings:
            options = ExportOptions(postprocess=ending)
            report = export_tflite(model, tmp_path / "m.tflite", options, ExportImages(images))
            about = read_model_info(report.path)
            assert model.input_size == about.size == size
            check = _check_rows if ending == "nms" else _check_boxes
            print(json.dumps([path.stem, size, ending, *check(report.path, model, images)]), flush=True)


def _check_boxes(path, model, images):
    backend, errors = TFLiteBackend(path), []
    limits = np.array([model.input_size[1], model.input_size[0]] * 2, np.float32)
    for image in images:
        (boxes,), (scores,) = backend(image[None])
        wanted_boxes, wanted_scores = (output.numpy() for output in predict_dense(model, image))
        if model.postprocess.clip_first:
            boxes = boxes.clip(0, limits)
        assert np.ptp(wanted_scores) > 0.1  # equal scores would be easy to reproduce
        errors.append([np.abs((boxes - wanted_boxes) / limits).max(), np.abs(scores - wanted_scores).max()])
    worst = np.max(errors, axis=0)
    assert (worst <= 1e-4).all(), worst
    return [f"{error:.1e}" for error in worst]


def _check_rows(path, model, images):
    predict, reference = load_tflite(path), ReferenceDetector(with_op_postprocess(model, "across-classes"), ())
    same, total = 0, 0
    for image in images:
        found, wanted = predict(image), reference(image)
        assert isinstance(found, Detections) and len(wanted) > 10
        same, total = same + matched_rows(found, wanted, model.input_size), total + max(len(found), len(wanted))
    assert same >= 0.99 * total, (same, total)
    return [same, total]
