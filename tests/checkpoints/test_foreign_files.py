"""What a file named .pth is, if it is no checkpoint."""

import io
import zipfile

import pytest
import torch

from densevision.checkpoints.files import read_plain
from densevision.checkpoints.reading import read_checkpoint
from densevision.errors import UserError


def _zip_with_a_name_in_no_encoding() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("\u00e9", b"")  # marked as UTF-8
    return file.getvalue().replace("\u00e9".encode(), b"\xc1\xc1")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"epoch 1\nloss 0.3\n", "is a text file that starts with 'epoch 1', not a checkpoint"),
        (b"\n<!DOCTYPE html><html>", "is a web page, not a checkpoint: the address led to a page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer; run git lfs pull"),
        (b"\x1f\x8b\x08\x00", "is a gzip archive, not a checkpoint"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG image, not a checkpoint"),
        (b"PK\x03\x04" + b"\x00" * 40, "is damaged (the end is missing, as after a download that stopped)"),
        (_zip_with_a_name_in_no_encoding(), "best.pth is damaged"),
    ],
)
def test_a_file_of_another_kind_is_named(content, message, tmp_path):
    path = tmp_path / "best.pth"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_plain(path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "meta",
    [
        dict(stored_config=torch.zeros(2)),
        dict(stored_config=dict(name="a.py", content=dict(test_dataloader=torch.zeros(2, 2)))),
        dict(settings=dict(a=[torch.zeros(2)])),
        dict(dataset_meta=dict(classes=torch.zeros(2, 2))),
    ],
)
def test_a_tensor_in_the_place_of_plain_data_is_damage(meta, tmp_path):
    torch.save(dict(state_dict=dict(a=torch.zeros(1)), meta=meta), tmp_path / "best.pth")
    with pytest.raises(UserError, match=r"best\.pth is damaged"):
        read_checkpoint(tmp_path / "best.pth")


@pytest.mark.parametrize("rate", [10**400, float("nan"), float("inf"), "0.1"])
def test_a_learning_rate_that_is_no_rate_is_damage(rate, tmp_path):
    content = dict(state_dict=dict(a=torch.zeros(1)), optimizer=dict(state={}, param_groups=[dict(lr=rate)]))
    torch.save(content, tmp_path / "best.pth")
    with pytest.raises(UserError, match=r"best\.pth is damaged"):
        read_checkpoint(tmp_path / "best.pth")
