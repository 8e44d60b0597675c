"""Weight files in the form of other libraries, with random weights."""

import pytest
import torch

from tests.detection.conftest import coco_root  # noqa: F401
from tests.weights.peers import classifier


@pytest.fixture(scope="session")
def timm_file(tmp_path_factory):
    """Write a file of timm's mobilenetv3_small_100."""
    pytest.importorskip("timm")
    path = tmp_path_factory.mktemp("timm") / "mobilenetv3_small_100.pth"
    torch.save(classifier("timm:mobilenetv3_small_100").state_dict(), path)
    return path
