"""A search on a tiny network: it meets the target, and continues after an interruption as if there had been none."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from densevision.adapt.history import History, Row, open_history
from densevision.adapt.latency import LatencyTable
from densevision.adapt.plan import Plan, parse_target
from densevision.adapt.result import write_result
from densevision.adapt.search import Search
from densevision.adapt.seed import read_seed
from densevision.adapt.timers import LocalTimer
from densevision.adapt.work import Worker
from densevision.checkpoints.config import checkpoint_config, describe_config
from densevision.config.load import load_config
from densevision.errors import UserError
from densevision.export.exporter import ExportOptions
from densevision.inference.load import build_model, load_model

torch = pytest.importorskip("torch")

CONFIG = """
from mmengine.dataset import DefaultSampler
from torch.optim import SGD
from densevision.data.sampler import SeededSampler
from densevision.detection.coco import CocoDataset
from densevision.detection.metric import CocoMetric
from densevision.detection.model import SSDLite
from densevision.training.loop import TrainLoop
from densevision.training.optim import DecayWeightsOnly, GuardedOptimWrapper

_blocks = [
    dict(kernel=3, expand=32, out=16, se=False, act="relu", stride=2),
    dict(kernel=3, expand=48, out=24, se=True, act="hswish", stride=2),
    dict(kernel=3, expand=64, out=24, se=False, act="hswish", stride=2),
]
_table = dict(stem=16, stem_act="relu", blocks=_blocks, last=48, c3=1, c4=2, source="a test")
model = dict(
    type=SSDLite,
    backbone=dict(name="tiny", table=_table),
    extra=dict(depths=[(16, 16)] * 4),
    num_classes=2,
    input_size=(64, 64),
)
_data = dict(type=CocoDataset, data_root=ROOT, ann_file="all.json", image_dir="images", input_size=(64, 64))
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type=SeededSampler), dataset=_data)
val_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=False), dataset=_data)
val_evaluator = dict(type=CocoMetric)
train_cfg = dict(type=TrainLoop, max_iters=2, val_interval=2)
optim_wrapper = dict(
    type=GuardedOptimWrapper, constructor=DecayWeightsOnly, optimizer=dict(type=SGD, lr=0.01, momentum=0.9)
)
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A folder with data, a config and a checkpoint of a tiny network."""
    folder = tmp_path_factory.mktemp("adapt")
    write_data(folder, 12)
    (folder / "tiny.py").write_text(CONFIG.replace("ROOT", repr(str(folder))))
    config = load_config(folder / "tiny.py")
    torch.manual_seed(0)
    meta = dict(dataset_meta=dict(classes=("a", "b")), **describe_config(config))
    torch.save(dict(state_dict=build_model(config, 2).state_dict(), meta=meta), folder / "tiny.pth")
    return folder


def write_data(folder, count):
    random = np.random.default_rng(0)
    (folder / "images").mkdir()
    images, boxes = [], []
    for number in range(1, count + 1):
        pixels = random.integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        images.append(dict(id=number, file_name=f"{number}.png", width=64, height=64))
        place = [int(value) for value in random.integers(2, 30, 4)]
        boxes.append(dict(id=number, image_id=number, category_id=1 + number % 2, bbox=place, area=1, iscrowd=0))
    classes = [dict(id=1, name="a"), dict(id=2, name="b")]
    (folder / "all.json").write_text(json.dumps(dict(images=images, annotations=boxes, categories=classes)))


def search(start, folder, table, *, target="0.8x", resume=False, **plan):
    checkpoint = start / "tiny.pth"
    seed = read_seed(checkpoint_config(checkpoint), checkpoint, ExportOptions())
    options = dict(step=0.05, short_iters=1, finalists=2) | plan
    plan = Plan(parse_target(target), **options)
    return Search(Worker(seed, plan.short_iters, folder), plan, table, resume=resume)


class Device(LatencyTable):
    """A device that takes the same time for every multiply-add: 1 ms for the seed's file, of which 0.1 ms is constant.

    The file of step n takes 0.94 ** n ms, whatever is in it.
    """

    def __init__(self, path):
        super().__init__(LocalTimer(), path=path)

    def add(self, layers):
        missing = {layer for layer in layers if layer.key not in self.times}
        self.times |= {layer.key: 0.9 * _multiply_adds(layer) / SEED for layer in missing}
        return len(missing)

    def file(self, path):
        return 1.0

    def ratio(self, path, base):
        return 0.94 ** int(path.stem.removeprefix("step_"))


SEED = 1_851_992  # multiply-adds of the tiny network as counted here


def _multiply_adds(layer):
    places = layer.height * layer.width
    if layer.kind == "conv":
        return places * layer.channels * layer.out * layer.kernel**2 // layer.stride**2
    return places * layer.channels * layer.kernel**2 // layer.stride**2


@pytest.fixture
def prepared(tmp_path):
    """A work directory in which the seed's file and those of the steps are; no network is converted in these tests."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("seed", *(f"step_{number:02d}" for number in range(1, 9))):
        (folder / f"{name}.tflite").write_bytes(b"never read")
    return folder, tmp_path / "table.json"


def test_a_search_meets_its_target_and_its_result_is_ordinary(start, prepared):
    folder, path = prepared
    seen = []
    job = search(start, folder, Device(path), target="0.9x")
    last = job.run(seen.append)
    assert [row.step for row in seen] == list(range(len(seen)))
    assert last.measured_ms <= 0.9
    result = write_result(job, last)
    config = load_config(result.config)
    model, info = load_model(config, result.checkpoint)
    assert info["classes"] == ("a", "b")
    assert checkpoint_config(result.checkpoint).model.backbone.table == config.model.backbone.table
    weights = job.model(last).state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    header, *lines = (folder / "history.csv").read_text().splitlines()
    assert header.startswith("step,name,latency_ms,screen,score,chosen,measured_ms,stem,")
    assert len(lines) == len(job.history.rows)
    assert (folder / "history.png").read_bytes()[:4] == b"\x89PNG"


class Killed(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 5, 7, 8])
def test_an_interrupted_search_continues_to_the_same_history(start, prepared, tmp_path, monkeypatch, after):
    folder, path = prepared  # 5: in the screening of step 1; 7: between two trainings
    interrupted = tmp_path / "interrupted"
    shutil.copytree(folder, interrupted)
    whole = search(start, folder, Device(path), target="0.95x")
    whole.run(lambda row: None)
    job = search(start, interrupted, Device(path), target="0.95x")
    score, calls = job.worker.short.score, []

    def fail(model):
        calls.append(model)
        if len(calls) > after:
            raise Killed
        return score(model)

    monkeypatch.setattr(job.worker.short, "score", fail)
    with pytest.raises(Killed):
        job.run(lambda row: None)
    resumed = search(start, interrupted, Device(path), target="0.95x", resume=True)
    last = resumed.run(lambda row: None)
    assert resumed.history.rows == whole.history.rows
    weights, expected = (each.model(last).state_dict() for each in (resumed, whole))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert (interrupted / "history.csv").read_bytes() == (folder / "history.csv").read_bytes()


@pytest.mark.slow
def test_the_reward_chooses_too(start, prepared):
    folder, path = prepared
    assert search(start, folder, Device(path), reward="product", target="0.9x").run(lambda row: None).step >= 1


@pytest.mark.parametrize(("target", "message"), [("1x", "takes 1.00 ms already"), ("2ms", "takes 1.00 ms already")])
def test_a_target_above_the_seed_is_refused(start, prepared, target, message):
    folder, path = prepared
    with pytest.raises(UserError, match=message):
        search(start, folder, Device(path), target=target).run(lambda row: None)


def test_a_target_that_no_network_meets_is_refused_before_the_search(start, prepared):
    folder, path = prepared
    with pytest.raises(UserError, match=r"every layer at its minimum the file still takes 0\.\d\d ms"):
        search(start, folder, Device(path), target="0.01x").run(lambda row: None)
    search(start, folder, Device(path), target="0.9x")  # nothing is in the way of another target


def test_a_search_that_gets_no_further_says_how_far_it_got(start, prepared):
    folder, path = prepared
    said = r"no proposal saves 0\.650 ms any more; the smallest latency reached is 1\.00 ms \(1\.00x\), in"
    with pytest.raises(UserError, match=said):  # the least network takes 0.29 ms, half of all channels 0.43 ms
        search(start, folder, Device(path), target="0.35x", step=0.65).run(lambda row: None)


@pytest.mark.parametrize("text", ["fast", "0x", "1.2x", "-1ms", "nanms", "infx", "8", ""])
def test_a_target_needs_a_number_and_a_unit(text):
    with pytest.raises(UserError, match="0.7x"):
        parse_target(text)


def test_a_history_is_not_overwritten_nor_continued_with_other_options(tmp_path):
    facts = dict(target="0.7x")
    with pytest.raises(UserError, match="there is no search"):
        open_history(tmp_path, facts, resume=True)
    history = History(tmp_path, facts, [Row(0, "seed", dict(stem=16), 4.0, chosen=True)])
    history.save()
    with pytest.raises(UserError, match="has a search already"):
        open_history(tmp_path, facts, resume=False)
    with pytest.raises(UserError, match="has target 0.7x, not 0.8x"):
        open_history(tmp_path, dict(target="0.8x"), resume=True)
    assert open_history(tmp_path, facts, resume=True) == history
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        open_history(tmp_path, facts, resume=True)


def test_too_few_training_images_and_none_are_refused(start, tmp_path):
    checkpoint = start / "tiny.pth"
    (tmp_path / "few").mkdir()
    write_data(tmp_path / "few", 9)
    few = checkpoint_config(checkpoint, None, [f"train_dataloader.dataset.data_root={tmp_path / 'few'}"])
    seed = read_seed(few, checkpoint, ExportOptions())
    with pytest.raises(UserError, match="10 training images, and there are 9"):
        Worker(seed, 20, tmp_path / "run")
    none = checkpoint_config(checkpoint)
    none.pop("train_dataloader")
    seed = read_seed(none, checkpoint, ExportOptions())
    with pytest.raises(UserError, match="no train_dataloader"):
        Worker(seed, 20, tmp_path / "run")
    assert not (tmp_path / "run").exists()
