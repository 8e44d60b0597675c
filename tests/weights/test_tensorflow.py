from functools import cache

import numpy as np
import pytest
import torch

from densevision.errors import UserError
from densevision.weights.convert import convert, to_checkpoint
from densevision.weights.source import find_source
from densevision.weights.tensorflow import read_variables, rename_variable, segmentation_scopes, to_pytorch
from tests.weights.bundle import release_variables, write_checkpoint

RELEASES = {
    "ssd_mobilenet_v3_large_coco": 406,
    "ssd_mobilenet_v3_small_coco": 350,
    "deeplab_mnv3_large_cityscapes_trainfine": 273,
    "deeplab_mnv3_small_cityscapes_trainfine": 217,
}


def as_theirs(tensor):
    """[out, in, height, width] -> [height, width, in, out]."""
    return tensor.permute(2, 3, 1, 0).numpy()


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Return the variables of a release, and the checkpoint and report of their conversion."""

    @cache
    def convert_once(name):
        variables = release_variables(name)
        prefix = write_checkpoint(tmp_path_factory.mktemp(name) / "model.ckpt", variables)
        return variables, *convert(str(prefix), f"tensorflow:{name}")

    return convert_once


@pytest.mark.parametrize(("name", "tensors"), RELEASES.items())
def test_every_variable_of_a_release_is_loaded_and_every_tensor_filled(converted, name, tensors):
    variables, checkpoint, report = converted(name)
    assert len(variables) == tensors + 1 and report.unused == ["global_step"]
    state = checkpoint["state_dict"]
    counters = [tensor for tensor in state if tensor.endswith("num_batches_tracked")]
    assert len(state) - len(counters) == tensors == len(report.loaded)
    # All values are random, so a tensor with the same set of values as a variable is that variable.
    theirs = {tuple(np.sort(value.ravel())[:8]): variable for variable, value in variables.items()}
    ours = {tuple(np.sort(tensor.numpy().ravel())[:8]) for tensor in state.values()}
    assert len(theirs) == len(variables) and set(theirs) - ours == {(400_000,)}


DETECTION_PLACES = {
    "FeatureExtractor/MobilenetV3/Conv/weights": "backbone.stem.0.weight",
    "FeatureExtractor/MobilenetV3/Conv/BatchNorm/moving_variance": "backbone.stem.1.running_var",
    "FeatureExtractor/MobilenetV3/expanded_conv/depthwise/BatchNorm/beta": "backbone.blocks.0.depthwise.1.bias",
    "FeatureExtractor/MobilenetV3/expanded_conv/project/weights": "backbone.blocks.0.projection.0.weight",
    "FeatureExtractor/MobilenetV3/expanded_conv_3/squeeze_excite/Conv/weights": "backbone.blocks.3.se.reduce.weight",
    "FeatureExtractor/MobilenetV3/expanded_conv_3/squeeze_excite/Conv_1/biases": "backbone.blocks.3.se.expand.bias",
    "FeatureExtractor/MobilenetV3/expanded_conv_8/expand/weights": "backbone.blocks.8.expansion.0.weight",
    "FeatureExtractor/MobilenetV3/expanded_conv_10/project/BatchNorm/gamma": "backbone.blocks.10.projection.1.weight",
    "FeatureExtractor/MobilenetV3/Conv_1/BatchNorm/moving_mean": "backbone.last.1.running_mean",
    "FeatureExtractor/MobilenetV3/layer_13_1_Conv2d_2_1x1_256/weights": "extra.0.0.0.weight",
    "FeatureExtractor/MobilenetV3/layer_13_2_Conv2d_3_3x3_s2_256_depthwise/BatchNorm/gamma": "extra.1.1.1.weight",
    "FeatureExtractor/MobilenetV3/layer_13_2_Conv2d_5_3x3_s2_128/weights": "extra.3.2.0.weight",
    "BoxPredictor_0/ClassPredictor/weights": "head.classify.0.1.weight",
    "BoxPredictor_5/ClassPredictor_depthwise/BatchNorm/moving_mean": "head.classify.5.0.1.running_mean",
    "BoxPredictor_2/ClassPredictor/biases": "head.classify.2.1.bias",
}
SEGMENTATION_PLACES = {
    "MobilenetV3/Conv/weights": "backbone.stem.0.weight",
    "MobilenetV3/expanded_conv/squeeze_excite/Conv_1/weights": "backbone.blocks.0.se.expand.weight",
    "MobilenetV3/expanded_conv_10/project/weights": "backbone.blocks.10.projection.0.weight",
    "MobilenetV3/Conv_1/BatchNorm/gamma": "backbone.last.1.weight",
    "aspp0/weights": "head.project.0.weight",
    "aspp0/BatchNorm/moving_variance": "head.project.1.running_var",
    "image_pooling/biases": "head.gate.bias",
    "decoder/decoder_conv0/weights": "head.high_logits.weight",
    "decoder/feature_projection0/biases": "head.low_logits.bias",
}


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("ssd_mobilenet_v3_small_coco", DETECTION_PLACES),
        ("deeplab_mnv3_small_cityscapes_trainfine", SEGMENTATION_PLACES),
    ],
)
def test_variables_fill_the_right_tensors(converted, name, places):
    variables, checkpoint, _ = converted(name)
    for theirs, ours in places.items():
        tensor = checkpoint["state_dict"][ours]
        found = as_theirs(tensor) if tensor.dim() == 4 else tensor.numpy()
        assert np.array_equal(found, variables[theirs]), theirs
    depthwise = checkpoint["state_dict"]["backbone.blocks.2.depthwise.0.weight"]  # [channels, 1, height, width]
    scope = "FeatureExtractor/" if "ssd" in name else ""
    kernel = variables[f"{scope}MobilenetV3/expanded_conv_2/depthwise/depthwise_weights"]
    assert depthwise[5, 0, 2, 1] == kernel[2, 1, 5, 0] and depthwise.shape[1] == 1


def test_box_coordinates_are_reordered(converted):
    variables, checkpoint, _ = converted("ssd_mobilenet_v3_small_coco")
    biases = variables["BoxPredictor_0/BoxEncodingPredictor/biases"]  # three anchors of y, x, height, width
    assert checkpoint["state_dict"]["head.regress.0.1.bias"].tolist() == [
        biases[i] for i in (1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10)
    ]
    kernel = variables["BoxPredictor_1/BoxEncodingPredictor/weights"]
    found = checkpoint["state_dict"]["head.regress.1.1.weight"]
    assert found[4, 7, 0, 0] == kernel[0, 0, 7, 5] and found[23, 0, 0, 0] == kernel[0, 0, 0, 22]


def test_axes_of_kernels_are_reordered():
    kernel = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)  # height, width, in, out
    tensor = to_pytorch("a/weights", kernel)
    assert tensor.shape == (4, 3, 1, 2) and tensor[3, 2, 0, 1] == 23 and tensor[1, 0, 0, 1] == kernel[0, 1, 0, 1] == 13
    depthwise = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)  # height, width, channels, 1
    tensor = to_pytorch("a/depthwise_weights", depthwise)
    assert tensor.shape == (3, 1, 1, 2) and tensor.flatten().tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("aspp0/weights", "head.project.0.weight"),
        ("aspp0/BatchNorm/gamma", "head.project.1.weight"),
        ("aspp0/weights/Momentum", None),
        ("aspp0/BatchNorm/moving_mean/ExponentialMovingAverage", None),
        ("global_step", None),
        ("aspp1/weights", "aspp1/weights"),
        ("image_pooling/BatchNorm/gamma", "image_pooling/BatchNorm/gamma"),  # the gate has no batch norm
        ("image_pooling/weights", "head.gate.weight"),
        ("MobilenetV3/expanded_conv_15/expand/weights", "MobilenetV3/expanded_conv_15/expand/weights"),
    ],
)
def test_names(theirs, ours):
    assert rename_variable(theirs, segmentation_scopes("large")) == ours


def test_moving_averages_replace_variables(tmp_path):
    weights = np.zeros((1, 1, 2, 3), np.float32)
    variables = {
        "aspp0/weights": weights,
        "aspp0/weights/ExponentialMovingAverage": weights + 7,
        "aspp0/weights/Momentum": weights + 1,
        "image_pooling/biases": np.ones(3, np.float32),
    }
    tensors = read_variables(write_checkpoint(tmp_path / "model.ckpt", variables))
    assert (tensors["aspp0/weights"] == 7).all() and (tensors["image_pooling/biases"] == 1).all()
    names = [rename_variable(name, segmentation_scopes("small")) for name in tensors]
    assert names == ["head.project.0.weight", None, None, "head.gate.bias"]


def test_checkpoint_written_by_tensorflow_is_read_as_tensors():
    from tests.weights.bundle import DATA

    tensors = read_variables(DATA / "tiny.ckpt")
    weights = tensors["MobilenetV3/Conv/weights"]  # the average of 0..53 is half of it
    assert weights.shape == (2, 3, 3, 3) and weights[1, 2, 0, 1] == (1 * 6 + 2 * 2 + 1) / 2


@pytest.mark.parametrize(
    ("held", "asked", "words"),
    [
        ("deeplab_mnv3_small_cityscapes_trainfine", "ssd_mobilenet_v3_small_coco", "MobilenetV3/Conv/biases (unknown)"),
        (
            "deeplab_mnv3_small_cityscapes_trainfine",
            "deeplab_mnv3_large_cityscapes_trainfine",
            "is 480)",
        ),
    ],
)
def test_another_release_raises_an_error_with_three_names(held, asked, words):
    tensors = {name: to_pytorch(name, value) for name, value in release_variables(held).items()}
    tensors = {"MobilenetV3/Conv/biases": torch.zeros(3)} | tensors if "ssd" in asked else tensors
    with pytest.raises(UserError, match=f"this is not tensorflow:{asked}: [0-9]+ tensors do not fit") as refusal:
        to_checkpoint(asked := f"tensorflow:{asked}", find_source(asked), tensors)
    assert words in str(refusal.value) and str(refusal.value).partition("first ")[2].count("(") == 3


def test_release_without_one_variable_raises_an_error():
    name = "deeplab_mnv3_small_cityscapes_trainfine"
    tensors = {name: to_pytorch(name, value) for name, value in release_variables(name).items()}
    del tensors["image_pooling/biases"]
    with pytest.raises(UserError, match="1 tensors do not fit, first nothing for head.gate.bias"):
        to_checkpoint(f"tensorflow:{name}", find_source(f"tensorflow:{name}"), tensors)


@pytest.mark.parametrize("name", RELEASES)
def test_sources_name_their_classes(name):
    source = find_source(f"tensorflow:{name}")
    classes = source.dataset_meta()["classes"]
    if "coco" in name:
        assert len(classes) == 90 and classes[0] == "person" and classes[11] == "N/A 12" and classes[89] == "toothbrush"
    else:
        assert len(classes) == 19 == len(source.dataset_meta()["palette"])
        assert classes[0] == "road" and classes[18] == "bicycle"
