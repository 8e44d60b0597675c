import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from densevision.image_formats import jpeg_end
from densevision.images import ImageHeader, read_header, read_image

PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 9, 3), dtype=np.uint8), (90, 60))
TURNED = [1, 2, 3, 4, 5, 6, 7, 8]


def encode(kind="JPEG", orientation=None, **options):
    exif = Image.Exif()
    if orientation:
        options["exif"] = exif
        exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


def with_thumbnail(data):
    """A JPEG whose EXIF block holds another JPEG, with an end mark of its own."""
    block = b"Exif\0\0" + b"II*\0" + struct.pack("<IHI", 8, 0, 0) + encode(quality=30)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


VIDEO = struct.pack(">I", 24) + b"ftypmp42" + np.random.default_rng(1).bytes(9000) + b"moov"
COMPLETE = {
    "as written": lambda data: data,
    "a video after it": lambda data: data + VIDEO,
    "zeros after it": lambda data: data + bytes(10_000),
    "a second image after it": lambda data: data + data,
    "half a second image after it": lambda data: data + data[: len(data) // 2],
    "no end mark": lambda data: data[:-2],
    "half an end mark": lambda data: data[:-1],
    "a thumbnail": with_thumbnail,
    "a thumbnail, no end mark": lambda data: with_thumbnail(data)[:-2],
    "a thumbnail and a video": lambda data: with_thumbnail(data) + VIDEO,
}
CUT = {
    "half": lambda data: data[: len(data) // 2],
    "nine tenths": lambda data: data[: len(data) * 9 // 10],
    "ten bytes short": lambda data: data[:-10],
    "half, with a thumbnail": lambda data: with_thumbnail(data[: len(data) // 2]),
    "right after the thumbnail": lambda data: with_thumbnail(data[:2]),
    "the first bytes": lambda data: data[:20],
}


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("what", COMPLETE)
def test_a_jpeg_with_all_pixels_is_read(tmp_path, what, progressive):
    data = encode(quality=90, progressive=progressive)
    (tmp_path / "a.jpg").write_bytes(COMPLETE[what](data))
    image = read_image(tmp_path / "a.jpg")
    assert (image == cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]).all()
    assert read_header(tmp_path / "a.jpg") == ImageHeader((60, 90), 1)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("what", CUT)
def test_a_jpeg_that_lacks_pixels_is_refused(tmp_path, what, progressive):
    (tmp_path / "a.jpg").write_bytes(CUT[what](encode(quality=90, progressive=progressive)))
    for read in (read_image, read_header):
        with pytest.raises(OSError, match="a.jpg: (the JPEG is cut short|not a readable image)") as caught:
            read(tmp_path / "a.jpg")
        assert "\n" not in str(caught.value)


def test_a_jpeg_ends_at_its_own_end_mark():
    data = encode()
    assert jpeg_end(data) == len(data) and jpeg_end(data + VIDEO) == len(data)
    assert jpeg_end(with_thumbnail(data)) == len(with_thumbnail(data)) and jpeg_end(data[:-2]) is None


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_cut_short_are_refused(tmp_path, kind):
    data = encode(kind)
    (tmp_path / "a").write_bytes(data)
    assert read_image(tmp_path / "a").shape == (60, 90, 3) and read_header(tmp_path / "a").size == (60, 90)
    (tmp_path / "a").write_bytes(data[: len(data) // 2])
    with pytest.raises(OSError, match="a: "):
        read_image(tmp_path / "a")
    (tmp_path / "a").write_bytes(data + bytes(5000))
    assert read_image(tmp_path / "a").shape == (60, 90, 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"hello", "not a readable image"),
        (encode("PNG")[:-5], "the PNG is cut short"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "a HEIC photo, which can't be read; convert it"),
        (b"\0\0\0\x18ftypavif" + bytes(50), "an AVIF image, which"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer; run git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, data, words):
    (tmp_path / "a.jpg").write_bytes(data)
    for read in (read_image, read_header):
        with pytest.raises(OSError, match=f"a.jpg: .*{words}"):
            read(tmp_path / "a.jpg")


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    for read in (read_image, read_header):
        with pytest.raises(OSError, match="a folder, not an image"):
            read(tmp_path)
        with pytest.raises(OSError, match="gone.jpg"):
            read(tmp_path / "gone.jpg")


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_header_says_the_size_that_the_image_is_read_with(tmp_path, kind, orientation):
    (tmp_path / "a").write_bytes(encode(kind, orientation))
    header = read_header(tmp_path / "a")
    assert header.turned_size == read_image(tmp_path / "a").shape[:2]
    assert header.turned_size == ((90, 60) if orientation >= 5 else (60, 90))
    assert header.size == read_image(tmp_path / "a", apply_exif=False).shape[:2]
    assert kind == "TIFF" or header == ImageHeader((60, 90), orientation)


def test_a_header_after_a_long_profile_is_found(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encode(orientation=6, icc_profile=bytes(200_000)))
    assert read_header(tmp_path / "a.jpg") == ImageHeader((60, 90), 6)


def test_a_damaged_exif_block_counts_as_none(tmp_path):
    data = bytearray(encode(orientation=6))
    place = data.index(b"Exif\0\0") + 6
    for damage in (b"XX", b"II"):  # an unknown byte order, the other byte order
        data[place : place + 2] = damage
        (tmp_path / "a.jpg").write_bytes(data)
        assert read_header(tmp_path / "a.jpg").turned_size == read_image(tmp_path / "a.jpg").shape[:2]
