"""A config as plain data: it comes back equal, and names nothing but registered classes."""

import copy
import json

import pytest

from densevision.config.load import load_config
from densevision.config.stored import from_plain, to_plain
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from tests.training.toy_runs import ROOT

SHIPPED = sorted(path for path in (ROOT / "configs").glob("*/*.py") if path.parent.name != "_base_")
DETECTOR = next(path for path in SHIPPED if path.parent.name == "detection")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_config_comes_back_equal(path):
    config = load_config(path)
    data = to_plain(config)
    back = from_plain(copy.deepcopy(data), path.name)
    assert to_plain(back) == data  # a tuple is not equal to a list
    assert back.model.type is config.model.type
    assert back.filename == path.name


def test_the_data_are_plain_and_name_classes():
    data = to_plain(load_config(DETECTOR, ["train_cfg.max_iters=7"]))
    assert json.loads(json.dumps(data))["train_cfg"]["max_iters"] == 7
    assert data["model"]["type"] == "densevision.detection.model.SSDLite"
    assert data["optim_wrapper"]["optimizer"]["type"] == "torch.optim.sgd.SGD"
    assert isinstance(data["train_dataloader"]["dataset"]["input_size"], tuple)


def test_what_belongs_to_a_run_is_left_out():
    config = load_config(DETECTOR)
    config.work_dir, config.resume, config.launcher = "here", True, "none"
    assert not {"work_dir", "resume", "launcher"} & set(to_plain(config))


def test_overrides_apply_to_a_stored_config():
    data = to_plain(load_config(DETECTOR))
    assert from_plain(data, "a.py", ["model.input_size=(64, 64)"]).test_dataloader.dataset.input_size == (64, 64)
    with pytest.raises(UserError, match="nothing reads 'input_seize' there; did you mean input_size"):
        from_plain(data, "a.py", ["model.input_seize=(64, 64)"])


@pytest.mark.parametrize("value", [print, lambda: 1, object(), [1, {2}], dict])
def test_what_is_not_plain_is_refused_with_its_place(value):
    config = load_config(DETECTOR)
    config.model.backbone.extra = value
    with pytest.raises(UserError, match=r"config, model.backbone.extra(\.1)? is .*, which is neither text, "):
        to_plain(config)


@pytest.mark.parametrize(
    "name",
    ["os.system", "builtins.eval", "subprocess.Popen", "densevision.cli.main.main", "antigravity", "elsewhere.SSDLite"],
)
@pytest.mark.parametrize("key", ["type", "constructor", "ema_type"])
def test_a_name_that_is_not_registered_is_refused_in_one_line(name, key):
    data = to_plain(load_config(DETECTOR)) | dict(custom_hooks=[{key: name, "command": "touch /tmp/owned"}])
    with pytest.raises(UserError) as raised:
        from_plain(data, "best.pth")
    text = str(raised.value)
    assert f"config, custom_hooks.0.{key}: '{name}' is not a registered class" in text and "\n" not in text


@pytest.mark.parametrize("change", [dict(default_scope="antigravity"), dict(model=dict(type="SSDLite", _scope_="x"))])
def test_another_scope_is_refused(change):
    with pytest.raises(UserError, match="scope"):
        from_plain(to_plain(load_config(DETECTOR)) | change, "best.pth")


def test_a_key_that_nothing_reads_is_refused():
    with pytest.raises(UserError, match="best.pth: unknown key 'custom_imports'"):
        from_plain(dict(custom_imports=dict(imports=["os"])), "best.pth")


@pytest.mark.parametrize("name", ["SSDLite", "densevision.SSDLite"])
def test_a_registered_name_is_kept_for_its_registry(name):
    data = to_plain(load_config(DETECTOR))
    data["model"]["type"] = name
    assert from_plain(data, "a.py").model.type in (name, SSDLite)
