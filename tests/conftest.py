"""Settings and data that many tests share."""

import signal

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _interruptible():
    """A shell starts background jobs with SIGINT ignored, and training then rightly ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
