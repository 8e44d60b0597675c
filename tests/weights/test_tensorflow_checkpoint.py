import pickle
import shutil
import struct

import numpy as np
import pytest

from densevision.errors import UserError
from densevision.weights.tensorflow_checkpoint import (
    crc32c,
    find_tensorflow_checkpoint,
    read_tensorflow_checkpoint,
)
from tests.weights.bundle import DATA, add_block, field, masked, table, varint, write_checkpoint

TINY = DATA / "tiny.ckpt"  # written by TensorFlow 2.21.0, tf.raw_ops.SaveV2


@pytest.fixture
def tiny(tmp_path):
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(f"{TINY}{suffix}", tmp_path)
    return tmp_path / "tiny.ckpt"


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),  # RFC 3720, B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksums_of_rfc_3720(data, checksum):
    assert crc32c(data) == checksum


def test_checksums_do_not_depend_on_the_lanes():
    data = np.random.default_rng(0).bytes(300)
    for length in range(300):
        checksum = 0xFFFFFFFF
        for byte in data[:length]:
            checksum ^= byte
            for _ in range(8):
                checksum = checksum >> 1 ^ (0x82F63B78 if checksum & 1 else 0)
        assert crc32c(data[:length]) == checksum ^ 0xFFFFFFFF


def test_checkpoint_written_by_tensorflow_is_read():
    variables = read_tensorflow_checkpoint(TINY)
    assert sorted(variables) == [
        "MobilenetV3/Conv/BatchNorm/gamma",
        "MobilenetV3/Conv/weights",
        "MobilenetV3/Conv/weights/ExponentialMovingAverage",
        "double",
        "empty",
        "global_step",
        "half",
        "int",
    ]  # without "names", which are strings
    assert variables["MobilenetV3/Conv/BatchNorm/gamma"].tolist() == [1.5, -2.0]
    weights = variables["MobilenetV3/Conv/weights"]
    assert weights.shape == (3, 3, 3, 2) and weights.dtype == np.float32
    assert weights.ravel().tolist() == list(range(54))
    assert variables["MobilenetV3/Conv/weights/ExponentialMovingAverage"][2, 2, 2, 1] == 26.5
    assert variables["global_step"].shape == () and variables["global_step"] == 400_000
    assert variables["half"].tolist() == [[0.5], [0.25]]
    assert variables["double"] == [1e300] and variables["int"].tolist() == [7, -7]
    assert variables["empty"].shape == (0, 4)


@pytest.mark.parametrize("name", ["tiny.ckpt", "tiny.ckpt.index", "tiny.ckpt.data-00000-of-00001", "."])
def test_checkpoint_is_found_by_prefix_file_or_folder(tiny, name):
    assert find_tensorflow_checkpoint(tiny.parent / name) == tiny


def test_folder_of_two_checkpoints_raises_an_error(tiny):
    (tiny.parent / "other.index").touch()
    assert find_tensorflow_checkpoint(tiny.parent) is None


def test_names_share_prefixes_across_blocks(tmp_path):
    written = {f"scope_{i}/weights_{j}": np.float32([i, j]) for i in range(20) for j in range(20)}
    read = read_tensorflow_checkpoint(write_checkpoint(tmp_path / "model.ckpt", written, entries_a_block=7))
    assert {name: value.tolist() for name, value in read.items()} == {
        name: value.tolist() for name, value in written.items()
    }


def refuse(path, *words):
    with pytest.raises(UserError) as refusal:
        read_tensorflow_checkpoint(path)
    assert "\n" not in str(refusal.value)
    assert all(word in str(refusal.value) for word in words)


def test_index_truncated_at_any_byte_raises_an_error(tiny):
    index = tiny.with_name("tiny.ckpt.index")
    content = index.read_bytes()
    for length in range(len(content)):
        index.write_bytes(content[:length])
        refuse(tiny, str(index), "download the checkpoint again")


def test_no_flipped_bit_changes_the_arrays(tiny):
    index = tiny.with_name("tiny.ckpt.index")
    content = index.read_bytes()
    expected = {name: value.tolist() for name, value in read_tensorflow_checkpoint(tiny).items()}
    refused = 0
    for place in range(len(content)):
        index.write_bytes(content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
        try:
            read = read_tensorflow_checkpoint(tiny)
        except UserError:
            refused += 1
        else:
            assert {name: value.tolist() for name, value in read.items()} == expected
    assert refused > 0.8 * len(content)  # the rest are the empty meta index and the padding of the footer


def test_data_truncated_changed_or_missing_raises_an_error(tiny):
    data = tiny.with_name("tiny.ckpt.data-00000-of-00001")
    content = data.read_bytes()
    data.write_bytes(content[:-20])
    refuse(tiny, str(data), "truncated")
    data.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    refuse(tiny, str(data), "checksum of MobilenetV3/Conv/weights is wrong")
    data.unlink()
    refuse(tiny, str(data), "missing")


@pytest.mark.parametrize(
    ("options", "words"), [(dict(compression=1), "compressed"), (dict(endianness=1), "big-endian")]
)
def test_unsupported_formats_raise_an_error(tmp_path, options, words):
    refuse(write_checkpoint(tmp_path / "model.ckpt", {"a": np.float32([1])}, **options), words)


def entry(shape, size, dtype=1):
    dimensions = b"".join(field(2, field(1, side)) for side in shape)
    return field(1, dtype) + field(2, dimensions) + field(5, size) + varint(6 << 3 | 5) + struct.pack("<I", masked(b""))


@pytest.mark.parametrize(
    "value",
    [
        entry([1 << 40], 4 << 40),  # a table may give any size, which must not be allocated
        entry([(1 << 64) - 1], 0),
        entry([2], 4),
        field(1, b"text"),
        field(1, 1) + field(2, 3),
        field(1, 1) + field(7, b"a slice"),
        varint(1 << 3 | 3),
        b"\xff" * 12,
    ],
)
def test_impossible_entries_raise_an_error(tmp_path, value):
    prefix = tmp_path / "model.ckpt"
    prefix.with_name("model.ckpt.index").write_bytes(table({b"": field(1, 1), b"a": value}))
    prefix.with_name("model.ckpt.data-00000-of-00001").write_bytes(b"")
    refuse(prefix, "model.ckpt")


def test_block_without_room_for_its_restarts_raises_an_error(tmp_path):
    block, _ = add_block(b"", {}, 0)
    content = block[:2] + b"\0" + struct.pack("<I", masked(block[:2] + b"\0"))
    footer = varint(0) + varint(0) + varint(0) + varint(2)
    index = tmp_path / "model.ckpt.index"
    index.write_bytes(content + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57))
    refuse(tmp_path / "model.ckpt", "no header")


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickle_with_code_raises_an_error_and_does_not_run(tmp_path):
    victim = tmp_path / "victim"
    attack = pickle.dumps(Attack(str(victim)))
    (tmp_path / "model.ckpt").write_bytes(attack)
    refuse(tmp_path / "model.ckpt", "model.ckpt is not a TensorFlow checkpoint")
    (tmp_path / "model.ckpt.index").write_bytes(attack)
    refuse(tmp_path / "model.ckpt", "is not a readable TensorFlow index")
    assert not victim.exists()
    pickle.loads(attack)
    assert victim.exists()  # it runs only when unpickled
