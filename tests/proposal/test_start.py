"""Weights to start from: found in torchvision's cache, in a file, or not to be had."""

import socket
import time

import pytest
import torch
from torchvision.models import MobileNet_V3_Small_Weights, mobilenet_v3_small

from densevision.errors import UserError
from densevision.proposal import start
from densevision.proposal.start import find_start

SMALL = "mobilenet_v3_small"


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(start, "_HOSTS", dict.fromkeys(start._HOSTS, "http://127.0.0.1:9"))  # nobody listens there
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_without_a_network_training_starts_from_scratch_and_says_why(no_network, tmp_path):
    found = find_start("auto", SMALL, tmp_path)
    assert found.path is None and found.later == "torchvision:mobilenet_v3_small"
    assert "can't be reached" in found.reason
    assert not list(tmp_path.glob("*.pth"))


def test_weights_that_were_asked_for_are_an_error_without_a_network(no_network, tmp_path):
    with pytest.raises(UserError, match="can't be reached, so torchvision:mobilenet_v3_small was not downloaded"):
        find_start("torchvision:mobilenet_v3_small", SMALL, tmp_path)


def test_a_host_that_does_not_answer_does_not_hang(no_network, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, and says nothing
        monkeypatch.setattr(start, "_HOSTS", {"torchvision": f"http://127.0.0.1:{server.getsockname()[1]}"})
        monkeypatch.setattr(start, "_TIMEOUT_S", 0.1)
        before = time.monotonic()
        assert find_start("auto", SMALL, tmp_path).path is None
    assert time.monotonic() - before < 5


def test_weights_in_the_cache_are_converted_next_to_the_config(no_network, tmp_path):
    no_network.mkdir(parents=True)
    name = MobileNet_V3_Small_Weights.DEFAULT.url.rpartition("/")[2]
    torch.save(mobilenet_v3_small().state_dict(), no_network / name)
    found = find_start("auto", SMALL, tmp_path)
    assert found.path == tmp_path.resolve() / "torchvision_mobilenet_v3_small.pth" and found.path.is_file()
    assert found.settings["data_preprocessor"]["mean"] == [123.675, 116.28, 103.53]
    (no_network / name).unlink()
    assert find_start("auto", SMALL, tmp_path) == found  # a second config uses the same file
    assert find_start(str(found.path), SMALL, tmp_path).path == found.path


def test_an_interrupted_download_leaves_no_file(no_network, tmp_path):
    no_network.mkdir(parents=True)
    name = MobileNet_V3_Small_Weights.DEFAULT.url.rpartition("/")[2]
    (no_network / name).write_bytes(b"PK half of a file")
    assert find_start("auto", SMALL, tmp_path).path is None
    assert not list(tmp_path.glob("*.pth"))


@pytest.mark.parametrize(
    "weights, message",
    [
        ("nothing.pth", "nothing.pth: no such file; give auto, none, LIBRARY:NETWORK or a checkpoint"),
        ("torchvision:mobilenet_v3_smal", "no published network 'torchvision:mobilenet_v3_smal'"),
    ],
)
def test_a_mistake_is_named(weights, message, tmp_path):
    with pytest.raises(UserError, match=message):
        find_start(weights, SMALL, tmp_path)


def test_a_published_file_must_be_converted_first(tmp_path):
    torch.save(mobilenet_v3_small().state_dict(), tmp_path / "published.pth")
    with pytest.raises(UserError, match="published.pth is not a checkpoint.*densevision convert made of a published"):
        find_start(str(tmp_path / "published.pth"), SMALL, tmp_path)


def test_none_and_networks_without_published_weights(tmp_path):
    assert find_start("none", SMALL, tmp_path).path is None
    assert "no published weights of mobilenet_v1" in find_start("auto", "mobilenet_v1", tmp_path).reason
