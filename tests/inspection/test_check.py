"""Each fault of images and boxes, planted once, with the finding it must give."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.inspection.conftest import brief, pixels


def test_sound_data_have_no_finding(data, capsys):
    assert data.check() == (0, [])
    printed = capsys.readouterr().out
    assert "train: 10 images, 20 boxes: cat 10, dog 10" in printed and "0 errors, 0 warnings, 0 notes" in printed
    assert "objects per image: 2 to 2, median 2" in printed and "Training can run." in printed
    assert max(map(len, printed.splitlines())) <= 80


def jpeg(**options):
    buffer = io.BytesIO()
    Image.fromarray(pixels(0)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 3
    return jpeg(exif=exif)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


FRAMES = [Image.fromarray(pixels(seed)) for seed in (0, 1)]
DEEP = Image.fromarray(pixels(0)[..., 0].astype(np.uint16) * 256)
CHANGED_PNG = bytearray(saved(FRAMES[0], "PNG"))
CHANGED_PNG[-20] ^= 255  # in the checksum of the pixels


@pytest.mark.parametrize(
    ("content", "severity", "kind"),
    [
        (b"no image", "warning", "unreadable"),
        (b"", "warning", "unreadable"),
        (jpeg()[:800], "warning", "truncated"),
        (saved(FRAMES[0], "PNG")[:-100], "warning", "truncated"),
        (jpeg()[:800] + b"\xff\xd9", "warning", "damaged"),
        (saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), "note", "animated"),
        (saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "note", "animated"),
        (saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), "note", "animated"),
        (saved(DEEP, "PNG"), "note", "16-bit"),
        (saved(DEEP, "TIFF"), "note", "16-bit"),
        (saved(FRAMES[0].convert("CMYK"), "JPEG"), "note", "cmyk"),
        (saved(FRAMES[0].convert("RGBA"), "PNG"), "note", "transparent"),
        (turned(), "note", "exif-turned"),
    ],
)
def test_an_image_file(data, content, severity, kind):
    (data.root / "train" / "a.jpg").write_bytes(content)
    status, findings = data.check()
    assert (status, brief(findings)) == (0, [(severity, "train", kind, 1, ["a.jpg"])])


def test_damage_in_val_stops_training(data):
    (data.root / "val" / "b.jpg").write_bytes(jpeg()[:800])
    status, findings = data.check()
    assert (status, brief(findings)) == (1, [("error", "val", "truncated", 1, ["b.jpg"])])
    assert findings[0]["action"] == "stop"


def test_an_image_that_was_resized_after_labeling(data):
    Image.fromarray(pixels(0)).resize((32, 24)).save(data.root / "train" / "a.jpg")
    status, findings = data.check()
    assert status == 1 and brief(findings)[0] == ("error", "train", "size-differs", 1, ["a.jpg"])


def set_box(*box):
    return lambda content: content["annotations"][0].update(bbox=list(box))


@pytest.mark.parametrize(
    ("change", "severity", "kind"),
    [
        (set_box(4, 8, 0, 24), "warning", "degenerate"),
        (set_box(4, 8, 0.5, 24), "warning", "degenerate"),
        (set_box(4, 8, -3, 24), "warning", "no-box"),
        (set_box(70, 8, 16, 24), "warning", "outside"),
        (set_box(-4, 8, 16, 24), "note", "overhanging"),
        (set_box(28, 8, 16, 24), "warning", "two-classes"),
        (
            lambda content: content["annotations"].append({**content["annotations"][0], "id": 99}),
            "warning",
            "duplicated",
        ),
        (lambda content: content["annotations"][0].update(iscrowd=1), "note", "crowd"),
        (lambda content: content["annotations"].pop(0) and content["annotations"].pop(0), "note", "no-objects"),
    ],
)
def test_a_box(data, change, severity, kind):
    data.change(change)
    status, findings = data.check()
    files = [] if kind == "no-box" else ["a.jpg"]
    assert status == 0
    assert (severity, "train", kind, 1, files) in brief(findings)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda c: [a.update(category_id=a["category_id"] - 1) for a in c["annotations"]],
            "count the categories from 0",
        ),
        (lambda c: c["annotations"][0].update(category_id=7), "category_id 7 (1 boxes)"),
        (lambda c: c["categories"][1].update(id=1), "2 categories have the id 1"),
        (lambda c: c["categories"][1].update(name="cat"), "2 categories have the name 'cat'"),
        (lambda c: c["annotations"][0].update(image_id=77), "image_id 77, which is not in its images"),
        (lambda c: c["images"][1].update(id=1), "2 images have the id 1"),
        (lambda c: [a.update(bbox=[0.1, 0.1, 0.5, 0.5]) for a in c["annotations"]], "are fractions of the image"),
        (lambda c: [a.update(bbox=[20, 20, 60, 44]) for a in c["annotations"]], "fit as x1, y1, x2, y2"),
        (lambda c: c["images"][0].update(file_name="z.jpg"), "1 of 10 images"),
    ],
)
def test_a_json_that_cannot_be_read_is_one_finding_and_the_other_split_goes_on(data, change, says):
    data.change(change)
    (data.root / "val" / "b.jpg").write_bytes(jpeg()[:800])
    status, findings = data.check()
    assert status == 1 and [(f["split"], f["kind"]) for f in findings] == [("train", "data-set"), ("val", "truncated")]
    assert says in findings[0]["text"]


def test_the_same_image_in_two_splits_and_a_near_duplicate(data, capsys):
    near = pixels(1).astype(int) + 3
    (data.root / "val" / "a.jpg").write_bytes((data.root / "train" / "a.jpg").read_bytes())
    Image.fromarray(near.clip(0, 255).astype(np.uint8)).save(data.root / "val" / "b.jpg", quality=70)
    status, findings = data.check()
    assert (status, brief(findings)) == (
        0,
        [
            ("warning", "val", "identical-across-splits", 1, ["a.jpg"]),
            ("warning", "val", "near-duplicate-across-splits", 1, ["b.jpg"]),
        ],
    )
    assert [f["twins"][0].rpartition("/")[2] for f in findings] == ["a.jpg", "b.jpg"]
    printed = capsys.readouterr().out
    assert "val/a.jpg = train/a.jpg" in printed and "val/b.jpg ~ train/b.jpg" in printed


def test_the_same_image_twice_in_a_split_also_with_other_bytes(data):
    content = (data.root / "train" / "a.jpg").read_bytes()
    comment = b"\xff\xfe\x00\x07hello"
    (data.root / "train" / "c.jpg").write_bytes(content[:2] + comment + content[2:])
    status, findings = data.check()
    assert (status, brief(findings)) == (0, [("warning", "train", "identical", 1, ["c.jpg"])])


def test_classes(data):
    data.change(lambda c: c.update(annotations=[a for a in c["annotations"] if a["category_id"] == 1]))
    status, findings = data.check()
    found = brief(findings)
    assert status == 0
    assert ("warning", "train", "dominant-class", 1, []) in found
    assert ("warning", "train", "empty-class", 1, []) in found
    assert ("warning", "val", "untrained-class", 1, []) in found


def test_boxes_that_are_small_at_the_input_size(data):
    data.change(lambda c: [a.update(bbox=[4, 8, 5, 6]) for a in c["annotations"]])
    _, findings = data.check("--cfg-options", "model.input_size=(32,32)")
    kinds = {f["kind"]: f["text"] for f in findings}
    # 5x6 pixels of 64x48 become 2.5 x 4
    assert kinds["small-boxes"] == "20 of 20 boxes are under 8 pixels long at the input size 32x32"
    assert "anchors" in kinds


def test_images_that_the_json_lacks(data):
    Image.fromarray(pixels(40)).save(data.root / "train" / "extra.png")
    status, findings = data.check()
    assert (status, brief(findings)) == (0, [("note", "train", "not-listed", 1, ["extra.png"])])
