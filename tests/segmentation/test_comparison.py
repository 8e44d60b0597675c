"""The other systems of the paper's Table 8: structure by hand, counts, training and export."""

import numpy as np
import pytest
import torch
from torch import nn

from densevision.complexity import count_layers, total_madds, total_params
from densevision.config.stored import from_plain, to_plain
from densevision.errors import UserError
from densevision.export.convert import ExportImages, ExportOptions, export_tflite
from densevision.inference.load import load_model
from densevision.segmentation.comparison import NETWORKS
from densevision.segmentation.comparison.ccc2 import ConcentratedConvolution, ConcentratedPyramid
from densevision.segmentation.comparison.espnet_v1 import SpatialPyramid
from densevision.segmentation.comparison.espnet_v2 import Downsample
from densevision.segmentation.model import Segmentor
from tests.segmentation.test_training import CONFIG, tiny_runner


def network(name, num_classes=20, **options):
    return Segmentor(dict(name=name, **options), dict(type=NETWORKS[name][1]), num_classes)


def counted(name, **options):
    """Return params, MAdds and MAdds without transposed convolutions at 512x1024, for 20 classes."""
    with torch.device("meta"):
        model = network(name, **options)
    counts = count_layers(model, (512, 1024))
    return total_params(counts, norm=True), total_madds(counts), total_madds(counts, transposed=False)


def fill(module, value):
    for weight in module.parameters():
        nn.init.constant_(weight, value)


def test_branches_of_a_spatial_pyramid_are_summed_from_dilation_2_on():
    pyramid = SpatialPyramid(1, 5)
    fill(pyramid, 0)
    pyramid.reduce.weight.data[...] = 2
    for power, branch in enumerate(pyramid.branches):
        branch.weight.data[0, 0, 1, 1] = 10**power  # the center
    assert pyramid(torch.ones(1, 1, 3, 3))[0, :, 1, 1].tolist() == [2, 20, 220, 2220, 22220]
    assert [branch.dilation[0] for branch in pyramid.branches] == [1, 2, 4, 8, 16]


def test_branches_of_a_concentrated_pyramid_are_not_summed():
    pyramid = ConcentratedPyramid(1, 4).eval()
    fill(pyramid, 1)
    before = [branch(pyramid.reduce(torch.ones(1, 1, 9, 9))) for branch in pyramid.branches]
    torch.testing.assert_close(pyramid(torch.ones(1, 1, 9, 9)), torch.cat(before, 1))


@pytest.mark.parametrize("dilation", [2, 3])
def test_a_concentrated_convolution_reads_every_pixel_of_its_window(dilation):
    """A dilated 3x3 alone reads 9 pixels; after column and row it reads all 4 * dilation - 1 squared."""
    convolution = ConcentratedConvolution(1, 1, dilation).eval()
    fill(convolution, 1)
    for norm in (convolution[1], convolution[4]):
        nn.init.zeros_(norm.bias)
    window = 4 * dilation - 1
    impulse = torch.zeros(1, 1, window + 4, window + 4)
    impulse[..., window // 2 + 2, window // 2 + 2] = 1
    found = convolution(impulse)[0, 0] > 0
    assert found[2:-2, 2:-2].all() and found.sum() == window**2


@pytest.mark.parametrize("pyramid", [SpatialPyramid, ConcentratedPyramid])
@pytest.mark.parametrize(("channels", "widths"), [(23, 23), (3, 3), (1, 1)])
def test_widths_of_branches_add_up(pyramid, channels, widths):
    assert pyramid(7, channels, 2)(torch.zeros(1, 7, 9, 6)).shape == (1, widths, 5, 3)
    assert len(pyramid(7, 3).branches) == 3  # of three channels, each has a branch


def test_downsampling_keeps_the_average_pool_in_the_first_channels():
    block = Downsample(8, 24).eval()
    fill(block.image, 0)
    x = torch.rand(1, 8, 10, 12)
    out = block(x, torch.zeros(1, 3, 5, 6))
    assert out.shape == (1, 24, 5, 6)
    torch.testing.assert_close(out[:, :8, 1:, 1:], nn.functional.avg_pool2d(x, 3, 2, padding=1)[..., 1:, 1:])


def test_counts_of_espnet_v1():
    assert counted("espnet_v1") == (365_109, 4_780_220_416, 4_504_969_216)


def test_counts_of_espnet_v2():
    params, madds, _ = counted("espnet_v2")
    assert params == 789_242  # with 480 slopes of the three strided pyramids that nothing reads
    assert madds == 2_697_742_960


@pytest.mark.parametrize(
    ("channels", "params", "madds"),
    [((16, 32, 64, 128), 80_342, 0.596), ((32, 96, 192, 384), 468_362, 1.713)],
)
def test_counts_of_the_other_published_widths_of_espnet_v2(channels, params, madds):
    found, multiply_adds, _ = counted("espnet_v2", channels=channels)
    assert found == params
    assert round(multiply_adds / 1e9, 3) == madds


def test_counts_of_ccc2():
    """The authors' code runs the first layer of each block at stride 1 twice: 3.118 B without transposed ones."""
    params, madds, rest = counted("ccc2")
    assert (params, madds, rest) == (191_614, 3_050_831_872, 2_775_580_672)
    twice = 2 * 64 * 16 * 128 * 256 + 8 * 128 * 32 * 64 * 128 + 40 * 5 * 128 * 256
    assert round((rest + twice) / 1e9, 3) == 3.118


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_have_the_images_size_for_any_size_and_number_of_classes(name):
    for num_classes, size in ((1, (33, 50)), (4, (40, 31))):
        assert network(name, num_classes).eval()(torch.zeros(1, 3, *size)).shape == (1, num_classes, *size)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name):
    model = network(name, 3)
    model(torch.rand(2, 3, 64, 64)).square().sum().backward()
    without = {key for key, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()}
    unread = {f"backbone.{level}.pyramid.1.weight" for level in ("level2", "down3", "down4")}
    assert without == (unread if name == "espnet_v2" else set())
    assert all(model.get_parameter(key).requires_grad == (key not in without) for key, _ in model.named_parameters())


@pytest.mark.parametrize(
    "name", ["espnet_v1", *(pytest.param(name, marks=pytest.mark.slow) for name in ("espnet_v2", "ccc2"))]
)
def test_trains_and_is_loaded_from_its_checkpoint(tmp_path, name):
    config = CONFIG.with_name(f"{name}_cityscapes_testsplit.py")
    runner = tiny_runner(config, tmp_path, "test_dataloader.dataset.split='val'", "default_hooks.ema=None")
    before = {key: weight.clone() for key, weight in runner.model.named_parameters()}
    trained = runner.train()
    assert any(not torch.equal(weight, before[key]) for key, weight in trained.named_parameters())
    assert (tmp_path / "run" / "val_predictions.png").is_file()
    stored = from_plain(to_plain(runner.cfg), "stored")  # as a checkpoint has it: classes by name
    loaded, _ = load_model(stored, tmp_path / "run" / "iter_2.pth")
    for key, weight in loaded.state_dict().items():
        assert torch.equal(weight, trained.state_dict()[key]), key


def statistics(model, size):
    """Set statistics of smooth images, so that activations and labels vary."""
    from densevision.paper.latency import set_statistics, smooth_images

    torch.manual_seed(0)
    images = smooth_images(3, size).permute(0, 2, 3, 1).to(torch.uint8).numpy()
    return set_statistics(model, size), ExportImages(check=list(images))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("espnet_v1", (72, 96)), ("espnet_v1", (71, 95)), ("ccc2", (72, 96))])
def test_file_has_the_labels_of_the_model(tmp_path, name, size):
    model, images = statistics(network(name, 11), size)
    report = export_tflite(model, tmp_path / "model.tflite", ExportOptions(size=size), images)
    assert report.parity.labels > 0.999 and report.ops["TRANSPOSE_CONV"] == 3
    assert len(np.unique(model(torch.rand(1, 3, *size)).argmax(1))) > 2  # not one label everywhere


@pytest.mark.slow
def test_adaptive_pools_of_espnet_v2_have_no_operator_of_phones(tmp_path):
    model, images = statistics(network("espnet_v2", 11), (72, 96))
    with pytest.raises(UserError, match="GATHER_ND"):
        export_tflite(model, tmp_path / "model.tflite", ExportOptions(size=(72, 96)), images)
