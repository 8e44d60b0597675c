"""Label files of any pixel format are read as ids, or raise a one-line error."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from densevision.data.label_files import read_label_header, read_label_ids
from densevision.errors import UserError

IDS = np.array([[0, 1], [7, 255]], np.uint8)


def error_of(path):
    with pytest.raises(UserError) as caught:
        read_label_ids(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("channels", [[IDS] * 3, [IDS] * 3 + [np.full_like(IDS, 255)], [IDS, np.full_like(IDS, 255)]])
def test_equal_color_channels_and_opaque_alpha_are_ids(tmp_path, channels):
    assert read_label_ids(save(tmp_path / "a.png", np.dstack(channels))).tolist() == IDS.tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_whole_numbers_of_any_type_are_ids(tmp_path, dtype):
    assert read_label_ids(save(tmp_path / "a.tif", IDS.astype(dtype))).tolist() == IDS.tolist()


def test_one_bit_per_pixel_is_0_and_1(tmp_path):
    assert read_label_ids(save(tmp_path / "a.png", IDS > 0)).tolist() == [[0, 1], [1, 1]]


def test_colors_and_transparency_raise_an_error(tmp_path):
    assert "color image (RGB)" in error_of(save(tmp_path / "a.png", np.dstack([IDS, IDS, IDS + 1])))
    assert "transparent" in error_of(save(tmp_path / "b.png", np.dstack([IDS] * 4)))
    assert "transparent" in error_of(save(tmp_path / "c.png", np.dstack([IDS] * 2)))


@pytest.mark.parametrize(
    "values, message",
    [
        (np.array([[0, 26001]], np.uint16), "26001"),
        (np.array([[0, 70000]], np.int32), "70000"),
        (np.array([[0, -1]], np.int32), "the id -1"),
        (np.array([[0, -1]], np.float32), "the id -1"),
        (np.array([[0, 0.5]], np.float32), "fractions"),
        (np.array([[0, np.nan]], np.float32), "fractions or NaN"),
        (np.array([[0, np.inf]], np.float32), "ids up to inf"),
    ],
)
def test_values_that_are_not_ids_raise_an_error(tmp_path, values, message):
    assert message in error_of(save(tmp_path / "a.tif", values))


def test_jpeg_raises_an_error(tmp_path):
    assert "JPEG, which changes ids" in error_of(save(tmp_path / "a.jpg", np.full((8, 8), 7, np.uint8)))


def test_colors_of_16_bits_raise_an_error(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)  # Pillow discards the lower byte: all zeros
    data = zlib.compress(b"\0" + struct.pack(">HHH", 7, 7, 7))
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    assert "16 bits per channel" in error_of(path)


def test_damage_at_any_byte_is_an_os_error(tmp_path):
    random = np.random.default_rng(0)
    path = save(tmp_path / "a.png", random.integers(0, 9, (16, 16)).astype(np.uint8))
    whole = path.read_bytes()
    for position in range(len(whole)):
        broken = bytearray(whole)
        broken[position] ^= 0xFF
        path.write_bytes(broken)
        with contextlib.suppress(OSError, UserError):
            assert read_label_ids(path).dtype == np.uint8
    for content in (b"", whole[:30], whole[:-30], b"<html>"):
        path.write_bytes(content)
        with pytest.raises(OSError, match="a.png"):
            read_label_ids(path)


def png(rows, palette=None):
    """A PNG of 4x4 with these rows: the first four are the image's, each of a filter type and four values."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 4, 4, 8, 3 if palette else 0, 0, 0, 0)
    colors = chunk(b"PLTE", bytes(palette)) if palette else b""
    pixels = chunk(b"IDAT", zlib.compress(b"".join(bytes(row) for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + colors + pixels + chunk(b"IEND", b"")


def test_gray_and_palette_of_the_same_indices_are_the_same_ids(tmp_path):
    rows = [
        (0, 0, 1, 2, 7),
        (1, 3, 1, 1, 1),
        (2, 0, 0, 0, 0),
        (0, 7, 7, 2, 255),
    ]  # row 2 adds up, row 3 copies
    ids = [[0, 1, 2, 7], [3, 4, 5, 6], [3, 4, 5, 6], [7, 7, 2, 255]]
    for name, palette in (("gray", None), ("palette", list(range(255, -1, -1)) * 3)):
        path = tmp_path / f"{name}.png"
        path.write_bytes(png(rows, palette))
        assert read_label_ids(path).tolist() == ids, name


def test_missing_rows_with_a_correct_checksum_are_damage(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png([(0, 1, 2, 3, 4)] * 2))  # Pillow would return zeros for the others
    with pytest.raises(OSError, match="damaged or incomplete"):
        read_label_ids(path)


@pytest.mark.parametrize("read", [read_label_ids, read_label_header])
@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer; run git lfs pull"),
        (b"\x93NUMPY", "not a readable image"),
        (None, "no such file"),
    ],
)
def test_file_that_is_not_an_image_raises_an_error_that_says_why(tmp_path, read, content, message):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OSError) as caught:
        read(np.array([str(path)])[0])  # the paths of a data set are NumPy strings
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)
