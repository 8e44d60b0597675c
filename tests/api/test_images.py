"""What a model takes as an image."""

import numpy as np
import pytest
import torch
from PIL import Image

import densevision as dv
from densevision.images import as_image, write_image
from tests.cli.test_demo import DETECTOR, SEGMENTOR, save_model, write_video

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "the image is None, which cv2.imread returns for a file that it can't read; give its path"),
        ([[1, 2]], "the image is of type list; give a path, a NumPy array or a PIL image"),
        (torch.zeros(3, 6, 8), "the image is of type Tensor; give a path"),
        (PIXELS / 255, r"the image is float64 6x8x3, not uint8 \[H, W, 3\] RGB; convert it: \(255 \* image\)"),
        (PIXELS.astype(np.float32), "the image is float32 6x8x3"),
        (PIXELS.astype(np.uint16), r"uint16 6x8x3, .*; scale it to 0..255, then image.astype\(np.uint8\)"),
        (PIXELS > 5, "the image is bool 6x8x3"),
        (PIXELS[..., 0], r"uint8 6x8, .*; stack it: np.stack\(\[image\] \* 3, axis=-1\)"),
        (PIXELS[..., [0, 1, 2, 2]], r"uint8 6x8x4, .*; drop the transparency: image\[..., :3\]"),
        (PIXELS[..., :2], "uint8 6x8x2, .*; give 3 channels"),
        (PIXELS.transpose(2, 0, 1), r"uint8 3x6x8, .*; move the channels to the end: image.transpose\(1, 2, 0\)"),
        (PIXELS[None], r"uint8 1x6x8x3, .*; give one image at a time, image\[0\]"),
        (PIXELS[:0], "uint8 0x8x3, .*; it has no pixels"),
        (np.array(3, np.uint8), "the image is uint8 a single value"),
        (Image.new("I;16", (8, 6)), "the PIL image has the mode I;16; scale it to 8 bits, then convert it to RGB"),
        (Image.new("F", (8, 6)), "mode F"),
        ("nowhere.jpg", "nowhere.jpg: No such file"),
        ("https://example.org/a.jpg", "https://example.org/a.jpg: an address, not a file; download it first"),
        ("", "image is ''; give a path"),
        ("a\0.jpg", "image is .*; give a path"),
        (".", ".: a folder, not an image"),
    ],
)
def test_what_is_not_an_image_is_refused_in_one_line(image, message):
    with pytest.raises(dv.UserError, match=message) as raised:
        as_image(image)
    assert "\n" not in str(raised.value)


def test_arrays_paths_and_pil_images_give_the_same_pixels(tmp_path):
    write_image(tmp_path / "a.png", PIXELS)
    pil = Image.open(tmp_path / "a.png")
    for image in (PIXELS, str(tmp_path / "a.png"), tmp_path / "a.png", pil, pil.convert("RGBA")):
        assert (as_image(image) == PIXELS).all()
    assert (as_image(PIXELS[..., ::-1], bgr=True) == PIXELS).all()
    assert as_image(PIXELS[:, ::-1]).flags.c_contiguous
    with pytest.raises(dv.UserError, match="a file is read as RGB, so leave bgr out"):
        as_image(tmp_path / "a.png", bgr=True)


def test_pil_images_are_converted_and_turned():
    gray = Image.fromarray(PIXELS[..., 0])
    assert (as_image(gray) == PIXELS[..., :1]).all()
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert as_image(palette).tolist() == [[[10, 20, 30], [10, 20, 30]]]
    turned = Image.fromarray(PIXELS)
    turned.getexif()[0x0112] = 6  # to be turned by 90 degrees, as read_image does
    assert (as_image(turned) == np.rot90(PIXELS, -1)).all()


def test_pil_images_without_pixels_are_refused(tmp_path):
    write_image(tmp_path / "a.png", np.tile(PIXELS, (20, 20, 1)))
    closed = Image.open(tmp_path / "a.png")
    closed.close()
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:400])
    with Image.open(tmp_path / "cut.png") as cut:
        for image in (closed, cut):
            with pytest.raises(dv.UserError, match="the PIL image can't be read: .*; open a whole file, and keep it"):
                as_image(image)
    with pytest.raises(dv.UserError, match="bgr=True is for arrays; a PIL image"):
        as_image(Image.fromarray(PIXELS), bgr=True)


@pytest.mark.filterwarnings("error")
def test_a_read_only_image_gives_no_warning(tmp_path):
    config, checkpoint = save_model(tmp_path, SEGMENTOR)
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels.flags.writeable = False
    assert dv.load(checkpoint, config)(pixels).image.shape == (32, 32, 3)


def test_a_predictor_refuses_what_is_not_an_image(tmp_path):
    config, checkpoint = save_model(tmp_path, SEGMENTOR)
    predictor = dv.load(checkpoint, config).predictor
    with pytest.raises(dv.UserError, match="the image is float64"):
        predictor(PIXELS / 255)


# --- models


def test_a_model_takes_images_and_videos(tmp_path):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    model = dv.load(checkpoint, config, score_threshold=0.02, device="cpu")
    assert repr(model) == "Model(detection, 2 classes, input 96x96)"
    results = list(model.video(write_video(tmp_path / "in.mp4", 3)))
    assert [result.image.shape for result in results] == [(96, 128, 3)] * 3
    again = model(results[0].image)
    assert np.array_equal(again.boxes, results[0].boxes) and len(again) > 0
    assert again.boxes.dtype == again.scores.dtype == np.float32 and again.labels.dtype == np.int64
    with pytest.raises(dv.UserError, match="no such file"):
        model.video(tmp_path / "nowhere.mp4")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "source is ''; give a path"),
        (None, "source is None; give a path"),
        ("no.mp4", "no.mp4: no such"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path, source, message):
    config, checkpoint = save_model(tmp_path, DETECTOR)
    with pytest.raises(dv.UserError, match=message):
        dv.load(checkpoint, config).video(source)
