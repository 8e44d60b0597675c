"""Images that are rotated, damaged or of another size than annotated."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from densevision.data.sampler import SampleKey
from densevision.errors import UserError
from densevision.images import write_image
from tests.detection.conftest import TABLE
from tests.detection.test_coco_json import dataset, write


def photo(path, size, orientation):
    """Write a photo whose stored pixels have ``size`` = (height, width), with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:, : size[1] // 2] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", exif=exif)
    path.write_bytes(buffer.getvalue())


def replace_image(root, annotated, stored, orientation):
    """Replace the image a.png (40x80) by a photo, and its size in the json."""
    photo(root / "images" / "a.png", stored, orientation)
    write(root, lambda t: t["images"][0].update(height=annotated[0], width=annotated[1]))


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize(
    ("annotated", "stored", "orientation", "options", "words"),
    [
        ((40, 80), (20, 40), 1, {}, "1 of 3 images do not have .*a.png is annotated as 80x40 .* it is 40x20.*resized"),
        ((40, 80), (80, 40), 1, {}, "annotated as 80x40 .* but it is 40x80: maybe width and height are swapped"),
        ((40, 80), (40, 80), 6, {}, "annotated as 80x40 .* but its EXIF tag rotates it to 40x80: set exif='ignore'"),
        (
            (80, 40),
            (40, 80),
            8,
            dict(exif="ignore"),
            "without the rotation of its EXIF tag it is 80x40: set exif='apply'",
        ),
        ((40, 80), (60, 80), 6, {}, "annotated as 80x40 .* but it is 60x80"),
    ],
)
def test_image_of_another_size_than_annotated_raises_an_error(
    coco_root, split, annotated, stored, orientation, options, words
):
    replace_image(coco_root, annotated, stored, orientation)
    with pytest.raises(UserError, match=words) as caught:
        dataset(coco_root, **options).count(split)
    assert "\n" not in str(caught.value)


def test_wrong_size_also_raises_an_error_when_the_image_is_loaded(coco_root):
    replace_image(coco_root, (40, 80), (40, 80), 6)
    data = dataset(coco_root)
    for key in (0, SampleKey(0, 1)):
        with pytest.raises(UserError, match="a.png is annotated as 80x40 .* set exif='ignore'"):
            data[key]
    assert data[SampleKey(1, 1)]["data_samples"].img_id == 7


def test_photo_with_exif_rotation_is_read_as_annotated(coco_root):
    replace_image(coco_root, (80, 40), (40, 80), 6)
    data = dataset(coco_root)
    assert (
        "1 images are read rotated by their EXIF tag, which fits the size of their annotations"
        in data.count("val").notes
    )
    pixels = data[0]["inputs"]  # rotated to the right, the bright left half is at the top
    assert pixels[0, 2, 20] > 150 and pixels[0, 17, 20] < 50
    assert data[0]["data_samples"].ori_size == (80, 40)
    replace_image(coco_root, (40, 80), (40, 80), 6)
    data = dataset(coco_root, exif="ignore")
    assert (
        "1 images are read as stored, without the rotation of their EXIF tag, which fits the size"
        in data.count("val").notes[1]
    )
    pixels = data[0]["inputs"]
    assert pixels[0, 10, 5] > 150 and pixels[0, 10, 35] < 50 and data[0]["data_samples"].ori_size == (40, 80)


@pytest.mark.parametrize(
    ("size", "orientation", "sized"), [((40, 40), 6, True), ((40, 80), 3, True), ((40, 80), 6, False)]
)
def test_rotation_that_the_size_does_not_show_is_noted(coco_root, size, orientation, sized):
    replace_image(coco_root, size, size, orientation)
    if not sized:
        write(coco_root, lambda t: [t["images"][0].pop(key) for key in ("width", "height")])
    notes = dataset(coco_root).count("val").notes
    assert "1 images are read rotated by their EXIF tag" in notes
    assert any("are rotated too: check a.png, and set exif='ignore' if" in note for note in notes)


def test_rotated_photo_without_boxes_is_not_noted(coco_root):
    photo(coco_root / "images" / "b.png", (80, 40), 6)
    assert not any("EXIF" in note for note in dataset(coco_root).count("val").notes)


@pytest.mark.parametrize("damage", [b"", b"no image", "half"])
def test_damaged_image_is_an_error_before_an_evaluation_and_skipped_in_training(coco_root, damage):
    path = coco_root / "images" / "a.png"
    path.write_bytes(path.read_bytes()[:60] if damage == "half" else damage)
    data = dataset(coco_root)
    for split in ("val", "test"):
        with pytest.raises(UserError, match="a.png: .*; fix or delete the image and its annotation"):
            data.count(split)
    notes = data.count("train").notes
    assert any(note.startswith("1 images can't be read and will be skipped, the first is") for note in notes)


def test_headers_of_training_images_are_sampled(tmp_path):
    images = [dict(id=number, file_name=f"{number}.png", height=8, width=8) for number in range(2000)]
    for image in images:
        write_image(tmp_path / "images" / image["file_name"], np.zeros((8, 8, 3), np.uint8))
    annotations = [dict(id=number, image_id=number, category_id=2, bbox=[1, 1, 5, 5]) for number in range(2000)]
    (tmp_path / "truth.json").write_text(json.dumps(TABLE | dict(images=images, annotations=annotations)))
    (tmp_path / "images" / "3.png").write_bytes(b"")  # 0, 2, 4, ... are checked
    data = dataset(tmp_path)
    assert data.count("train").notes == ()
    with pytest.raises(UserError, match="3.png"):
        data.count("val")


def test_file_names_of_another_machine_are_noted_once(coco_root):
    write(coco_root, lambda t: [i.update(file_name="C:\\data\\" + i["file_name"].upper()) for i in t["images"]])
    data = dataset(coco_root)
    assert [len(data[i]["data_samples"].gt.labels) for i in range(3)] == [2, 0, 1]
    assert any(note.startswith("3 file_name entries are spelled differently") for note in data.count("train").notes)
