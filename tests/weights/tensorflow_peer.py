"""Run TensorFlow for test_tensorflow_reference.py, in its own interpreter.

    python tensorflow_peer.py FOLDER

reads FOLDER/<release>.npz and FOLDER/head.npz, and writes checkpoints and results next to them.
"""

import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

SIZES = ((96, 64), (97, 63), (65, 128))
C3_C4 = {"large": (5, 12), "small": (2, 8)}  # blocks with the taps, a depthwise output and an expansion


def main(folder):
    for size in ("large", "small"):
        for minimalistic in (False, True):
            compute_features(folder, size, minimalistic)
        compute_logits(folder, size)
    compute_rmsprop(folder)
    for path in folder.glob("release_*.npz"):
        write_release(path)
    compute_head(folder)


def compute_features(folder, size, minimalistic):
    """Write a checkpoint of Keras's MobileNetV3 with random weights and slim's names, and its features."""
    name = f"mobilenet_v3_{size}" + "_minimalistic" * minimalistic
    rng = np.random.default_rng(0)
    weights = None
    for height, width in SIZES:
        model = build_keras(size, minimalistic, height, width)
        weights = weights or [draw(rng, variable) for variable in model.weights]
        model.set_weights(weights)
        image = rng.uniform(-1, 1, (2, height, width, 3)).astype(np.float32)
        c3, c4, c5 = tf.keras.Model(model.input, taps(model, size))(image, training=False)
        np.savez(folder / f"{name}_{height}x{width}.npz", image=image, c3=c3, c4=c4, c5=c5)
    save(folder / f"{name}.ckpt", slim_variables(model))


def build_keras(size, minimalistic, height, width):
    builder = {"large": tf.keras.applications.MobileNetV3Large, "small": tf.keras.applications.MobileNetV3Small}[size]
    return builder(
        input_shape=(height, width, 3),
        minimalistic=minimalistic,
        include_top=False,
        weights=None,
        include_preprocessing=False,
    )


def compute_logits(folder, size):
    """Write a whole classifier of Keras with random weights, and its logits."""
    rng = np.random.default_rng(1)
    builder = {"large": tf.keras.applications.MobileNetV3Large, "small": tf.keras.applications.MobileNetV3Small}[size]
    model = builder(
        input_shape=(224, 224, 3), weights=None, include_preprocessing=False, classifier_activation=None, classes=1000
    )
    model.set_weights([draw(rng, variable) for variable in model.weights])
    top = [layer for layer in model.layers if layer.name in ("conv_2", "logits")]
    head = {f"{layer.name}_{variable.name}": variable.numpy() for layer in top for variable in layer.weights}
    image = rng.uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
    np.savez(folder / f"logits_{size}.npz", image=image, logits=model(image, training=False), **head)
    save(folder / f"logits_{size}.ckpt", {n: v for n, v in slim_variables(model).items() if not is_top(n)})


def is_top(name):
    return "/Conv_2/" in name or "/logits/" in name


def compute_rmsprop(folder):
    """Write 20 gradients, and the weights after each step of TensorFlow's RMSProp."""
    gradients = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)
    weights, found = tf.Variable(np.linspace(-1, 1, 7).astype(np.float32)), []
    optimizer = tf.compat.v1.train.RMSPropOptimizer(0.1, decay=0.9, momentum=0.9, epsilon=1e-3)
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient), weights)])
        found.append(weights.numpy().copy())
    np.savez(folder / "rmsprop.npz", gradients=gradients, weights=np.stack(found))


def draw(rng, variable):
    shape, name = tuple(variable.shape), variable.name
    if name in ("gamma", "moving_variance"):
        return rng.uniform(0.5, 1, shape)
    if len(shape) == 4:
        return rng.normal(0, (shape[0] * shape[1] * (1 if shape[3] == 1 else shape[2])) ** -0.5, shape)
    return rng.normal(0, 0.2, shape)


def taps(model, size):
    layers = {layer.name: layer for layer in model.layers}
    c3, c4 = C3_C4[size]
    behind_c3 = layers.get(f"expanded_conv_{c3}_squeeze_excite_avg_pool") or layers[f"expanded_conv_{c3}_project"]
    behind_c4 = layers[f"expanded_conv_{c4}_depthwise_pad"]
    return [behind_c3.input, behind_c4.input, model.output]


def slim_variables(model):
    """Return Keras's variables by the names of slim and of the releases."""
    variables = {}
    for layer in model.layers:
        scope = re.sub("^conv", "Conv", layer.name)
        scope = re.sub("_(expand|depthwise|project|squeeze_excite)(?=_|$)", r"/\1", scope)
        scope = re.sub("squeeze_excite_conv", "squeeze_excite/Conv", scope)
        for variable in layer.weights:
            kernel = "depthwise_weights" if isinstance(layer, tf.keras.layers.DepthwiseConv2D) else "weights"
            last = {"kernel": kernel, "bias": "biases"}.get(variable.name, variable.name)
            variables[f"MobilenetV3/{re.sub('_bn$', '/BatchNorm', scope)}/{last}"] = variable.numpy()
    return variables


def save(prefix, variables):
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(variables),
        shape_and_slices=[""] * len(variables),
        tensors=[tf.constant(value) for value in variables.values()],
    )


def write_release(path):
    """Save variables like the releases, with the Saver of TensorFlow 1."""
    with np.load(path) as given, tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [
            tf.compat.v1.Variable(given[name], name=name.replace("|", "/"), use_resource=False) for name in given
        ]
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(variables).save(session, str(path.with_suffix(".ckpt")), write_meta_graph=False)


def compute_head(folder):
    """Compute DeepLab's LR-ASPP, output stride 32, on features of a 1025x1057 image."""
    with np.load(folder / "head.npz") as given:
        given = dict(given)

    def convolve(scope, x):
        return tf.nn.conv2d(x, given[f"{scope}|weights"], 1, "SAME")

    def enlarge(x, size):
        return tf.compat.v1.image.resize_bilinear(x, size, align_corners=True)

    low, high = given["c3"], given["c5"]
    norm = [given[f"aspp0|BatchNorm|{part}"] for part in ("moving_mean", "moving_variance", "beta", "gamma")]
    local = tf.nn.relu(tf.nn.batch_normalization(convolve("aspp0", high), *norm, 1e-5))
    pooled = tf.nn.avg_pool2d(high, (25, 25), (4, 5), "VALID")
    gate = tf.nn.relu6(convolve("image_pooling", pooled) + given["image_pooling|biases"] + 3) / 6
    gated = local * enlarge(gate, high.shape[1:3])
    logits = convolve("decoder|decoder_conv0", enlarge(gated, low.shape[1:3])) + given["decoder|decoder_conv0|biases"]
    logits += convolve("decoder|feature_projection0", low) + given["decoder|feature_projection0|biases"]
    np.savez(folder / "head_result.npz", logits=enlarge(logits, (1025, 1057)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
