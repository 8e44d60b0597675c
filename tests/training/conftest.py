from pathlib import Path

import pytest
import torch

from tests.training.toy_runs import train


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """Work dir of the toy config, trained without interruption: 40 iterations, evaluated every 10."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("finished")
    train(folder)
    return folder
