"""The good setup that the table, the payloads and the failing disks damage."""

import pytest


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """Return the folder of a good setup."""
    pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")
    from tests.faults.good import write_setup

    folder = tmp_path_factory.mktemp("good")
    write_setup(folder)
    return folder
