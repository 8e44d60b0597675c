import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from densevision.errors import UserError
from densevision.video import Frame, Source, encoders, open_sink, open_source
from tests.video.clips import copy, order, write_video


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """Put a program named ffmpeg on the PATH, with this Python source after the list of its encoders."""

    def install(source: str, listed: str = "V....D libx264 H.264"):
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "ffmpeg"
        begin = f'import sys\nif "-encoders" in sys.argv:\n    print(" {listed}")\n    sys.exit()\n'
        program.write_text(f"#!{sys.executable}\n{begin}{source}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        encoders.ffmpeg_with_h264.cache_clear()

    yield install
    encoders.ffmpeg_with_h264.cache_clear()


def many(count: int) -> Source:
    images = (Frame(row, "", np.zeros((480, 640, 3), np.uint8), row / 10) for row in range(count))
    return Source(images, (480, 640), 10.0, count, "video", [])


def made(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_ffmpeg_gets_the_frames_and_browsers_settings(tmp_path, ffmpeg):
    keep = "import pathlib\nraw = sys.stdin.buffer.read()\npathlib.Path(sys.argv[-1]).write_bytes(raw)\n"
    ffmpeg(keep + f"pathlib.Path({str(tmp_path / 'words')!r}).write_text(' '.join(sys.argv))")
    output = tmp_path / "out.mp4"
    assert copy(write_video(tmp_path / "in.mp4", 3), output) == f"{output} (H.264)"
    frames = np.frombuffer(output.read_bytes(), np.uint8).reshape(3, 72, 64)
    seen = [cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420).mean() for frame in frames]
    assert [round((seen_one - 30) / 30) for seen_one in seen] == [0, 1, 2]
    words = (tmp_path / "words").read_text()
    assert "-pix_fmt yuv420p -s 64x48 -r 12 " in words and "-c:v libx264" in words
    assert "-colorspace smpte170m" in words and "-color_range tv" in words and "-movflags +faststart" in words


@pytest.mark.parametrize("dies", ["at once", "at the end"])
def test_an_ffmpeg_that_dies_is_one_line_and_leaves_nothing(tmp_path, ffmpeg, dies):
    begin = "" if dies == "at once" else "sys.stdin.buffer.read()\n"
    ffmpeg(begin + "open(sys.argv[-1], 'w').write('half')\nprint('No space left', file=sys.stderr)\nsys.exit(1)")
    (tmp_path / "made").mkdir()
    source = many(30)
    sink = open_sink(tmp_path / "made/out.mp4", source, "in")
    with pytest.raises(UserError, match=r"out\.mp4: can't .*; ffmpeg: No space left$"):
        try:
            for frame in source.frames:
                sink.write(frame, frame.image)
        except BaseException:
            sink.discard()
            raise
        sink.finish()
    assert made(tmp_path / "made") == []


@pytest.mark.parametrize("listed", ["V....D mpeg4 MPEG-4", None])
def test_without_h264_the_video_is_vp9(tmp_path, ffmpeg, listed, monkeypatch):
    if listed:
        ffmpeg("sys.exit(1)", listed)
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
        encoders.ffmpeg_with_h264.cache_clear()
    place = copy(write_video(tmp_path / "in.mp4", 3), tmp_path / "out.mp4")
    assert place.endswith("(VP9, slowly, as no ffmpeg with libx264 is on the PATH; .webm is faster)")
    assert order(open_source(str(tmp_path / "out.mp4")).frames) == [0, 1, 2]


def test_gif_keeps_size_and_duration(tmp_path):
    place = copy(write_video(tmp_path / "in.mp4", 6), tmp_path / "out.gif")  # 12 frames per second
    assert place.endswith("out.gif (64x48, 12 frames per second)")
    with Image.open(tmp_path / "out.gif") as image:
        assert (image.size, image.n_frames, image.info["loop"]) == ((64, 48), 6, 0)
        seconds = 0
        for row in range(6):
            image.seek(row)
            seconds += image.info["duration"] / 1000
            assert abs(np.asarray(image.convert("RGB")).mean() - 30 * row - 30) < 5
    assert 0.44 < seconds < 0.54  # hundredths of a second


def test_gif_of_a_large_fast_video_is_reduced(tmp_path):
    images = (Frame(row, "", np.full((500, 1280, 3), 9 * row, np.uint8)) for row in range(8))
    sink = open_sink(tmp_path / "out.gif", Source(images, (500, 1280), 50.0, 8, "video", []), "in")
    for frame in images:
        sink.write(frame, frame.image)
    assert "(640x250, 12.5 frames per second)" in sink.finish()
    with Image.open(tmp_path / "out.gif") as image:
        assert (image.size, image.n_frames, image.info["duration"]) == ((640, 250), 2, 80)
