import re
import struct
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from densevision.errors import UserError
from densevision.images import write_image
from densevision.video import open_source
from densevision.video.sources import has_sound
from tests.video.clips import copy, order, write_video

BLOCK = re.compile(  # a Matroska SimpleBlock: id, size, track 1, time in milliseconds
    rb"\xa3(?:[\x80-\xff]|[\x40-\x7f].|[\x20-\x3f]..|\x10...|\x01.{7})\x81(..)[\x80\x00]", re.DOTALL
)


def set_times(path: Path, times) -> Path:
    """Rewrite the times of the frames of a Matroska file."""
    data = bytearray(path.read_bytes())
    blocks = list(BLOCK.finditer(bytes(data)))
    for block, milliseconds in zip(blocks, times, strict=True):
        data[block.start(1) : block.end(1)] = struct.pack(">h", milliseconds)
    path.write_bytes(data)
    return path


def test_variable_frame_rate_keeps_true_times_and_length(tmp_path):
    times = (0, 100, 400, 500, 540, 1000)
    path = set_times(write_video(tmp_path / "in.mkv", 6, rate=10.0, codec="MJPG"), times)
    source = open_source(str(path))
    assert source.rate == 10.0
    assert [frame.seconds for frame in source.frames] == [0.0, 0.1, 0.4, 0.5, 0.54, 1.0]
    copy(path, tmp_path / "out.mp4")
    # at 10 frames per second: frame 1 stays until 0.4 s, frame 4 is too close to frame 3, which stays until 1.0 s
    assert order(open_source(str(tmp_path / "out.mp4")).frames) == [0, 1, 1, 1, 2, 3, 3, 3, 3, 3, 5]


def test_times_that_go_back_are_replaced_by_the_frame_rate(tmp_path):
    path = set_times(write_video(tmp_path / "in.mkv", 3, rate=10.0, codec="MJPG"), (0, 0, 0))
    assert [frame.seconds for frame in open_source(str(path)).frames] == [0.0, 0.1, 0.2]


def test_every_third_frame(tmp_path):
    source = open_source(str(write_video(tmp_path / "in.mp4", 7)), 3)
    assert (source.rate, source.total) == (4.0, 3)
    frames = list(source.frames)
    assert [frame.number for frame in frames] == [0, 1, 2] and order(frames) == [0, 3, 6]
    assert [round(frame.seconds, 3) for frame in frames] == [0.0, 0.25, 0.5]
    for name in "abcde":
        write_image(tmp_path / f"photos/{name}.png", np.zeros((8, 8, 3), np.uint8))
    assert [frame.name for frame in open_source(str(tmp_path / "photos"), 2).frames] == ["a.png", "c.png", "e.png"]


def test_pattern_of_images(tmp_path):
    for name in ("one/a.png", "one/b.png", "two/a.png", "two/c.jpg"):
        write_image(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "one/notes.txt").write_text("")
    source = open_source(str(tmp_path / "one/*"))
    assert (source.kind, [frame.name for frame in source.frames]) == ("folder", ["a.png", "b.png"])
    for pattern, message in (
        ("one/*.txt", "no image matches; 1 other files match"),
        ("*.bmp", "no image matches$"),
        ("*/a.png", "two images have the name a.png"),
    ):
        with pytest.raises(UserError, match=message):
            open_source(str(tmp_path / pattern))


def test_most_images_of_a_folder_decide_the_size(tmp_path):
    for name, size in (("a", (8, 8)), ("b", (30, 40)), ("c", (30, 40))):
        write_image(tmp_path / f"{name}.png", np.zeros((*size, 3), np.uint8))
    assert open_source(str(tmp_path)).size == (30, 40)


@pytest.mark.parametrize(
    "where, hint",
    [
        ("http://127.0.0.1:9/x.mp4", "check the address, the network"),
        ("rtsp://127.0.0.1:9/live", "check the address, the network"),
        ("/dev/video99", "is it connected and free"),
    ],
)
def test_what_cannot_be_reached_is_one_line_at_once(where, hint, capfd):
    start = time.monotonic()
    with pytest.raises(UserError, match=hint) as caught:
        open_source(where)
    assert where in str(caught.value) and time.monotonic() - start < 8
    assert capfd.readouterr() == ("", "")  # nothing from the libraries below


def test_a_codec_that_cannot_be_decoded_is_named(tmp_path):
    path = write_video(tmp_path / "in.mp4", 2)
    path.write_bytes(path.read_bytes().replace(b"mp4v", b"av01").replace(b"esds", b"free"))
    with pytest.raises(UserError, match="in.mp4; its codec AV01 can't be decoded here; convert it: ffmpeg"):
        open_source(str(path))


def test_stored_pixels_that_are_not_square_are_stretched(tmp_path):
    path = write_video(tmp_path / "in.mp4", 2)
    data = bytearray(path.read_bytes())
    entry = data.index(b"esds") - 4  # a box of the entry of the track; another one after it states 2:1
    pasp = struct.pack(">I4sII", 16, b"pasp", 2, 1)
    end = entry + struct.unpack(">I", data[entry : entry + 4])[0]
    data[end:end] = pasp
    for name in (b"mp4v", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        start = data.rindex(name, 0, end) - 4
        data[start : start + 4] = struct.pack(">I", struct.unpack(">I", data[start : start + 4])[0] + 16)
    path.write_bytes(data)
    source = open_source(str(path))
    assert source.size == (48, 128)
    assert [frame.image.shape for frame in source.frames] == [(48, 128, 3)] * 2


def test_a_rotated_video_is_upright(tmp_path):
    path = tmp_path / "in.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (64, 48))
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :16] = 255  # the left end, which is the upper one after a turn to the right
    writer.write(image)
    writer.release()
    data = bytearray(path.read_bytes())
    matrix = data.index(struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(data)
    (frame,) = open_source(str(path)).frames
    assert frame.image.shape == (64, 48, 3)
    assert frame.image[:12].mean() > 200 and frame.image[20:].mean() < 20


def test_sound_is_seen_in_the_header(tmp_path):
    path = write_video(tmp_path / "in.mp4", 2)
    assert not has_sound(open_source(str(path)))
    path.write_bytes(path.read_bytes() + struct.pack(">I4s8s4s12s", 32, b"hdlr", b"", b"soun", b""))
    assert has_sound(open_source(str(path)))
