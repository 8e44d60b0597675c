"""Files that run code when unpickled raise an error and do not run, wherever weights are read."""

import io
import pickle
import zipfile

import pytest
import torch

from densevision.cli.main import main
from densevision.config.init_from import InitFrom
from densevision.errors import UserError
from densevision.weights.convert import convert
from densevision.weights.initialize import read_weights
from densevision.weights.source import sources
from tests.weights.peers import Bomb

ROOT = __file__.rsplit("tests", 1)[0]
CONFIG = ROOT + "configs/detection/ssdlite_v3_small_reduced_bccd.py"


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "it_ran"


def bombs(mark):
    """Write a pickle with code: torch's zip, torch's old format, a plain pickle, or code next to real tensors."""
    zipped, legacy, inside = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save(Bomb(mark), zipped)
    torch.save(Bomb(mark), legacy, _use_new_zipfile_serialization=False)
    torch.save(dict(state_dict={"conv_stem.weight": torch.ones(1)}, meta=Bomb(mark)), inside)
    return [zipped.getvalue(), legacy.getvalue(), pickle.dumps(Bomb(mark), protocol=2), inside.getvalue()]


def test_file_runs_its_code_when_unpickled(tmp_path, mark):
    pickle.loads(pickle.dumps(Bomb(mark), protocol=2))
    assert mark.is_dir()


@pytest.mark.parametrize("form", range(4))
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".bin", ".tar", ""])
def test_no_source_runs_the_code(tmp_path, mark, form, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(bombs(mark)[form])
    readers = {source.read for source in sources().values()}
    for name in [next(n for n, s in sources().items() if s.read is reader) for reader in readers]:
        with pytest.raises(UserError, match="weights"):
            convert(str(path), name)
    with pytest.raises(UserError, match="weights"):
        read_weights(InitFrom(str(path)))
    assert not mark.exists()


@pytest.mark.parametrize("form", range(4))
def test_no_command_runs_the_code(tmp_path, mark, form, capsys):
    path = tmp_path / "weights.pth"
    path.write_bytes(bombs(mark)[form])
    for words in (
        ["convert", path, "--model", "timm:mobilenetv3_small_100", "--out", tmp_path / "out.pth"],
        ["test", CONFIG, path],
        ["demo", CONFIG, path, "--input", path, "--out", tmp_path / "out.mp4"],
    ):
        assert main([str(word) for word in words]) == 2
        assert "weights.pth is damaged or" in capsys.readouterr().err
    assert not mark.exists() and not (tmp_path / "out.pth").exists()


def test_unsafe_file_in_the_cache_of_torchvision_does_not_run(tmp_path, mark, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    for content in bombs(mark)[:3]:
        (cache / "mobilenet_v3_small-047dcff4.pth").write_bytes(content)
        with pytest.raises(UserError, match="torchvision can't download|damaged"):
            convert("torchvision:mobilenet_v3_small")
    assert not mark.exists()


def test_zip_of_another_kind_raises_an_error(tmp_path):
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"")
    with pytest.raises(UserError, match="is a zip archive with data.pkl, not a checkpoint"):
        read_weights(InitFrom(str(path)))
