"""A ``type`` that is no part of the kind that the config needs: one line, and no folder remains."""

import pytest

import densevision as dv
from tests.api.conftest import small


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_evaluator.type": "os.system"}, "'os.system' is not a registered class"),
        ({"test_evaluator": {"type": "os.system"}}, "'os.system' is not a registered class"),
        ({"test_evaluator.type": "json.JSONDecoder"}, "evaluator.type: 'json.JSONDecoder' is not a registered class"),
        ({"test_evaluator": [3]}, r"test_evaluator is \[3\]; it must be a dict or a list of a dict"),
        ({"test_evaluator.type": "no.such"}, "'no.such' is not a registered class"),
        ({"test_dataloader.dataset.type": "CocoDatset"}, "not a registered dataset; did you mean CocoDataset"),
        (
            {"custom_hooks": [{"type": "json.JSONDecoder"}]},
            "custom_hooks.0.type: 'json.JSONDecoder' is not a registered class",
        ),
        ({"model": {"type": "json.JSONDecoder"}}, "config, model.type: 'json.JSONDecoder' is not a registered class"),
    ],
)
def test_a_type_of_another_kind_is_refused_by_an_evaluation(trained, tmp_path, change, message):
    with pytest.raises(dv.UserError, match=message) as caught:
        dv.evaluate(trained.checkpoint, work_dir=tmp_path / "new" / "run", overrides=change)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_cfg.type": "os.system"}, "'os.system' is not a registered class"),
        ({"optim_wrapper.optimizer.type": "SDG"}, "did you mean SGD"),
        ({"val_evaluator.type": "json.JSONDecoder"}, "evaluator.type: 'json.JSONDecoder' is not a registered class"),
        ({"train_dataloader.dataset.type": "CocoDatset"}, "did you mean CocoDataset"),
    ],
)
def test_a_type_of_another_kind_is_refused_by_a_training(data, tmp_path, change, message):
    with pytest.raises(dv.UserError, match=message):
        dv.train("ssdlite_v3_small_reduced_bccd", work_dir=tmp_path / "run", overrides=small(data) | change)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["SSDLit", "os.system", "json.JSONDecoder"])
def test_a_type_of_another_kind_is_refused_by_an_export(trained, tmp_path, name):
    with pytest.raises(dv.UserError, match="did you mean SSDLite|is not a registered class"):
        dv.export(trained.checkpoint, tmp_path / "a.tflite", overrides={"model.type": name})
    assert not list(tmp_path.iterdir())
