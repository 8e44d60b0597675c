import pytest
import torch
from mmengine.structures import PixelData
from torch import nn

from densevision.data.samples import SegSample
from densevision.registry import MODELS
from densevision.segmentation.head import LRASPPHead, RASPPHead
from densevision.segmentation.loss import OHEMCrossEntropyLoss
from densevision.segmentation.model import Segmentor


def segmentor(**options):
    torch.manual_seed(0)
    backbone = dict(name="mobilenet_v3_small", output_stride=16, reduced_tail="segmentation")
    return Segmentor(backbone, options.pop("head", dict(type=LRASPPHead)), num_classes=5, **options)


def sample(labels=None, ori_size=(64, 96)):
    made = SegSample(metainfo=dict(ori_size=ori_size, input_size=(64, 96)))
    if labels is not None:
        made.gt = PixelData(labels=labels)
    return made


def batch(count, labels=None):
    images = torch.randint(0, 256, (count, 3, 64, 96), dtype=torch.uint8)
    return dict(inputs=list(images), data_samples=[sample(labels) for _ in range(count)])


@pytest.mark.parametrize("head", [LRASPPHead, RASPPHead])
def test_tensor_mode_returns_logits_of_the_input_size(head):
    model = segmentor(head=dict(type=head, filters=16)).eval()
    assert model(torch.randn(2, 3, 65, 97)).shape == (2, 5, 65, 97)


def test_loss_is_a_finite_scalar_that_reaches_every_parameter():
    model = segmentor()
    data = model.data_preprocessor(batch(2, torch.randint(0, 5, (1, 64, 96), dtype=torch.uint8)), True)
    losses = model(**data, mode="loss")
    losses["loss_seg"].backward()
    assert list(losses) == ["loss_seg"] and losses["loss_seg"].isfinite()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("loss", [None, dict(type=OHEMCrossEntropyLoss)])
def test_batch_without_labels_gives_zero_loss_with_gradients(loss):
    model = segmentor(loss=loss)
    data = model.data_preprocessor(batch(2, torch.full((1, 64, 96), 255, dtype=torch.uint8)), True)
    value = model(**data, mode="loss")["loss_seg"]
    value.backward()
    assert value.item() == 0
    assert all(p.grad is not None and p.grad.abs().max() == 0 for p in model.parameters())


def test_predictions_have_the_size_of_the_original_image():
    model = segmentor().eval()
    data = batch(2)
    data["data_samples"][1].set_metainfo(dict(ori_size=(128, 200)))
    with torch.no_grad():
        first, second = model.val_step(data)
    assert first.pred.labels.shape == (1, 64, 96) and first.pred.labels.dtype == torch.uint8
    assert second.pred.labels.shape == (1, 128, 200)


def test_prediction_is_the_class_of_the_largest_logit():
    model = segmentor().eval()
    data = model.data_preprocessor(batch(1))
    with torch.no_grad():
        expected = model(data["inputs"]).argmax(1)
        predicted = model(**data, mode="predict")[0].pred.labels
    assert torch.equal(predicted, expected.to(torch.uint8))


class PositionHead(nn.Module):
    """Logits whose only channel is the row of each cell's center, 3.5, 11.5, ..., and 21 minus it."""

    def __init__(self, taps, num_classes, stride=8):
        super().__init__()
        self.stride = stride

    def forward(self, features):
        rows, columns = features["c3"].shape[-2:]
        centers = 8 * torch.arange(rows) + 3.5
        logits = centers[None, None, :, None].expand(1, 1, rows, columns)
        return torch.cat([logits, 21 - logits], 1)


@pytest.mark.parametrize("height", [64, 65, 70, 71])
def test_logits_lie_on_the_pixels_they_are_of_in_an_image_of_any_size(height):
    MODELS.register_module(module=PositionHead, force=True)
    backbone = dict(name="mobilenet_v3_small", output_stride=16)
    model = Segmentor(backbone, dict(type="PositionHead"), num_classes=2).eval()
    images = torch.zeros(1, 3, height, 40)
    assert model.covered_size((height, 40)) == (64 if height == 64 else 72, 40)
    logits = model(images)
    assert logits.shape == (1, 2, height, 40)
    pixels = torch.arange(4, 60).float()
    assert torch.allclose(logits[0, 0, 4:60, 7], pixels)
    predicted = model(images, [sample(ori_size=(height, 40))], mode="predict")[0].pred.labels[0, :, 7]
    assert predicted.tolist() == [1] * 11 + [0] * (height - 11)  # the first is the larger one above row 10
    target = torch.zeros(1, height, 40, dtype=torch.uint8)
    loss = model.val_loss(model.coarse_logits(images), [sample(target)])["loss_seg"]
    every = 1 if height > 64 else 2  # logits that end with the image are measured at every second row and column
    centers = logits if every == 1 else torch.nn.functional.avg_pool2d(logits, 2)
    assert loss.item() == pytest.approx(model.loss_function(centers, target[:, ::every, ::every]).item(), rel=1e-4)
    model.head.stride = None
    assert model.covered_size((height, 40)) == (height, 40)


@pytest.mark.parametrize(("size", "padded"), [((64, 96), (65, 97)), ((65, 80), (65, 81))])
def test_aligned_corners_keep_every_eighth_pixel_in_place(size, padded):
    model = segmentor(head=dict(type=LRASPPHead, align_corners=True)).eval()
    images = torch.randn(1, 3, *size)
    with torch.no_grad():
        full = model(images)
        zeros = torch.zeros(1, 3, *padded)
        zeros[..., : size[0], : size[1]] = images  # the mean color at the bottom and right
        coarse = model.head(model.backbone(zeros))  # every eighth pixel, including both ends
    assert full.shape == (1, 5, *size) and [(n - 1) * 8 + 1 for n in coarse.shape[-2:]] == [*padded]
    rows, columns = -(-size[0] // 8), -(-size[1] // 8)
    assert torch.allclose(full[..., ::8, ::8], coarse[..., :rows, :columns], atol=1e-5)
    assert torch.allclose(full[..., 0, 4], (coarse[..., 0, 0] + coarse[..., 0, 1]) / 2, atol=1e-5)


def test_batch_norm_momentum_and_memory_format_are_set():
    model = segmentor(bn_momentum=0.2)
    assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {0.2}
    assert model.backbone.stem[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_unknown_mode_raises_an_error():
    with pytest.raises(ValueError, match="predict"):
        segmentor()(torch.randn(1, 3, 32, 32), mode="predcit")


@pytest.mark.slow
def test_model_overfits_two_images():
    model = segmentor(bn_momentum=0.1)
    images = torch.zeros(2, 3, 64, 96)
    labels = torch.zeros(2, 64, 96, dtype=torch.uint8)
    images[0, :, 16:48, 24:72] = 1.0
    labels[0, 16:48, 24:72] = 1
    images[1, :, :, 48:] = -1.0
    labels[1, :, 48:] = 2
    samples = [sample(one[None]) for one in labels]
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        model(images, samples, mode="loss")["loss_seg"].backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        predicted = torch.cat([one.pred.labels for one in model(images, samples, mode="predict")])
    assert (predicted == labels).float().mean() > 0.95
