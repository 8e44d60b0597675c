from pathlib import Path

import numpy as np
import pytest

from densevision.config.load import as_overrides, load_config, parse_value
from densevision.detection.model import SSDLite
from densevision.errors import UserError
from tests.training.toy_runs import CONFIG, make_runner


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 0.001),
        ("true", True),
        ("None", None),
        ("coco/AP", "coco/AP"),
        ("a folder/with blanks", "a folder/with blanks"),
        ("'3'", "3"),
        ("(1,2)", (1, 2)),
        ("[1, 2.5]", [1, 2.5]),
        ("dict(type='SGD', lr=0.1, betas=(0.9, 0.99))", dict(type="SGD", lr=0.1, betas=(0.9, 0.99))),
        ("[dict(a=1), dict(b=[2])]", [dict(a=1), dict(b=[2])]),
        ("{'a': 1}", dict(a=1)),
        ("dict(a={'b.': dict(c=-1)})", dict(a={"b.": dict(c=-1)})),
        ("-5", -5),
        ("2024-01-01_run", "2024-01-01_run"),
    ],
)
def test_override_values(text, value):
    parsed = parse_value("key", text)
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize("text", ["[a, b]", "(1,", "dict(x=)", "{1"])
def test_a_broken_list_or_dict_is_refused(text):
    with pytest.raises(UserError, match=r"--cfg-options key: can't read"):
        parse_value("key", text)


def test_an_option_begins_a_dict_of_arguments_that_the_config_does_not_set():
    options = ["model.postprocess.iou_threshold=0.5", "model.postprocess.candidates=200"]
    content = load_config("ssdlite_v3_small_reduced_bccd", options)
    assert content.model.postprocess == dict(iou_threshold=0.5, candidates=200)
    with pytest.raises(UserError, match="model.postprocess: there is no argument 'iou'; did you mean iou_threshold"):
        load_config("ssdlite_v3_small_reduced_bccd", ["model.postprocess.iou=0.5"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train_cfg.max_iter=3", "nothing reads 'max_iter' there; did you mean max_iters"),
        ("modle.num_classes=3", "no modle to set something in; did you mean model"),
        ("model.num_clases=3", "nothing reads 'num_clases' there; did you mean num_classes"),
        ("seeds=3", "nothing reads 'seeds' there"),
        ("train_dataloader.batchsize=3", "nothing reads 'batchsize' there; did you mean batch_size"),
        ("train_dataloader.dataset.sizes=3", "did you mean size"),
        (
            "optim_wrapper.optimzer.lr=1",
            "no optim_wrapper.optimzer to set something in; did you mean optimizer",
        ),
        ("optim_wrapper.optimizer.learning=1", "nothing reads 'learning' there"),
        ("default_hooks.checkpoints.keep=1", "did you mean checkpoint"),
        ("default_hooks.progress.intervall=1", "did you mean interval"),
        ("param_scheduler.7.begin=1", "'7' should be a position in a list, 0 to 1"),
        ("model.num_classes", "write key.sub=value"),
    ],
)
def test_an_override_that_nothing_would_read_is_refused(override, message):
    with pytest.raises(UserError, match=message):
        load_config(CONFIG, [override])


def test_overrides_change_what_they_name():
    config = load_config(
        CONFIG,
        [
            "train_cfg.max_iters=7",
            "param_scheduler.0.end=3",
            "optim_wrapper.accumulative_counts=2",  # not in the file, but an argument of its class
            "optim_wrapper.clip_grad=None",
            "train_dataloader.dataset=dict(type='X', size=1)",
        ],
    )
    assert config.train_cfg.max_iters == 7
    assert config.param_scheduler[0]["end"] == 3
    assert config.optim_wrapper.accumulative_counts == 2
    assert config.optim_wrapper.clip_grad is None
    assert config.train_dataloader.dataset == dict(type="X", size=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = dict(", "line 1: '\\(' was never closed"),
        ("import no_such_package_here", "no_such_package_here"),
        ("a = 1 / 0", "ZeroDivisionError"),
        ("trian_cfg = dict(max_iters=3)", "unknown key 'trian_cfg'; did you mean train_cfg"),
        (
            "from densevision.training.loop import TrainLoop\ntrain_cfg = dict(type=TrainLoop, max_iter=3)",
            "config, train_cfg: TrainLoop has no argument 'max_iter'; did you mean max_iters",
        ),
        (
            "train_dataloader = dict(batchsize=3)",
            "config, train_dataloader: the loader has no argument 'batchsize'",
        ),
    ],
)
def test_a_faulty_config_is_one_line(tmp_path, text, message):
    path = tmp_path / "faulty.py"
    path.write_text("from mmengine.config import read_base\n" * text.startswith("from") + text)
    with pytest.raises(UserError, match=message) as raised:
        load_config(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match="no config file nowhere.py"):
        load_config("nowhere.py")


def test_private_names_and_imports_do_not_reach_the_runner():
    config = load_config(CONFIG)
    assert "SGD" not in config and not [name for name in config if name.startswith("_")]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.type=NoSuchModel", "config, model.type: 'NoSuchModel' is not a registered model"),
        (
            "param_scheduler.0.start_factor=7",
            "config, LinearLR: .*start.* should between 0 and 1|start_factor|Start",
        ),
        (
            "train_dataloader.dataset=dict(type='tests.training.toy_parts.Halves', sizes=1)",
            "config, train_dataloader.dataset: Halves has no argument 'sizes'; did you mean size",
        ),
        ("train_dataloader.dataset.size=0", "config, SeededSampler: the training data set contains no image"),
    ],
)
def test_what_only_building_finds_is_one_line_too(tmp_path, override, message):
    with pytest.raises(UserError, match=message) as raised:
        make_runner(tmp_path, override).train()
    assert "\n" not in str(raised.value)


def test_a_schedule_lasts_as_long_as_the_training(tmp_path):
    runner = make_runner(tmp_path, "train_cfg.max_iters=11")
    assert [schedule["end"] for schedule in runner.param_schedulers] == [5, 11]
    runner = make_runner(tmp_path, "train_cfg.max_iters=4")  # over before the second one begins at 5
    assert [schedule["end"] for schedule in runner.param_schedulers] == [5]


def test_classes_are_counted_from_the_data(tmp_path):
    assert make_runner(tmp_path).model.classify.out_features == 2
    assert make_runner(tmp_path, "model.num_classes=5").model.classify.out_features == 5


def test_the_dumped_config_is_a_config(finished):
    config = load_config(finished / "toy_config.py")
    assert config.model.num_classes == 2
    assert config.train_cfg.max_iters == 40


def test_a_run_may_replace_the_dump_of_an_earlier_one(finished):
    from densevision.training.workdir import check_work_dir

    check_work_dir(finished, finished / "toy_config.py")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Path("cells"), "'cells'"),
        (np.int64(3), "3"),
        (np.array([64, 96]), "[64, 96]"),
        ([np.float64(0.5), dict(a=None)], "[0.5, {'a': None}]"),
        (SSDLite, "'densevision.detection.model.SSDLite'"),
        ("true", "'true'"),
        ("it's", '"it\'s"'),
    ],
)
def test_overrides_of_a_dict_keep_their_values(value, text):
    assert as_overrides({"key": value}) == [f"key={text}"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), len, object()])
def test_an_override_that_is_no_plain_value_is_refused(value):
    with pytest.raises(UserError, match="overrides, key is .*; give text, numbers, lists, dicts, classes or None"):
        as_overrides({"key": value})


@pytest.mark.parametrize("given", [3, None, [3], [None], [b"a=1"]])
def test_overrides_of_another_type_are_refused(given):
    with pytest.raises(UserError, match='overrides is .*; give a dict by dotted key, or a list of "key=value" texts'):
        as_overrides(given)


def test_a_model_that_is_no_dict_is_refused(tmp_path):
    (tmp_path / "config.py").write_text("model = 3")
    with pytest.raises(UserError, match="config, model is 3; it must be a dict"):
        load_config(tmp_path / "config.py")
