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
    model = load_config(config, [change]).model
    model.num_classes = 3 if model.num_classes is None else model.num_classes
    with pytest.raises(UserError, match=message) as caught, config_errors():
        MODELS.build(model)
    assert "\n" not in str(caught.value)
