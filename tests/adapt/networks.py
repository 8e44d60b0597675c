"""Small-input networks for the tests of this folder."""

import torch
from mmengine.config import ConfigDict

from densevision.adapt.shape import shape_of
from densevision.config.load import complete_config
from densevision.detection.model import SSDLite
from densevision.inference.load import build_model
from densevision.segmentation.head import LRASPPHead, RASPPHead
from densevision.segmentation.model import Segmentor


def detector(name="mobilenet_v3_small", **backbone):
    return dict(type=SSDLite, backbone=dict(name=name, **backbone), num_classes=3, input_size=(96, 96))


def segmentor(name="mobilenet_v3_small", head=LRASPPHead, **backbone):
    stride = dict(output_stride=16)
    return dict(type=Segmentor, backbone=dict(name=name, **stride, **backbone), head=dict(type=head), num_classes=5)


def build(model):
    """Return a config, its model in evaluation mode with varied batch norms, and its shape."""
    config = complete_config(ConfigDict(model=model), (), "a.py")
    built = build_model(config, 3).eval()
    generator = torch.Generator().manual_seed(0)
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            for tensor in (module.bias.data, module.running_mean):
                tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
        elif isinstance(module, torch.nn.Conv2d):
            fan = module.weight[0].numel()
            module.weight.data.copy_(torch.randn(module.weight.shape, generator=generator) / fan**0.5)
    return config, built, shape_of(built, config)


RASPP = RASPPHead
