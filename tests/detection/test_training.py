"""``densevision train`` on data sets with faults: a one-line error before the training, or a training."""

import json
import re

import pytest

from densevision.cli.main import main
from tests.detection.conftest import TABLE
from tests.detection.test_class_matching import reorder
from tests.detection.test_coco_json import update_all, write
from tests.detection.test_image_sizes import replace_image
from tests.training.toy_runs import ROOT

CONFIG = """
from mmengine.config import read_base
from torch.optim import SGD
from densevision.detection.model import SSDLite
with read_base():
    from {base}.coco import *
    from {base}.runtime import *
_data = dict(data_root={root!r}, ann_file="truth.json", image_dir="images", input_size=(64, 64), transforms=[])
train_dataloader.dataset.update(_data)
val_dataloader.dataset.update(_data, ann_file="val.json")
test_dataloader.dataset.update(_data, ann_file="val.json")
train_dataloader.update(batch_size=2, num_workers=0)
test_dataloader.update(num_workers=0)
val_dataloader.update(batch_size=2, num_workers=0)
model = dict(type=SSDLite, backbone=dict(name="mobilenet_v3_small", width=0.25), input_size=(64, 64), num_classes=None)
train_cfg.update(max_iters=2, val_interval=2)
optim_wrapper.update(optimizer=dict(type=SGD, lr=0.01))
default_hooks.checkpoint.update(save_best="coco/AP")
"""


@pytest.fixture
def folder(tmp_path_factory):
    """Return the folder of a training's config and of its work directory."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def train(coco_root, folder, capfd):
    """Train with a ``change`` of the train or the val json; return status, output and errors."""
    (coco_root / "val.json").write_text((coco_root / "truth.json").read_text())

    def run(split, change):
        if change and split == "val":
            plain = (coco_root / "truth.json").read_text()
            write(coco_root, change)
            (coco_root / "truth.json").rename(coco_root / "val.json")
            (coco_root / "truth.json").write_text(plain)
        elif change:
            write(coco_root, change)
        configs = folder / "configs"
        configs.mkdir()
        (configs / "_base_").symlink_to(ROOT / "configs" / "_base_")
        (configs / "detection").mkdir()
        config = configs / "detection" / "mine.py"
        config.write_text(CONFIG.format(base=".._base_", root=str(coco_root)))
        status = main(["train", str(config), "--work-dir", str(folder / "work")])
        out, errors = capfd.readouterr()
        return status, out, errors

    return run


@pytest.mark.parametrize(
    ("split", "change", "words"),
    [
        ("train", lambda t: update_all(t, iscrowd=1), "all annotations are crowds"),
        ("train", lambda t: t.pop("annotations"), "it has no list 'annotations'"),
        ("train", lambda t: t.update(annotations=[], categories=[]), "has no categories|it has no boxes|no class"),
        ("train", lambda t: update_all(t, category_id=9), r"no category has the category_id 9 \(5 boxes\)"),
        ("val", lambda t: update_all(t, category_id=9), r"no category has the category_id 9 \(5 boxes\)"),
        ("val", lambda t: [c.update(name="fox") for c in t["categories"] if c["id"] == 30], "has no class 'fox'"),
        ("val", lambda t: [i.update(width=77) for i in t["images"]], "3 of 3 images do not have the size"),
        ("train", lambda t: [i.update(width=77) for i in t["images"]], "3 of 3 images do not have the size"),
    ],
)
def test_fault_is_a_one_line_error_before_the_training(train, split, change, words):
    status, _, errors = train(split, change)
    assert status == 2 and errors.startswith("densevision: error: ") and errors.count("\n") == 1
    assert re.search(words, errors), errors


def test_val_set_with_harmless_faults_is_evaluated(train):
    def change(table):
        table["categories"] = [dict(id="1", name="cat"), dict(id="0", name="root")]
        table["annotations"] = [a | dict(category_id=1, area=None, iscrowd=None) for a in table["annotations"][1:3]]
        table["annotations"].append(dict(id=77, image_id="7", category_id=None, bbox=[]))

    status, out, errors = train("val", change)
    assert status == 0 and errors == "" and "coco/AP 0." in out
    assert "val: 3 images, 2 boxes: cat 2\n" in out and "without boxes: dog" in out and "1 without a box" in out


def test_val_set_without_annotations(train):
    status, out, errors = train("val", lambda t: (t.pop("annotations"), t.pop("categories")))
    assert status == 0 and errors == "" and "no AP can be computed: it has no list 'annotations'" in out


def test_val_set_with_classes_in_another_order(train, coco_root):
    reorder(coco_root)
    (coco_root / "truth.json").rename(coco_root / "val.json")
    (coco_root / "truth.json").write_text(json.dumps(TABLE))
    status, out, errors = train("val", None)
    assert status == 0 and errors == "" and out.count("cat 2, dog 1") == 2


def test_checkpoint_is_evaluated_with_its_own_classes(train, coco_root, folder, capfd):
    assert train("train", None)[0] == 0
    work = folder / "work"
    config = folder / "configs" / "detection" / "mine.py"

    def change(table):  # the json lists cat alone, with another id
        table["categories"] = [dict(id=7, name="cat")]
        table["annotations"] = [a | dict(category_id=7) for a in table["annotations"] if a["category_id"] == 2]

    write(coco_root, change).rename(coco_root / "val.json")
    assert (
        main(
            [
                "test",
                str(config),
                str(work / "iter_2.pth"),
                "--json",
                str(work / "ap.json"),
                "--work-dir",
                str(work / "test"),
            ]
        )
        == 0
    )
    out, errors = capfd.readouterr()
    assert errors == "" and "test: 3 images, 2 boxes: cat 2" in out
    metrics = json.loads((work / "ap.json").read_text())
    assert metrics["coco/AP/dog"] == -1 and metrics["coco/AP/cat"] >= 0


def test_photo_with_exif_rotation_stops_with_the_remedy(train, coco_root):
    replace_image(coco_root, (40, 80), (40, 80), 6)
    status, _, errors = train("train", None)
    assert status == 2 and "set exif='ignore' in the data set" in errors and errors.count("\n") == 1


def test_training_images_in_the_val_set_are_reported(train, coco_root):
    def change(table):
        for row in table["images"][1:]:
            copy = coco_root / "images" / f"copy of {row['file_name']}"
            copy.write_bytes((coco_root / "images" / row["file_name"]).read_bytes())
            row["file_name"] = copy.name

    _, out, _ = train("val", change)
    assert "  1 of 3 images are also training images: the metric does not measure generalization\n" in out
