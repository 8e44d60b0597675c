"""Networks of Table 3 other than V3 train."""

import pytest

from densevision.config.load import load_config
from densevision.training.runner import build_runner
from tests.classification.conftest import write_tree


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["proxylessnas_mobile", "mnasnet_small"])
def test_two_steps_train_a_network_of_table_3(tmp_path, backbone):
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
    runner = build_runner(config)
    model = runner.train()
    trained = runner.optim_wrapper.optimizer.state
    assert len(trained) == len(list(model.parameters()))  # each had a gradient
    assert all(parameter.isfinite().all() for parameter in model.parameters())
