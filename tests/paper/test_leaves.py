"""Each row of Tables 6, 7 and 8 has one config, with the printed values in its header and the network in its model."""

import ast
import re
from pathlib import Path

import pytest

from densevision.config.load import load_config
from densevision.paper.tables import HALF, TABLE_6, TABLE_7, TABLE_8
from densevision.segmentation.comparison import NETWORKS

CONFIGS = Path(__file__).parents[2] / "configs"
HEADERS = {path: ast.get_docstring(ast.parse(path.read_text())) for path in CONFIGS.glob("[ds]*/*.py")}
ROWS = [*TABLE_6, *TABLE_7, *(row for row in TABLE_8 if row.size != HALF)]


def leaf(row):
    """Return the path of the only config whose ``paper`` is the row."""
    field = f"\npaper = dict(table={row.table}, row={row.row})\n"
    (path,) = (path for path in HEADERS if field in path.read_text())
    return path


def rows(table):
    return pytest.mark.parametrize("row", table, ids=lambda row: f"{row.table}-{row.row}")


def published(row):
    """Return the printed values in the header of the config."""
    pattern = r"Published: ([\d.]+) (\w+)[^,]*, (?:([\d.]+) M parameters, )?([\d.]+) B MAdds(?:, ([\d.]+) (m?s) on)?"
    found = re.search(pattern, HEADERS[leaf(row)].replace("\n", " "))
    accuracy, measure, params, madds, latency, unit = found.groups()
    return (
        float(accuracy),
        measure,
        float(params) if params else None,
        round(1000 * float(madds)),
        round(float(latency) * (1 if unit == "ms" else 1000)) if latency else None,
    )


@rows(ROWS)
def test_header_has_the_row_and_the_command(row):
    measure = "mAP" if row.table == 6 else "mIOU"
    assert published(row) == (row.accuracy, measure, row.params, row.madds, row.latency_ms)
    path = leaf(row)
    assert f"(Table {row.table}, row {row.row})" in HEADERS[path]
    assert re.search(rf"DENSEVISION_DATA=\S+ (tools/dist_train.sh|densevision train) {path.stem}\b", HEADERS[path])


def test_no_other_config_has_a_row():
    assert sum("\npaper = " in path.read_text() for path in HEADERS) == len(ROWS)


@rows(ROWS)
def test_model_is_the_network_of_the_row(row):
    model = load_config(leaf(row)).model
    head = {"filters": model.head.filters} if "filters" in row.network else {}
    wanted = {key: value for key, value in row.network.items() if value not in (None, 1.0)}
    assert {**model.backbone, **head} == wanted
    if row.kind == "comparison":
        assert model.head.type is NETWORKS[row.family][1]
    elif row.kind != "ssdlite":
        assert model.head.type.__name__.lower() == row.kind + "head"


@rows(TABLE_6)
def test_detection_recipe_of_the_authors(row):
    config = load_config(leaf(row))
    assert config.train_dataloader.batch_size * 8 == 512
    assert config.train_cfg.max_iters == (800_000 if row.family.endswith("small") else 400_000)
    optimizer, (warm_up, cosine) = config.optim_wrapper.optimizer, config.param_scheduler
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (0.4, 0.9, 4e-5)
    assert warm_up.start_factor * 0.4 == pytest.approx(0.13333, abs=1e-5) and warm_up.end == cosine.begin == 2000
    transforms = [transform.type.__name__ for transform in config.train_dataloader.dataset.transforms]
    assert transforms == ["SSDCrop", "HorizontalFlip"]


@rows([*TABLE_7, *TABLE_8[:8:2], *TABLE_8[8:]])
def test_segmentation_recipe_of_the_authors(row):
    config = load_config(leaf(row))
    transforms = {transform.type.__name__: transform for transform in config.train_dataloader.dataset.transforms}
    assert (transforms["RandomCrop"].height, transforms["RandomCrop"].width) == (769, 769)
    assert list(transforms) == ["RandomScale", "PadIfNeeded", "RandomCrop", "HorizontalFlip"]
    assert transforms["RandomScale"].scale_limit == (-0.5, 1.0)  # 0.5 to 2
    assert config.optim_wrapper.optimizer.weight_decay == 4e-5 and config.model.bn_momentum == pytest.approx(0.0003)
    assert config.param_scheduler[-1].type.__name__ == "PolyLR" and config.param_scheduler[-1].power == 0.9
    assert config.test_dataloader.dataset.split == ("test" if row.table == 8 else "val")


def test_torchvision_recipe():
    (leaf,) = (path for path in HEADERS if path.name.endswith("coco_torchvision.py"))
    config = load_config(leaf)
    # 660 epochs of 117,266 images with objects, 8 * 24 per step: 403,102
    assert config.train_dataloader.batch_size == 24 and config.train_cfg.max_iters == round(660 * 117_266 / 192, -3)
    assert (config.optim_wrapper.optimizer.lr, config.optim_wrapper.optimizer.weight_decay) == (0.15, 4e-5)
    assert config.model.anchors == {"lowest": None} and config.model.loss.type.__name__ == "SoftmaxLoss"
    rules = dict(score_threshold=0.001, iou_threshold=0.55, max_detections=300, candidates=300)
    assert dict(config.model.postprocess) == rules


def test_mmsegmentation_recipe():
    (leaf,) = (path for path in HEADERS if "mmseg" in path.name)
    config = load_config(leaf)
    optimizer, (poly,) = config.optim_wrapper.optimizer, config.param_scheduler
    assert config.train_dataloader.batch_size * 4 == 16 and config.train_cfg.max_iters == 320_000
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay, poly.power) == (0.01, 0.9, 1e-4, 0.9)
