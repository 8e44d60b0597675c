import torch

from densevision.backbones.layers import Conv2d


def test_gradients_in_bf16_do_not_depend_on_what_memory_held():
    layer = Conv2d(64, 64, 3, stride=2, groups=64).to(memory_format=torch.channels_last)
    x = torch.randn(3, 64, 1, 1).to(memory_format=torch.channels_last)
    wanted = torch.autograd.grad(layer(x).square().sum(), layer.weight)[0]
    for _ in range(4):
        garbage = [torch.full((size,), float("nan")) for size in (64, 256, 1024, 4096) for _ in range(20)]
        del garbage
        with torch.autocast("cpu", torch.bfloat16):
            output = layer(x)
        found = torch.autograd.grad(output.float().square().sum(), layer.weight)[0]
        assert torch.allclose(found, wanted, rtol=0.05, atol=0.05 * wanted.abs().max().item())
