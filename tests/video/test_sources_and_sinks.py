import numpy as np
import pytest

from densevision.errors import UserError
from densevision.images import read_image, write_image
from densevision.video import open_sink, open_source
from tests.video.clips import copy, order, write_video


def test_video_gives_its_frames_rate_and_size(tmp_path):
    source = open_source(str(write_video(tmp_path / "in.mp4", 7)))
    assert (source.size, source.rate, source.total, source.kind) == ((48, 64), 12.0, 7, "video")
    frames = list(source.frames)
    assert [frame.number for frame in frames] == list(range(7))
    assert order(frames) == list(range(7))


def test_cut_video_gives_the_frames_that_are_there(tmp_path):
    path = write_video(tmp_path / "in.avi", 20, size=(480, 640), codec="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 0 < len(list(open_source(str(path)).frames)) < 20


@pytest.mark.parametrize("content", [b"", b"no video", b"\x00\x00\x00\x18ftypmp42" + bytes(200)])
def test_a_file_that_is_no_video_is_named(tmp_path, content):
    (tmp_path / "in.mp4").write_bytes(content)
    with pytest.raises(UserError, match="in.mp4; it is damaged, empty or not a video"):
        open_source(str(tmp_path / "in.mp4"))


def test_truncated_mp4_is_refused(tmp_path):
    path = write_video(tmp_path / "in.mp4", 20)
    path.write_bytes(path.read_bytes()[:-300])  # the index stands at the end
    with pytest.raises(UserError, match="damaged"):
        open_source(str(path))


def test_missing_input_and_camera_are_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        open_source(str(tmp_path / "absent.mp4"))
    with pytest.raises(UserError, match="camera 77; is it connected"):
        open_source("77")


def test_folder_is_read_by_name_and_damaged_images_are_noted(tmp_path):
    for name, value in (("b.png", 20), ("a.png", 10), ("d.jpg", 40)):
        write_image(tmp_path / name, np.full((8, 8, 3), value, np.uint8))
    (tmp_path / "c.jpg").write_bytes(b"not an image")
    (tmp_path / "notes.txt").write_text("")
    source = open_source(str(tmp_path))
    frames = list(source.frames)
    assert [(frame.number, frame.name) for frame in frames] == [(0, "a.png"), (1, "b.png"), (2, "d.jpg")]
    assert [frame.image[0, 0, 0] for frame in frames] == [10, 20, 40]
    assert source.kind == "folder" and len(source.skipped) == 1 and "c.jpg" in source.skipped[0]


def test_folder_without_readable_images_is_refused(tmp_path):
    with pytest.raises(UserError, match="contains no images"):
        open_source(str(tmp_path))
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(UserError, match="a.png"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mov", ".mkv", ".webm"])
def test_video_keeps_rate_size_and_content(tmp_path, suffix):
    output = tmp_path / f"new/out{suffix}"
    assert copy(write_video(tmp_path / "in.mp4", 6), output).startswith(f"{output} (")  # and the codec
    made = open_source(str(output))
    assert (made.size, round(made.rate, 3)) == ((48, 64), 12.0)
    assert order(made.frames) == list(range(6))
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_odd_sizes_grow_by_one_and_say_so(tmp_path):
    write_image(tmp_path / "in/a.png", np.full((47, 63, 3), 90, np.uint8))
    place = copy(tmp_path / "in", tmp_path / "out.mp4")
    assert "(63x47, padded to even numbers; " in place
    (frame,) = open_source(str(tmp_path / "out.mp4")).frames
    assert frame.image.shape == (48, 64, 3) and abs(int(frame.image[47, 63, 0]) - 90) < 6


def test_images_of_other_sizes_are_fitted_into_the_video(tmp_path):
    write_image(tmp_path / "in/a.png", np.full((40, 80, 3), 50, np.uint8))
    write_image(tmp_path / "in/b.png", np.full((80, 80, 3), 200, np.uint8))
    copy(tmp_path / "in", tmp_path / "out.mp4")
    frames = [frame.image for frame in open_source(str(tmp_path / "out.mp4")).frames]
    assert [frame.shape for frame in frames] == [(40, 80, 3)] * 2
    assert frames[1][20, 40, 0] > 180 and frames[1][20, 5, 0] < 30  # black bars at the sides


def test_folder_and_image_outputs_keep_names(tmp_path):
    write_image(tmp_path / "in/a.png", np.full((8, 8, 3), 50, np.uint8))
    copy(tmp_path / "in", tmp_path / "out")
    assert (read_image(tmp_path / "out/a.png") == 50).all()
    copy(tmp_path / "in/a.png", tmp_path / "new/one.png")
    assert (read_image(tmp_path / "new/one.png") == 50).all()
    copy(write_video(tmp_path / "in.mp4", 2), tmp_path / "numbered")
    assert sorted(path.name for path in (tmp_path / "numbered").iterdir()) == ["000000.jpg", "000001.jpg"]


def test_outputs_that_cannot_be_written_are_named(tmp_path):
    path = write_video(tmp_path / "in.mp4", 2)
    source = open_source(str(path))
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.mp4").mkdir()
    cases = {
        path: "is the input",
        tmp_path / "out.xyz": "can't write .xyz",
        tmp_path / "out.jpg": "a video needs a video",
        tmp_path / "file/out.mp4": "can't be written",
        tmp_path / "folder.mp4": "is a folder",
    }
    for output, message in cases.items():
        with pytest.raises(UserError, match=message):
            open_sink(output, source, str(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.mp4", "in.mp4"]


def test_a_discarded_video_leaves_nothing_and_spares_the_old_one(tmp_path):
    path = write_video(tmp_path / "in.mp4", 2)
    (tmp_path / "out.mp4").write_bytes(b"old")
    sink = open_sink(tmp_path / "out.mp4", open_source(str(path)), str(path))
    sink.discard()
    assert (tmp_path / "out.mp4").read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
