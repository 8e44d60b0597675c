"""What is refused before a decoder sees it: unknown formats, impossible sizes, wrong checksums, missing pixels."""

import io
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from densevision.data.label_files import read_label_colors, read_label_header, read_label_ids
from densevision.image_formats import MOST_PIXELS, check_file, find_format, jpeg_end, png_fault
from densevision.images import CutShortError, DamagedError, decode_image, read_header, read_image

PIXELS = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)


def encode(kind, mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def png_part(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height):
    header = png_part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_part(b"IDAT", zlib.compress(bytes(100))) + png_part(b"IEND", b"")


def tiff(width, height, *, big=False):
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 64)]
    if big:
        entries = b"".join(struct.pack("<HHQQ", tag, 4, 1, value) for tag, value in tags)
        return (
            b"II+\0\x08\0\0\0" + struct.pack("<Q", 80) + bytes(64) + struct.pack("<Q", len(tags)) + entries + bytes(8)
        )
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 72) + bytes(64) + struct.pack("<H", len(tags)) + entries + bytes(4)


def resized_jpeg(width, height, **options):
    data = encode("JPEG", **options)
    place = data.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def put(data, place, form, *numbers):
    return data[:place] + struct.pack(form, *numbers) + data[place + struct.calcsize(form) :]


def many_scans():
    data = encode("JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    return data[:first] + data[first : data.index(b"\xff\xc4", first)] * 101 + b"\xff\xd9"


def after(data, mark, skipped):
    return data.index(mark) + len(mark) + skipped


HUGE = {
    "PNG": png(60_000, 60_000),
    "PNG, one column": png(1, 2_000_000_000),
    "JPEG": resized_jpeg(65_535, 65_535),
    "BMP": put(encode("BMP"), 18, "<ii", 100_000, 100_000),
    "BMP from the top": put(encode("BMP"), 18, "<ii", 100_000, -100_000),
    "GIF": put(encode("GIF"), 6, "<HH", 65_535, 65_535),
    "WebP": put(encode("WEBP"), after(encode("WEBP"), b"\x9d\x01\x2a", 0), "<HH", 16_383, 16_383),
    "WebP without loss": put(encode("WEBP", lossless=True), 21, "<I", 16_383 | 16_383 << 14),
    "TIFF": tiff(100_000, 100_000),
    "BigTIFF": tiff(100_000, 100_000, big=True),
    "PNM": b"P6\n# a comment\n100000 100000\n255\n" + bytes(50),
    "PAM": b"P7\nWIDTH 100000\nHEIGHT 100000\nDEPTH 3\nMAXVAL 255\nENDHDR\n" + bytes(50),
    "JPEG 2000": put(encode("JPEG2000"), after(encode("JPEG2000"), b"\xff\x4f\xff\x51", 4), ">II", 65_000, 65_000),
}
HOLLOW = {  # within the limit, but a decoder would reserve 400 MB, or fill it with gray for seconds
    "PNG": png(11_500, 11_500),
    "PNG with a part of 2 GB": png(9, 9)[:33] + struct.pack(">I", 2**31 - 16) + b"PLTE" + bytes(99) + png(9, 9)[33:],
    "JPEG": resized_jpeg(11_500, 11_500),
    "progressive JPEG": resized_jpeg(11_500, 11_500, progressive=True),
    "JPEG with 101 scans": many_scans(),
    "BMP": put(encode("BMP"), 18, "<ii", 11_500, 11_500),
    "TIFF": tiff(11_500, 11_500),
    "PNM": b"P6 11500 11500 255\n" + bytes(100),
}
NO_IMAGES = {
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\nshowpage\n",
    "PostScript of DOS": b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, 60) + bytes(24) + b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "PDF": b"%PDF-1.7\n",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "Radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 8\n" + bytes(300),
    "Sun raster": struct.pack(">8I", 0x59A66A95, 8, 8, 24, 192, 1, 0, 0) + bytes(192),
    "PFM": b"PF\n4 4\n-1.0\n" + bytes(192),
    "XPM": b'/* XPM */\nstatic char *x[] = {"1 1 1 1", "a c #000000", "a"};\n',
    "Windows metafile": b"\xd7\xcd\xc6\x9a" + bytes(40),
    "FLI": struct.pack("<IH", 128, 0xAF11) + bytes(200),
    "text": b"hello",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000"])
def test_a_known_format_is_read(kind):
    data = encode(kind)
    check_file(data)
    assert decode_image("a", np.frombuffer(data, np.uint8)).shape == (48, 64, 3)


def test_a_tiff_that_ends_within_a_number_of_its_size_is_refused():
    entries = struct.pack("<HHII", 256, 4, 1, 64) + struct.pack("<HHII", 257, 16, 1, 48)  # of 8 bytes, as in a BigTIFF
    with pytest.raises(DamagedError, match="not a readable image"):
        check_file(b"II*\0" + struct.pack("<IH", 8, 2) + entries)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_every_pixel_format_is_read(tmp_path, kind, mode):
    image = Image.fromarray(PIXELS[..., 0].astype(np.uint16)) if mode == "I;16" else Image.fromarray(PIXELS)
    (image if mode == "I;16" else image.convert(mode)).save(tmp_path / "a", kind)
    assert read_image(tmp_path / "a").shape == (48, 64, 3)


@pytest.mark.parametrize("what", HUGE)
def test_a_header_that_states_too_many_pixels_is_named(tmp_path, what):
    (tmp_path / "a.png").write_bytes(HUGE[what])
    header = () if what == "JPEG 2000" else (read_header,)  # which reads the size around the code stream
    for read in (*header, read_image, read_label_header, read_label_ids, read_label_colors):
        with pytest.raises(OSError, match=r"a.png: its header states \d+x\d+ pixels, more than 134 million"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("what", HOLLOW)
def test_pixels_that_are_not_there_take_neither_time_nor_memory(tmp_path, what):
    (tmp_path / "a.png").write_bytes(HOLLOW[what])
    began = time.process_time()
    for read in (read_image, read_label_ids):
        with pytest.raises(OSError, match=r"^[^\n]*a.png: "):
            read(tmp_path / "a.png")
    assert time.process_time() - began < 1


@pytest.mark.parametrize("what", NO_IMAGES)
def test_all_other_formats_are_refused(tmp_path, what):
    (tmp_path / "a.png").write_bytes(NO_IMAGES[what])
    assert find_format(NO_IMAGES[what]) is None
    for read in (read_image, read_header, read_label_header, read_label_ids, read_label_colors):
        with pytest.raises(OSError, match=r"^[^\n]*a.png: [^\n]*"):
            read(tmp_path / "a.png")


def test_postscript_starts_no_program(tmp_path):
    """A stand-in for Ghostscript on the PATH would leave a file."""
    (tmp_path / "bin").mkdir()
    for name in ("gs", "gswin64c", "inkscape", "convert"):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (tmp_path / "bin" / name).chmod(0o755)
    for number, content in enumerate(NO_IMAGES.values()):
        (tmp_path / f"{number}.png").write_bytes(content)
    code = """if 1:
        import sys
        from pathlib import Path
        from densevision.data.label_files import read_label_ids
        from densevision.images import read_image
        for path in Path(sys.argv[1]).glob("*.png"):
            for read in (read_image, read_label_ids):
                try:
                    read(path)
                except OSError:
                    pass
    """
    environment = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    subprocess.run([sys.executable, "-c", code, tmp_path], env=environment, check=True, cwd=Path(__file__).parents[1])
    assert not (tmp_path / "ran").exists()


def test_the_parts_of_a_png_have_checksums():
    data = encode("PNG")
    assert png_fault(data) == "" and png_fault(data + bytes(100)) == ""
    assert png_fault(data[:-1]) == "cut short"
    for place in range(8 * 12, 8 * (len(data) - 30), 797):  # any flipped bit after the signature and a length
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(OSError):
            check_file(bytes(flipped))


def test_a_png_with_a_flipped_bit_is_never_decoded_to_other_labels(tmp_path):
    ids = np.zeros((40, 40), np.uint8)
    ids[10:30] = 7
    Image.fromarray(ids).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert (read_label_ids(tmp_path / "a.png") == ids).all()
    start = data.index(b"IDAT")
    for bit in range(8 * start, 8 * (data.index(b"IEND") - 4), 5):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "a.png").write_bytes(flipped)
        with pytest.raises(OSError, match=r"a.png: the PNG is (damaged: the checksum|cut short)|a.png: not a"):
            read_label_ids(tmp_path / "a.png")


@pytest.mark.parametrize("progressive", [False, True])
def test_markers_that_interrupt_the_pixels_of_a_jpeg_are_damage(progressive):
    """Decoders fill what follows with gray. 0xFFC0 starts an image, 0xFF05 is reserved."""
    data = encode("JPEG", progressive=progressive)
    check_file(data)
    middle = data.index(b"\xff\xda") + 40
    for marker in (b"\xff\xc0", b"\xff\x05"):
        with pytest.raises(DamagedError, match="its pixels are interrupted"):
            check_file(data[:middle] + marker + data[middle + 2 :])


def test_a_jpeg_with_restart_markers_and_comments_is_whole():
    ok, data = cv2.imencode(".jpg", PIXELS, [cv2.IMWRITE_JPEG_RST_INTERVAL, 1])
    data = data.tobytes()
    commented = data[:2] + b"\xff\xfe\x00\x06abcd" + data[2:]
    check_file(data)
    check_file(commented)
    assert ok and b"\xff\xd3" in data and jpeg_end(commented) == len(commented)


def test_a_small_image_of_one_color_is_whole():
    """The fewest bytes that real encoders need for their pixels."""
    for kind in ("PNG", "JPEG", "WEBP"):
        options = dict(quality=1, optimize=True) if kind == "JPEG" else {}
        buffer = io.BytesIO()
        Image.new("L", (1200, 900), 255).save(buffer, kind, **options)
        check_file(buffer.getvalue())


def test_what_is_not_a_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(2**40)  # takes no space on the disk
    for read in (read_image, read_header, read_label_ids, read_label_header):
        for name, words in (("pipe", "a device or a pipe"), ("zero", "a device or a pipe"), ("large", "1024.0 GB")):
            with pytest.raises(OSError, match=rf"{name}.png: .*{words}"):
                read(tmp_path / f"{name}.png")


def test_the_limit_is_a_size_that_cameras_have():
    assert MOST_PIXELS > 12_000 * 9_000  # 108 megapixels
    assert issubclass(CutShortError, OSError) and issubclass(DamagedError, OSError)
