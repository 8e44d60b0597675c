"""Networks of other libraries and ours compute the same with the same weights."""

import numpy as np
import pytest
import torch

from densevision.detection.postprocess import PostProcess
from densevision.inference.predictor import DetectionPredictor
from densevision.inference.torch_backend import TorchBackend
from densevision.weights.source import find_source
from tests.weights.peers import (
    CLASSIFIERS,
    converted,
    largest_difference,
    random_images,
    settled_classifier,
    settled_lraspp,
    settled_ssdlite,
)

pytestmark = pytest.mark.reference
SSDLITE = "torchvision:ssdlite320_mobilenet_v3_large"
RULES = dict(score_threshold=0.001, iou_threshold=0.55, max_detections=300, candidates=300)


def features_of(network, images):
    """Return the map after the last convolution, before pooling."""
    return network.forward_features(images) if hasattr(network, "forward_features") else network.features(images)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_backbone_features_and_logits(name):
    pytest.importorskip(name.partition(":")[0])
    theirs = settled_classifier(name)
    ours = converted(name, theirs)
    for height, width in ((64, 80), (51, 67)):  # even and odd: SAME and symmetric padding differ on even sizes
        images = 4 * random_images(2, height, width) - 2
        with torch.no_grad():
            wanted = features_of(theirs, images)
            assert wanted.std() > 0.05  # not a constant
            assert largest_difference(ours.backbone(images)["c5"], wanted) < 1e-4
            assert largest_difference(ours(images), theirs(images)) < 1e-4


def test_padding_and_epsilon_change_these_features():
    theirs = settled_classifier("timm:tf_mobilenetv3_small_100")
    ours = converted("timm:mobilenetv3_small_100", theirs)  # symmetric, and another epsilon
    images = 4 * random_images(2, 64, 96) - 2
    with torch.no_grad():
        assert largest_difference(ours.backbone(images)["c5"], theirs.forward_features(images)) > 0.1


@pytest.mark.parametrize(
    ("name", "count"), [(SSDLITE, 3_440_060), ("torchvision:lraspp_mobilenet_v3_large", 3_221_538)]
)
def test_number_of_parameters_equals_torchvision(name, count):
    assert sum(parameter.numel() for parameter in find_source(name).network().parameters()) == count


@pytest.fixture(scope="module")
def ssdlite():
    torch.manual_seed(0)
    theirs = settled_ssdlite()
    ours = converted(SSDLITE, theirs)
    ours.postprocess = PostProcess(**RULES)
    return ours, theirs


@torch.no_grad()
def test_ssdlite_raw_outputs(ssdlite):
    ours, theirs = ssdlite
    images = 2 * random_images(2, 320, 320) - 1
    heads = theirs.head(list(theirs.backbone(images).values()))
    logits, deltas = ours(images)
    assert logits.shape == (2, 3234, 91) and heads["cls_logits"].std() > 0.1
    assert largest_difference(logits, heads["cls_logits"]) < 1e-4
    assert largest_difference(deltas, heads["bbox_regression"]) < 1e-4


@torch.no_grad()
def test_ssdlite_returns_the_same_detections():
    theirs = settled_ssdlite().double()  # float32 rounding would swap detections whose scores differ by 1e-6
    ours = converted(SSDLITE, theirs).double()
    ours.anchors, ours.postprocess = ours.anchors.float(), PostProcess(**RULES)
    image = random_images(1, 320, 320).double()
    (found,) = ours.detect(2 * image - 1)
    (wanted,) = theirs(list(image))
    assert len(found) == len(wanted["scores"]) == 300 and len(wanted["labels"].unique()) > 10
    assert (found.labels + 1).tolist() == wanted["labels"].tolist()
    assert largest_difference(found.scores, wanted["scores"]) < 1e-6
    assert largest_difference(found.boxes, wanted["boxes"]) < 1e-3  # pixels


@torch.no_grad()
@pytest.mark.parametrize("size", [(320, 320), (213, 300), (480, 640)])
def test_ssdlite_predicts_the_same_from_image_bytes(ssdlite, size):
    ours, theirs = ssdlite
    pixels = (random_images(1, *size)[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    backend = TorchBackend(ours.predict_dense, ours.data_preprocessor.normalize, ours.input_size)
    found = DetectionPredictor(backend, ["x"] * 90, PostProcess(**RULES), float_resize=True)(pixels)
    (wanted,) = theirs([torch.from_numpy(pixels).permute(2, 0, 1) / 255])
    rows = np.column_stack([found.labels + 1, 100 * found.scores, found.boxes / 10])
    wanted = np.column_stack([wanted["labels"], 100 * wanted["scores"], wanted["boxes"] / 10])
    # Each of theirs is among ours, within 1e-4 in score and 0.1 pixels, except the lowest scores near the 300th.
    distance = np.abs(wanted[:290, None] - rows[None]).max(-1).min(1)
    assert distance.max() < 0.01, distance.max()


@torch.no_grad()
@pytest.mark.parametrize("size", [(96, 128), (97, 131)])
def test_lraspp_raw_outputs(size):
    theirs = settled_lraspp()
    ours = converted("torchvision:lraspp_mobilenet_v3_large", theirs)
    images = 4 * random_images(2, *size) - 2
    wanted = theirs(images)["out"]
    assert wanted.shape == (2, 21, *size) and wanted.std() > 0.1
    assert largest_difference(ours(images), wanted) < 1e-4
