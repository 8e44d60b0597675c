"""Networks of Table 3 other than V3 train, and their run is read as a row of the paper."""

import pytest

from densevision.config.load import load_config
from densevision.paper.results import read_own
from densevision.training.runner import build_runner
from tests.classification.conftest import write_tree


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "row"), [("proxylessnas_mobile", 4), ("mnasnet_small", 8)])
def test_two_steps_train_a_network_of_table_3(tmp_path, backbone, row):
    root = write_tree(tmp_path / "pets", dict(train=dict(red=2, blue=2), val=dict(red=1, blue=1)))
    options = [f"{part}_dataloader.dataset.data_root='{root}'" for part in ("train", "val")]
    options += [
        "train_dataloader.batch_size=2",
        "train_cfg.max_iters=2",
        "train_cfg.val_interval=2",
        "param_scheduler=[]",
    ]
    options += [f"{part}_dataloader.num_workers=0" for part in ("train", "val")]
    config = load_config(
        "v3_small_bccd_cells", [*options, f"model.backbone.name={backbone}", "model.input_size=(224,224)"]
    )
    config.work_dir = str(tmp_path / "run")
    model = build_runner(config).train()
    assert all(parameter.grad is not None for parameter in model.parameters())
    (result,) = read_own([tmp_path / "run"])
    assert (result.table, result.row, result.data) == (3, row, "pets") and 0 <= result.accuracy <= 100
