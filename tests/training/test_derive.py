"""One source for one number: input size and test data (B14, cases.md row 28)."""

import pytest
from mmengine.config import ConfigDict

from densevision.config.load import complete_config, load_config
from densevision.errors import UserError
from tests.training.toy_runs import CONFIG, ROOT

DETECTOR = ROOT / "configs/detection/ssdlite_v3_small_reduced_bccd.py"
SCENES = ROOT / "configs/detection/ssdlite_v3_small_reduced_scenes.py"
TEST_SPLIT = next((ROOT / "configs/segmentation").glob("*_testsplit.py"))
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
OWN = """
from densevision.detection.coco import CocoDataset
from densevision.detection.metric import CocoMetric
from densevision.detection.model import SSDLite
from mmengine.dataset import DefaultSampler

_data = dict(type=CocoDataset, data_root="d", ann_file="a.json", image_dir="i")
model = dict(type=SSDLite, backbone=dict(name="mobilenet_v3_small"), num_classes=None{size})
train_dataloader = dict(dataset=dict(_data{train}), batch_size=2, num_workers=0)
val_dataloader = dict(dataset=dict(_data{val}), batch_size=2, num_workers=0, sampler=dict(type=DefaultSampler))
val_evaluator = dict(type=CocoMetric)
"""


def sizes(config) -> list:
    return [config[loader].dataset.input_size for loader in LOADERS]


def own_config(tmp_path, *, size="", train="", val="", more=""):
    path = tmp_path / "own.py"
    path.write_text(OWN.format(size=size, train=train, val=val) + more)
    return path


def test_the_data_follow_the_model_input_size():
    assert sizes(load_config(DETECTOR)) == [(320, 320)] * 3  # the model's default
    assert sizes(load_config(SCENES)) == [(256, 448)] * 3
    assert sizes(load_config(SCENES, ["model.input_size=(224, 96)"])) == [(224, 96)] * 3


def test_a_config_states_its_size_once():
    for path in (ROOT / "configs").rglob("*.py"):
        assert path.read_text().count("input_size=") <= 1, path
        assert "test_dataloader = val_dataloader" not in path.read_text()


@pytest.mark.parametrize(
    ("stated", "overrides", "expected"),
    [
        (dict(train=", input_size=(320, 320)"), [], (320, 320)),
        (dict(size=", input_size=(96, 64)", val=", input_size=[96, 64]"), [], (96, 64)),
        (dict(size=", input_size=(96, 64)", train=", input_size=(96, 64)"), ["model.input_size=(32, 32)"], (32, 32)),
        (dict(train=", input_size=(96, 64)"), ["model.input_size=(96, 64)"], (96, 64)),
    ],
)
def test_the_same_size_twice_is_fine(tmp_path, stated, overrides, expected):
    assert sizes(load_config(own_config(tmp_path, **stated), overrides)) == [expected] * 3


@pytest.mark.parametrize(
    ("stated", "overrides", "place"),
    [
        (dict(train=", input_size=(96, 64)"), [], "train_dataloader"),
        (dict(size=", input_size=(64, 96)", val=", input_size=(96, 64)"), [], "val_dataloader"),
        ({}, ["test_dataloader.dataset.input_size=(96, 64)"], "test_dataloader"),
        ({}, ["val_dataloader.dataset.input_size=320"], "val_dataloader"),
    ],
)
def test_two_sizes_are_one_line_with_both_keys(tmp_path, stated, overrides, place):
    with pytest.raises(UserError, match=rf"{place}.dataset.input_size is .* and model.input_size is \(\d+, \d+\)"):
        load_config(own_config(tmp_path, **stated), overrides)


@pytest.mark.parametrize("size", ["320", "(320,)", "(0, 320)", "(320.5, 320)", "big", "(320, True)", "None"])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(UserError, match="model.input_size is .*must be .height, width."):
        load_config(DETECTOR, [f"model.input_size={size}"])


def test_a_data_set_in_a_wrapper_follows_too(tmp_path):
    more = "from torch.utils.data import ConcatDataset\n"
    more += "train_dataloader.update(dataset=dict(type=ConcatDataset, datasets=[dict(_data), dict(_data)]))\n"
    config = load_config(own_config(tmp_path, size=", input_size=(96, 64)", more=more))
    assert [part.input_size for part in config.train_dataloader.dataset.datasets] == [(96, 64)] * 2


@pytest.mark.parametrize("path", [DETECTOR, SCENES, TEST_SPLIT, CONFIG], ids=lambda path: path.stem[:40])
def test_the_test_data_are_the_val_ones(path):
    config = load_config(path, ["val_dataloader.num_workers=3", "val_dataloader.batch_size=7"])
    assert (config.test_dataloader.num_workers, config.test_dataloader.batch_size) == (3, 7)
    differing = {"split"} if path == TEST_SPLIT else set()
    for key, value in config.val_dataloader.dataset.items():
        assert (config.test_dataloader.dataset[key] == value) == (key not in differing)
    assert config.test_evaluator == config.val_evaluator
    assert "test_cfg" in config


def test_a_test_set_of_its_own_can_be_named():
    config = load_config(TEST_SPLIT, ["test_dataloader.dataset.split=train", "val_dataloader.dataset.data_root=there"])
    assert (config.test_dataloader.dataset.split, config.val_dataloader.dataset.split) == ("train", "val")
    assert config.test_dataloader.dataset.data_root == "there"
    config = load_config(DETECTOR, ["test_evaluator.out_dir=here", "test_dataloader.batch_size=2"])
    assert (config.test_evaluator.out_dir, config.val_evaluator.get("out_dir")) == ("here", None)
    assert (config.test_dataloader.batch_size, config.val_dataloader.batch_size) == (2, 16)


ALIAS = "test_dataloader = val_dataloader\ntest_evaluator = val_evaluator\n"
WHOLE = "test_dataloader = dict(val_dataloader, dataset=dict(val_dataloader['dataset'], ann_file='t.json'))\n"


def test_a_custom_config_keeps_working(tmp_path):
    change = ["val_dataloader.batch_size=5"]
    assert load_config(own_config(tmp_path, more=ALIAS), change).test_dataloader.batch_size == 5
    whole = load_config(own_config(tmp_path, more=WHOLE), change).test_dataloader
    assert (whole.batch_size, whole.dataset.ann_file) == (2, "t.json")
    part = load_config(own_config(tmp_path, more="test_dataloader = dict(dataset=dict(ann_file='t.json'))\n"), change)
    assert (part.test_dataloader.batch_size, part.test_dataloader.dataset.ann_file) == (5, "t.json")
    none = load_config(own_config(tmp_path, more="test_dataloader = None\n"))
    assert none.test_dataloader is None and "test_evaluator" not in none


def test_a_leaf_that_updates_both_loaders_keeps_working(tmp_path):
    leaf = tmp_path / "leaf.py"
    changes = "test_dataloader.dataset.update(_coco128)\ntest_dataloader.update(num_workers=2)\n"
    leaf.write_text((ROOT / "configs/detection/ssdlite_v3_small_coco128.py").read_text() + changes)
    config = load_config(leaf)
    assert config.test_dataloader.dataset == config.val_dataloader.dataset
    assert (config.val_dataloader.get("num_workers"), config.test_dataloader.num_workers) == (None, 2)


def test_without_validation_there_is_still_a_test():
    off = [f"val_{part}=None" for part in ("dataloader", "evaluator", "cfg")]
    config = load_config(CONFIG, off)
    assert config.val_dataloader is None and config.test_dataloader.dataset.size == 13


def test_a_dumped_config_follows_as_the_file_does(tmp_path):
    load_config(SCENES, ["val_dataloader.num_workers=2"]).dump(tmp_path / "dumped.py")
    config = load_config(tmp_path / "dumped.py", ["model.input_size=(64, 32)", "val_dataloader.batch_size=3"])
    assert sizes(config) == [(64, 32)] * 3
    assert (config.test_dataloader.num_workers, config.test_dataloader.batch_size) == (2, 3)


@pytest.mark.parametrize(
    ("overrides", "best"),
    [
        ([], "coco/AP"),
        (["default_hooks.checkpoint.save_best=coco/AP50"], "coco/AP50"),
        (["default_hooks.checkpoint.save_best=None"], None),
        (["val_evaluator.type=densevision.segmentation.metric.IoUMetric"], "seg/mIoU"),
        (["val_evaluator.type=IoUMetric"], "seg/mIoU"),
        (["val_evaluator.type=tests.training.toy_parts.Accuracy"], "nothing"),
    ],
)
def test_the_best_checkpoint_is_the_metrics_choice(overrides, best):
    config = load_config(DETECTOR, overrides)
    assert config.default_hooks.checkpoint.get("save_best", "nothing") == best


@pytest.mark.parametrize("off", ["default_hooks=None", "default_hooks.checkpoint=None", "val_evaluator=None"])
def test_without_hook_or_metric_nothing_is_chosen(off):
    hooks = load_config(DETECTOR, [off]).default_hooks or {}
    assert "save_best" not in (hooks.get("checkpoint") or {})


def test_completing_a_config_imports_nothing():
    """A config that a checkpoint carries goes through it; only a config file and an option may name any module."""
    content = ConfigDict(model=dict(type="fractions.Fraction"))
    assert complete_config(content, [], "stored").model.type == "fractions.Fraction"
