import pytest
import torch
import torch.nn.functional as F

from densevision.checkpoints.reading import check_weights
from densevision.complexity import count_layers, total_params
from densevision.config.build_errors import config_errors
from densevision.config.init_from import InitFrom
from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.export.convert import convert
from densevision.export.segmentation import SegmentationGraph
from densevision.inference.load import load_model
from densevision.registry import MODELS
from densevision.segmentation.auxiliary import AuxiliaryHead
from densevision.segmentation.model import Segmentor
from densevision.training.start import count_parameters
from densevision.weights.initialize import initialize
from tests.segmentation.test_model import batch

AUXILIARY = dict(type=AuxiliaryHead, filters=8)
CONFIG = "lraspp_v3_small_camvid"
TINY = ("model.backbone.width=0.35", "model.head.filters=8")
WITH = (*TINY, "model.auxiliary=dict(type='densevision.AuxiliaryHead', filters=8)")


def segmentor(auxiliary=None, num_classes=5, loss=None):
    torch.manual_seed(0)
    backbone = dict(name="mobilenet_v3_small", width=0.35, output_stride=16, reduced_tail="segmentation")
    return Segmentor(backbone, dict(type="LRASPPHead", filters=8), num_classes, loss, auxiliary=auxiliary)


def saved(path, model, classes=("a", "b", "c", "d", "e")):
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=classes))), path)
    return path


def test_loss_is_the_weighted_cross_entropy_of_a_head_on_c4():
    model = segmentor(AUXILIARY | dict(weight=0.5))
    data = model.data_preprocessor(batch(2, torch.randint(0, 5, (1, 64, 96), dtype=torch.uint8)), True)
    losses = model.eval()(**data, mode="loss")
    features = model.backbone(data["inputs"])
    logits = model.auxiliary.logits(model.auxiliary.project(features["c4"]))  # [2, 5, 4, 6]
    target = torch.cat([sample.gt.labels for sample in data["data_samples"]]).long()
    logits = F.interpolate(logits, size=(64, 96), mode="bilinear", align_corners=False)
    assert losses["loss_aux"].item() == pytest.approx(0.5 * F.cross_entropy(logits, target).item(), rel=1e-5)
    sum(model.train()(**data, mode="loss").values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_logits_of_the_tap_cover_whole_cells_of_its_stride():
    model = segmentor(AUXILIARY)
    assert model.covered_size((72, 90)) == (72, 96)  # stride 8
    assert model.covered_size((72, 90), model.auxiliary) == (80, 96)  # stride 16
    logits = 16 * torch.arange(5.0).view(1, 1, 5, 1).expand(1, 1, 5, 6) + 7.5  # the row of each cell's center
    assert model.upsample_to(logits, (72, 90), model.auxiliary)[0, 0, 8:, 3].tolist() == [*range(8, 72)]


def test_network_starts_with_the_same_weights_and_computes_the_same():
    plain, more = segmentor().eval(), segmentor(AUXILIARY).eval()
    assert all(torch.equal(tensor, more.state_dict()[name]) for name, tensor in plain.state_dict().items())
    image = torch.randn(1, 3, 64, 96)
    assert torch.equal(plain(image), more(image))
    assert more.auxiliary.logits.bias.abs().max() == 0  # initialized as the other layers are


def test_counts_are_those_of_the_network():
    plain, more = segmentor(), segmentor(AUXILIARY)
    assert count_parameters(more) == count_parameters(plain)
    wanted, found = (total_params(count_layers(model, (64, 96)), norm=True) for model in (plain, more))
    assert found == wanted


def test_checkpoints_load_with_and_without_the_head():
    plain, more = segmentor(), segmentor(AUXILIARY)
    more.load_state_dict(plain.state_dict())
    plain.load_state_dict(more.state_dict())
    segmentor(AUXILIARY | dict(filters=16)).load_state_dict(more.state_dict())
    with pytest.raises(RuntimeError, match="Unexpected"):
        plain.load_state_dict(more.state_dict() | {"other.weight": torch.zeros(1)})
    other = segmentor(AUXILIARY)
    other.auxiliary.logits.bias.data += 1
    more.load_state_dict(other.state_dict())
    assert more.auxiliary.logits.bias.tolist() == [1] * 5


@pytest.mark.parametrize(("options", "stored"), [(WITH, True), (WITH, False), (TINY, True)])
def test_inference_and_export_have_no_such_head(tmp_path, options, stored):
    path = saved(tmp_path / "best.pth", segmentor(AUXILIARY if stored else None))
    model, _ = load_model(load_config(CONFIG, options), path)
    assert model.auxiliary is None
    assert list(model.state_dict()) == list(segmentor().state_dict())
    assert not [name for name in SegmentationGraph(model).state_dict() if "auxiliary" in name]


@pytest.mark.slow
def test_exported_file_is_that_of_the_network(tmp_path):
    pytest.importorskip("litert_torch")
    path = saved(tmp_path / "best.pth", segmentor(AUXILIARY))
    models = [load_model(load_config(CONFIG, options), path)[0] for options in (WITH, TINY)]
    first, second = (convert(SegmentationGraph(model), (64, 96)) for model in models)
    assert first == second


def test_a_training_resumes_with_its_head_only():
    plain, more = segmentor(), segmentor(AUXILIARY)
    for model, other in ((plain, more), (more, plain)):
        check_weights(model, dict(state_dict=other.state_dict()), "best.pth")
        with pytest.raises(UserError, match="iter_9.pth belongs to another model: .*auxiliary.project"):
            check_weights(model, dict(state_dict=other.state_dict()), "iter_9.pth", resuming=True)


def test_init_from_takes_the_head_but_its_classes(tmp_path):
    path = saved(tmp_path / "best.pth", segmentor(AUXILIARY))
    for auxiliary in (None, AUXILIARY):
        report = initialize(segmentor(auxiliary, 3), InitFrom.parse(str(path)), ("x", "y", "z"))
        assert ("auxiliary.logits.weight" in report.reinitialized) == (auxiliary is not None)
        assert ("auxiliary.project.0.weight" in report.loaded) == (auxiliary is not None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(tap="c2"), "tap is 'c2'; the backbone has c3, c4, c5"),
        (dict(weight=0), "weight is 0; give a number over 0"),
        (dict(weight="a"), "weight is 'a'"),
        (dict(filters=0), "AuxiliaryHead: filters is 0; give a whole number from 1"),
    ],
)
def test_bad_settings_are_one_line(options, message):
    with pytest.raises(UserError, match=message) as caught, config_errors():
        MODELS.build(AUXILIARY | options | dict(taps=segmentor().backbone.taps, num_classes=2))
    assert "\n" not in str(caught.value)


def test_another_head_is_no_auxiliary_head():
    with pytest.raises(UserError, match=r"model.auxiliary is LRASPPHead; give dict\(type=AuxiliaryHead\)"):
        segmentor(dict(type="LRASPPHead", filters=8))
