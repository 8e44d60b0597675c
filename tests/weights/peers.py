"""Models of other libraries with random weights, instead of their published files."""

import os

import torch
import torch.nn.functional as F
from torch import nn

from densevision.weights.convert import to_checkpoint
from densevision.weights.source import find_source

TORCHVISION = ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
TIMM = (
    *("mobilenetv3_large_100", "mobilenetv3_small_100", "mobilenetv3_small_075", "mobilenetv3_small_050"),
    *("tf_mobilenetv3_large_100", "tf_mobilenetv3_large_075", "tf_mobilenetv3_large_minimal_100"),
    *("tf_mobilenetv3_small_100", "tf_mobilenetv3_small_075", "tf_mobilenetv3_small_minimal_100"),
    *("mobilenetv2_100", "semnasnet_100"),
)
CLASSIFIERS = [f"torchvision:{name}" for name in TORCHVISION] + [f"timm:{name}" for name in TIMM]


def classifier(name):
    """Build the network with timm or torchvision."""
    library, network = name.split(":")
    if library == "timm":
        import timm

        return timm.create_model(network)
    import torchvision

    return torchvision.models.get_model(network, weights=None)


def ssdlite():
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    return ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)


def lraspp():
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    return lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)


def random_images(count, height, width):
    """Return [N, 3, H, W] float in 0..1 of blotches of about 16 pixels; noise is the same everywhere."""
    small = torch.rand(count, 3, -(-height // 16), -(-width // 16))
    return F.interpolate(small, size=(height, width), mode="bicubic").clamp(0, 1)


def settle(network, forward):
    """Set weights and statistics as after a training: no value is one, zero or equal to its neighbor.

    Args:
        forward: calls the network on images, so that its batch norms see activations.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:  # gates and predictors: outputs of about 1
                module.weight.data.mul_(0.15)
                nn.init.normal_(module.bias, std=0.1)
    network.eval()
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.1)
        norm.reset_running_stats()
        norm.momentum = None  # the plain average
        norm.train()
    with torch.no_grad():
        forward()
    return network.eval()


def settled_classifier(name):
    network = classifier(name)
    return settle(network, lambda: network(4 * random_images(3, 64, 64) - 2))


def settled_ssdlite():
    network = ssdlite()
    settle(network, lambda: network.head(list(network.backbone(2 * random_images(2, 320, 320) - 1).values())))
    for predictor in network.head.regression_head.module_list:
        predictor[1].weight.data.mul_(0.3)  # boxes near their anchors
    return network


def settled_lraspp():
    network = lraspp()
    return settle(network, lambda: network(4 * random_images(4, 96, 96) - 2))


def converted(name, network):
    """Return our network with the weights of the other one."""
    source = find_source(name)
    checkpoint, _ = to_checkpoint(name, source, network.state_dict())
    ours = source.network()
    ours.load_state_dict(checkpoint["state_dict"])
    return ours.eval()


def largest_difference(ours, theirs):
    return (ours - theirs).abs().max().item()


class Bomb:
    """Create a folder when unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)
