"""What a file named .pth is, if it is no checkpoint."""

import pytest

from densevision.checkpoints.files import read_plain
from densevision.errors import UserError


@pytest.mark.parametrize(
    "content, message",
    [
        (b"epoch 1\nloss 0.3\n", "is a text file that starts with 'epoch 1', not a checkpoint"),
        (b"\n<!DOCTYPE html><html>", "is a web page, not a checkpoint: the address led to a page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer; run git lfs pull"),
        (b"\x1f\x8b\x08\x00", "is a gzip archive, not a checkpoint"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG image, not a checkpoint"),
        (b"PK\x03\x04" + b"\x00" * 40, "is damaged (the end is missing, as after a download that stopped)"),
    ],
)
def test_a_file_of_another_kind_is_named(content, message, tmp_path):
    path = tmp_path / "best.pth"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_plain(path)
    assert message in str(error.value)
