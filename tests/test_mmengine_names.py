"""The private names of mmengine that the package relies on: what, where and why, each with a check.

A new version of mmengine that changes one of them fails here, by name, and not in a training.
"""

import ast
import re
from pathlib import Path

import mmengine
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import LinearLR, OptimWrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn

from densevision.registry import HOOKS
from tests.training.toy_runs import make_runner

PACKAGE = Path(__file__).parents[1] / "densevision"
# name -> (modules that use it, why)
NAMES = {
    "_cfg_dict": (
        {"config.dump", "config.load", "report.content"},
        "the config as a dict whose lazy types are resolved on access",
    ),
    "_to_lazy_dict": ({"config.dump"}, "compare a config with its last dump without laying it out again"),
    "_load_from": ({"training.plan", "training.resume", "training.splits"}, "the checkpoint that a run starts from"),
    "_resume": (
        {f"training.{name}" for name in ("loop", "plan", "resume", "runner", "start")},
        "whether the run resumes",
    ),
    "_has_loaded": ({"training.resume"}, "load a checkpoint only once"),
    "_train_dataloader": ({"training.splits"}, "the loader, or its config before it is built"),
    "_train_loop": ({"training.plan", "training.runner"}, "the loop, or its config before it is built"),
    "_test_loop": ({"training.runner"}, "the loop, or its config before it is built"),
    "_log_scalars": (
        {"training.deferred", "training.time_limit"},
        "log values that are read later, and undo what the steps that are timed have logged",
    ),
    "_set_resumed_keys": ({"training.deferred"}, "keep a logged value in checkpoints, as update_scalar does"),
    "_log_history": ({"training.deferred"}, "overridden: values that are read when they are used"),
    "_count_history": ({"training.deferred"}, "overridden: as many as the values"),
    "_statistics_methods": ({"training.trial"}, "the methods that a log processor may name"),
    "_clip_grad": ({"training.optim"}, "overridden: clip without waiting for the device"),
    "_ema_started": ({"training.average"}, "whether the moving average takes this iteration"),
    "_instance_dict": (
        {"training.runner"},
        "a registry of all visualizers, from which that of an ended run is removed",
    ),
    "_timestamp": ({"training.runner"}, "name of the log folder, made unique"),
    "_log_env": ({"training.runner"}, "overridden: a short description of the environment"),
    "_inner_count": (
        {"training.time_limit"},
        "undo the steps that are timed",
    ),
    "_global_step": ({"training.changes"}, "advance schedules without the warning about the order of steps"),
    "_iter": ({"training.loop"}, "Runner.resume sets it on the loop"),
    "_epoch": ({"training.loop"}, "Runner.resume sets it on the loop"),
}
COMPOSED = ("_train_loop", "_val_loop", "_test_loop", "_train_dataloader", "_val_dataloader", "_test_dataloader")
OWN = {"_dataset", "_hook", "_imported", "_length", "_module", "_text"}  # also names of the package itself
SOURCES = (
    *("runner/runner.py", "runner/base_loop.py", "config/config.py", "config/lazy.py", "hooks/ema_hook.py"),
    *("optim/optimizer/optimizer_wrapper.py", "optim/optimizer/amp_optimizer_wrapper.py"),
    *("optim/scheduler/param_scheduler.py", "evaluator/metric.py", "evaluator/evaluator.py"),
    *("visualization/visualizer.py", "logging/message_hub.py", "logging/history_buffer.py"),
)


def private_names_of_mmengine() -> set[str]:
    folder = Path(mmengine.__file__).parent
    return {name for file in SOURCES for name in re.findall(r"(?:\.|def )(_[a-z]\w*)", (folder / file).read_text())}


def test_table_lists_every_private_name_in_use():
    known, found = private_names_of_mmengine(), {}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if "mmengine" in text else ():
            name = getattr(node, "attr", None) if isinstance(node, ast.Attribute) else getattr(node, "name", None)
            if name in known - OWN and not name.startswith("__"):
                module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
                found.setdefault(name, set()).add(module)
    assert found == {name: modules for name, (modules, _) in NAMES.items()}


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    return make_runner(tmp_path_factory.mktemp("run"), "train_cfg.max_iters=1")


def test_config():
    config = Config(dict(a=dict(type=nn.ReLU, b=1)))
    assert config._cfg_dict == {"a": {"type": nn.ReLU, "b": 1}}
    assert config._to_lazy_dict()["a"]["b"] == 1
    assert Config.pretty_text.fget(Config(dict(a=1))) == "a = 1\n"


def test_runner(runner):
    assert (runner._load_from, runner._resume, runner._has_loaded) == (None, False, False)
    assert "train/loss" in runner.message_hub._log_scalars or runner.message_hub._log_scalars == {}
    assert re.fullmatch(r"\d{8}_\d{6}(_\d+)?", runner._timestamp)
    assert (Path(runner.work_dir) / runner._timestamp).is_dir()
    assert type(runner.visualizer)._instance_dict[runner.visualizer.instance_name] is runner.visualizer
    for name in COMPOSED:
        assert isinstance(getattr(runner, name), dict | BaseLoop | torch.utils.data.DataLoader), name
    for name in ("_log_env", "setup_env", "dump_config", "call_hook", "build_evaluator", "build_logger"):
        assert callable(vars(Runner)[name]), name


def test_resume_sets_the_loop_counters(runner):
    text = (Path(mmengine.__file__).parent / "runner/runner.py").read_text()
    for name in ("_iter", "_epoch"):
        assert f"self.train_loop.{name} = checkpoint['meta']" in text
    runner.train_loop._iter = 7
    assert runner.iter == 7


def test_optimizer_wrapper_counts_batches_and_steps():
    model = nn.Linear(1, 1)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    before = wrapper._inner_count
    wrapper.update_params(model(torch.ones(1, 1)).sum())
    assert wrapper._inner_count == before + 1
    schedule = LinearLR(wrapper, start_factor=0.5, end=2)
    assert isinstance(schedule.optimizer._global_step, int)


def test_logged_values():
    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    assert (list(buffer._log_history), list(buffer._count_history)) == ([1.0, 2.0], [1, 1])
    assert {"mean", "current"} <= set(HistoryBuffer._statistics_methods)
    hub = MessageHub("names")
    hub._set_resumed_keys("loss", True)
    assert hub.state_dict()["resumed_keys"] == {"loss": True}


def test_overridden_methods_exist():
    assert callable(OptimWrapper._clip_grad) and callable(EMAHook._ema_started)


def test_default_hooks_are_those_that_mmengine_registers():
    from densevision.training.runner import _MMENGINE_HOOKS

    names = re.findall(r"(\w+)=dict\(type='\w+Hook'", (Path(mmengine.__file__).parent / "runner/runner.py").read_text())
    assert set(_MMENGINE_HOOKS) <= set(names)
    assert HOOKS.get("RuntimeInfoHook") is not None
