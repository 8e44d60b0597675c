"""Values of a model that could only fail or learn nothing are refused when it is built, in one line."""

import pytest

from densevision.config.build_errors import config_errors
from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.registry import MODELS

CONFIGS = ("ssdlite_v3_small_reduced_bccd", "lraspp_v3_small_camvid", "v3_small_bccd_cells")
TORCHVISION = "mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)"  # of pixels in 0..1


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.num_classes=-1", "model.num_classes is -1; give a whole number from"),
        ("model.num_classes=2.5", "model.num_classes is 2.5"),
        ("model.bn_momentum=2", "model.bn_momentum is 2; give a number from 0 to 1"),
        ("model.bn_momentum=-0.1", "model.bn_momentum is -0.1"),
        ("model.backbone.bn_eps=0", "bn_eps is 0; give a number over 0"),
        (
            f"model.data_preprocessor=dict(type='densevision.Normalize', {TORCHVISION})",
            "std, of pixels in 0 to 255, is 0.229; give",
        ),
        (
            "model.data_preprocessor=dict(type='densevision.Normalize', std=(0, 1, 1))",
            "std, of pixels in 0 to 255, is 0; give",
        ),
        (
            "model.data_preprocessor=dict(type='densevision.Normalize', mean=(1, 1))",
            r"mean is \(1, 1\); give three numbers",
        ),
    ],
)
def test_of_all_tasks(config, change, message):
    refused(config, change, message)


@pytest.mark.parametrize("head", ["LRASPPHead", "RASPPHead"])
@pytest.mark.parametrize("filters", [0, -3])
def test_filters_of_the_head(head, filters):
    change = f"model.head=dict(type='{head}', filters={filters})"
    refused("lraspp_v3_small_camvid", change, f"model.head.filters is {filters}; give a whole number from 1")


def refused(config, change, message):
    model = load_config(config, [change]).model
    model.num_classes = 3 if model.num_classes is None else model.num_classes
    with pytest.raises(UserError, match=message) as caught, config_errors():
        MODELS.build(model)
    assert "\n" not in str(caught.value)
