"""What people and tools get wrong in well-formed files, in every format of boxes."""

import cv2
import pytest
from PIL import Image

from densevision.errors import UserError
from tests.data.formats.box_trees import CAR, FORMATS, HEIGHT, PERSON, WIDTH, boxes, image, read

STREET = [("car", *CAR), ("person", *PERSON)]
WITH_SIZES = [name for name in FORMATS if name not in ("yolo", "createml")]  # these state no sizes
# The person's box with a width of zero.
FLAT = dict(
    coco=("[40, 8, 10, 30]", "[40, 8, 0, 30]"),
    yolo=("0.15625 0.625", "0 0.625"),
    voc=("<xmax>50</xmax>", "<xmax>40</xmax>"),
    labelme=("[[50, 38], [40, 8]]", "[[40, 38], [40, 8]]"),
    cvat=('xbr="50"', 'xbr="40"'),
    label_studio=('"width": 15.625', '"width": 0'),
    createml=('"width": 10,', '"width": 0,'),
    csv=("40,8,50,38", "40,8,40,38"),
)


@pytest.mark.parametrize("name", WITH_SIZES)
def test_an_image_that_was_resized_after_the_labeling_is_refused(tmp_path, name):
    FORMATS[name](tmp_path)
    image(next(tmp_path.rglob("street.jpg")), (2 * HEIGHT, 2 * WIDTH))
    with pytest.raises(UserError, match=r"street\.jpg is annotated as 64x48 .* but it is 128x96: maybe it was resized"):
        read(tmp_path).count("train")


@pytest.mark.parametrize("name", WITH_SIZES)
def test_a_rotation_that_the_labels_do_not_have_is_refused_with_the_remedy(tmp_path, name):
    FORMATS[name](tmp_path)
    path = next(tmp_path.rglob("street.jpg"))
    stored = Image.open(path)
    exif = stored.getexif()
    exif[0x112] = 6
    stored.save(path, exif=exif)
    with pytest.raises(UserError, match=r"its EXIF tag rotates it to 48x64: set exif='ignore'"):
        read(tmp_path).count("train")
    assert boxes(read(tmp_path, exif="ignore"))["street.jpg"] == STREET


@pytest.mark.parametrize("name", FORMATS)
def test_classes_are_matched_by_name_with_those_of_the_training(tmp_path, name):
    FORMATS[name](tmp_path)
    dataset = read(tmp_path)
    dataset.align_classes(("person", "dog", "car"))
    assert dataset.metainfo["classes"] == ("person", "dog", "car") and boxes(dataset)["street.jpg"] == STREET
    with pytest.raises(UserError, match="person"):
        read(tmp_path).align_classes(("dog", "car"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_box_without_width_is_counted_and_ignored(tmp_path, name):
    FORMATS[name](tmp_path)
    old, new = FLAT[name]
    changed = 0
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix != ".jpg" and old in path.read_text():
            path.write_text(path.read_text().replace(old, new))
            changed += 1
    assert changed == 1
    counts = read(tmp_path).count("train")
    assert counts.per_class == {"car": 1, "person": 0}
    assert counts.untrained == {"of zero size": 1}


@pytest.mark.parametrize("name", FORMATS)
def test_an_image_that_is_damaged_is_counted(tmp_path, name):
    FORMATS[name](tmp_path)
    path = next(tmp_path.rglob("street.jpg"))
    path.write_bytes(cv2.imencode(".jpg", cv2.imread(str(path)))[1].tobytes()[:20])
    notes = read(tmp_path).count("train").notes
    assert any("1 images can't be read and will be skipped" in note for note in notes)
