"""A config's ``type`` resolves to a registered class, and to nothing else."""

import sys

import pytest
from albumentations import HorizontalFlip
from mmengine.optim import LinearLR
from torch.optim import SGD

from densevision.config.types import resolve_texts, resolve_type
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from densevision.registry import DATASETS, HOOKS, MODELS, OPTIMIZERS, PARAM_SCHEDULERS, TRANSFORMS
from densevision.segmentation.head import LRASPPHead


@pytest.mark.parametrize(
    ("value", "registry", "expected"),
    [
        (SSDLite, MODELS, SSDLite),
        ("SSDLite", MODELS, SSDLite),
        ("densevision.SSDLite", MODELS, SSDLite),
        ("densevision.detection.model.SSDLite", MODELS, SSDLite),
        ("LRASPPHead", MODELS, LRASPPHead),
        ("torch.optim.sgd.SGD", OPTIMIZERS, SGD),
        ("torch.optim.SGD", OPTIMIZERS, SGD),
        ("SGD", OPTIMIZERS, SGD),
        ("albumentations.HorizontalFlip", TRANSFORMS, HorizontalFlip),
        ("mmengine.optim.LinearLR", PARAM_SCHEDULERS, LinearLR),
    ],
)
def test_a_class_and_its_names_give_the_class(value, registry, expected):
    assert resolve_type(value, registry) is expected


@pytest.mark.parametrize(
    ("value", "registry", "message"),
    [
        ("SSDLight", MODELS, "'SSDLight' is not a registered model; did you mean SSDLite?"),
        ("torch.nn.Sequential2", MODELS, "is not a registered model"),
        ("elsewhere.SSDLite", MODELS, "'elsewhere.SSDLite' is not a registered model"),
        ("densevision.detection.mod.SSDLite", MODELS, "is not a registered model"),
        ("os.system", HOOKS, "'os.system' is not a registered hook; register the class and import its module first"),
        ("SSDLite", DATASETS, "'SSDLite' is not a registered dataset"),
        ("", MODELS, "type '' is not a registered model"),
        (None, MODELS, "type is None; it must be a class or the name of one"),
        (3, MODELS, "type is 3; it must be a class"),
    ],
)
def test_other_values_are_refused(value, registry, message):
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        resolve_type(value, registry)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that leaves a trace when it is imported."""
    (tmp_path / "traced_module.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
        "from mmengine.hooks import Hook\nclass A(Hook): pass\nB = dict\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("traced_module", None)


def test_resolving_imports_no_module_that_a_text_names(module):
    with pytest.raises(UserError):
        resolve_type("traced_module.A", MODELS)
    assert not (module / "ran").exists()


def test_a_config_that_may_run_code_has_its_names_imported(module):
    content = dict(
        model=dict(type="densevision.detection.model.SSDLite"),
        hooks=[dict(type="traced_module.A"), dict(type="nowhere.B")],
        plain=dict(type="SSDLite"),
    )
    resolve_texts(content, may_import=True)
    assert content["model"]["type"] is SSDLite and content["hooks"][0]["type"].__name__ == "A"
    assert content["hooks"][1]["type"] == "nowhere.B" and content["plain"]["type"] == "SSDLite"
    assert (module / "ran").exists()


def test_without_a_registry_all_of_them_are_searched():
    assert resolve_type("torch.optim.sgd.SGD") is SGD and resolve_type("SSDLite") is SSDLite
    with pytest.raises(UserError, match="'os.system' is not a registered class"):
        resolve_type("os.system")


@pytest.mark.parametrize("name", ["os.system", "subprocess.Popen", "builtins.exec", "torch.load", "shutil.rmtree"])
@pytest.mark.parametrize("may_import", [False, True])
def test_what_is_no_part_of_a_config_is_refused(name, may_import):
    with pytest.raises(UserError, match=f"config, test_evaluator.0.type: '{name}' is not a registered class") as caught:
        resolve_texts(dict(test_evaluator=[dict(type=name)]), may_import=may_import)
    assert name != "os.system" or "did you mean" not in str(caught.value)  # "SSDLite" is not close


def test_an_option_imports_no_module(module):
    with pytest.raises(UserError, match=r"config, hooks.0.type: 'traced_module.A' is not a registered class"):
        resolve_texts(dict(hooks=[dict(type="traced_module.A")]))
    assert not (module / "ran").exists()


def test_an_option_may_name_a_class_of_a_module_that_a_config_has_imported(module):
    import traced_module

    content = dict(hooks=[dict(type="traced_module.A")])
    resolve_texts(content)
    assert content["hooks"][0]["type"] is traced_module.A
    with pytest.raises(UserError, match="'traced_module.B' is not a registered class"):
        resolve_texts(dict(hooks=[dict(type="traced_module.B")]))


@pytest.mark.parametrize("key", ["constructor", "ema_type"])
def test_other_keys_that_name_classes_are_looked_up_the_same_way(key):
    with pytest.raises(UserError, match=f"config, part.{key}: 'os.system' is not a registered class"):
        resolve_texts(dict(part={key: "os.system"}))
