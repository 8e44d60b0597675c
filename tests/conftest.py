"""Settings and data that many tests share."""

import signal

import pytest

try:
    import torch
except ModuleNotFoundError:  # the light install; CONTRIBUTING.md names the tests that run there
    torch = None


@pytest.fixture(autouse=True, scope="session")
def _interruptible():
    """A shell starts background jobs with SIGINT ignored, and training then rightly ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seed():
    if torch is not None:
        torch.manual_seed(0)
