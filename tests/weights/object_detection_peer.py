"""Run the authors' code for test_object_detection_reference.py, in its own interpreter.

    python object_detection_peer.py FOLDER

builds the releases' graphs with the Object Detection API and slim, fills them from FOLDER/<release>.npz and writes
FOLDER/<release>_result.npz. docs/tensorflow.md says what that interpreter must have.
"""

# ruff: noqa: E402
import copy
import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from pathlib import Path
from unittest.mock import MagicMock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Replace modules that the package imports and these graphs do not use."""

    names = ("official", "lvis", "tensorflow_io", "pycocotools", "matplotlib", "PIL", "pandas", "scipy")

    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in self.names or name.startswith("tensorflow.contrib"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return MagicMock(__path__=[], __spec__=spec, __name__=spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.append(Absent())
sys.path.append(str(Path(importlib.util.find_spec("object_detection").origin).parent))  # for its "nets"

import tensorflow as tf
import tensorflow.compat.v1 as tf1
from tensorflow.python.framework import ops

tf1.disable_v2_behavior()
ops.Tensor = tf.Tensor  # tf_slim expects both where earlier versions have them
for part in ("", ".base", ".normalization", ".convolutional", ".core", ".pooling"):
    sys.modules[f"tf_keras.legacy_tf_layers{part}"] = importlib.import_module(f"tf_keras.src.legacy_tf_layers{part}")

import tf_slim as slim
from google.protobuf import text_format
from nets.mobilenet import mobilenet_v3
from object_detection.builders import model_builder
from object_detection.protos import model_pb2

# Theirs is 0.16667 relu6(x + 3), at most 1 + 2e-5; random networks amplify the difference.
mobilenet_v3.squeeze_excite.keywords["gating_fn"] = lambda x: tf.nn.relu6(x + 3) / 6
LAYER = (
    "activation: RELU_6 batch_norm { epsilon: 0.001 scale: true } "
    "initializer { random_normal_initializer { } } regularizer { l2_regularizer { } }"
)
SSD = f"""ssd {{
  num_classes: 90 encode_background_as_zeros: true
  image_resizer {{ fixed_shape_resizer {{ height: 320 width: 320 }} }}
  box_coder {{ faster_rcnn_box_coder {{ y_scale: 10 x_scale: 10 height_scale: 5 width_scale: 5 }} }}
  matcher {{ argmax_matcher {{ }} }} similarity_calculator {{ iou_similarity {{ }} }}
  anchor_generator {{ ssd_anchor_generator {{ num_layers: 6 min_scale: 0.2 max_scale: 0.95
    aspect_ratios: [1, 2, 0.5, 3, 0.3333] }} }}
  box_predictor {{ convolutional_box_predictor {{ kernel_size: 3 use_depthwise: true box_code_size: 4 max_depth: 0
    use_dropout: false conv_hyperparams {{ {LAYER} }} }} }}
  feature_extractor {{ type: "ssd_mobilenet_v3_SIZE" use_depthwise: true
    override_base_feature_extractor_hyperparams: true conv_hyperparams {{ {LAYER} }} }}
  loss {{ classification_loss {{ weighted_sigmoid_focal {{ }} }} localization_loss {{ weighted_smooth_l1 {{ }} }} }}
  post_processing {{ score_converter: SIGMOID batch_non_max_suppression {{
    score_threshold: 1e-8 iou_threshold: 0.6 max_detections_per_class: 100 max_total_detections: 100 }} }}
}}"""
HALVED = {  # layer of the tail -> its expansion
    "large": {13: 336, 14: 480, 15: 480, 16: None},
    "small": {9: 144, 10: 288, 11: 288, 12: None},
}


def detector(size, image):
    config = text_format.Merge(SSD.replace("SIZE", size), model_pb2.DetectionModel())
    model = model_builder.build(config, is_training=False)
    inputs, shapes = model.preprocess(image)
    outputs = model.predict(inputs, shapes)
    found = model.postprocess(outputs, shapes)
    raw = {name: outputs[name] for name in ("box_encodings", "class_predictions_with_background")}
    return raw | {name: found[f"detection_{name}"] for name in ("boxes", "scores", "classes")}


def segmentor(size, image):
    """Run DeepLab's model.py with the flags of its releases."""
    height, width = (-(-(side - 1) // 32) * 32 + 1 for side in image.shape.as_list()[1:3])
    padded = tf1.image.pad_to_bounding_box(image - 127.5, 0, 0, height, width)
    network = copy.deepcopy(mobilenet_v3.V3_LARGE if size == "large" else mobilenet_v3.V3_SMALL)
    for layer, expansion in HALVED[size].items():
        network["spec"][layer].params["num_outputs"] //= 2
        if expansion:
            factor = expansion / network["spec"][layer - 1].params["num_outputs"]
            network["spec"][layer].params["expansion_size"] = mobilenet_v3.expand_input(factor)
    with slim.arg_scope(mobilenet_v3.training_scope(is_training=False)):
        high, points = mobilenet_v3.mobilenet_base(
            padded / 127.5,
            conv_defs=network,
            output_stride=32,
            scope="MobilenetV3",
            final_endpoint={"large": "layer_17", "small": "layer_13"}[size],
        )
    low = points[{"large": "layer_7/depthwise_output", "small": "layer_4/depthwise_output"}[size]]
    norm = dict(is_training=False, epsilon=1e-5, scale=True)
    local = slim.conv2d(high, 128, 1, normalizer_fn=slim.batch_norm, normalizer_params=norm, scope="aspp0")
    pooled = slim.avg_pool2d(high, (25, 25), (4, 5), padding="VALID")
    gate = slim.conv2d(pooled, 128, 1, activation_fn=lambda x: tf.nn.relu6(x + 3) / 6, scope="image_pooling")
    gated = enlarge(enlarge(gate, high.shape[1:3]) * local, low.shape[1:3])
    logits = slim.conv2d(gated, 19, 1, activation_fn=None, scope="decoder/decoder_conv0")
    logits += slim.conv2d(low, 19, 1, activation_fn=None, scope="decoder/feature_projection0")
    return {"logits": enlarge(logits, (height, width))[:, : image.shape[1], : image.shape[2]]}


def enlarge(x, size):
    return tf1.image.resize_bilinear(x, size, align_corners=True)


def run(path):
    build = detector if path.stem.startswith("ssd") else segmentor
    with np.load(path) as given, tf1.Graph().as_default(), tf1.Session() as session:
        given = {name.replace("|", "/"): given[name] for name in given}
        image = tf1.constant(given.pop("image"))
        outputs = build("large" if "large" in path.stem else "small", image)
        variables = {variable.op.name: variable for variable in tf1.global_variables()}
        assert set(variables) == set(given), set(variables) ^ set(given)
        for name, variable in variables.items():
            variable.load(given[name], session)
        np.savez(path.with_name(f"{path.stem}_result.npz"), **session.run(outputs))


if __name__ == "__main__":
    for release in sorted(Path(sys.argv[1]).glob("*.npz")):
        run(release)
