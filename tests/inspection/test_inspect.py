"""``densevision check`` names planted faults, one data set per kind."""

import json

import numpy as np
import pytest
from PIL import Image

from densevision.cli.main import main
from densevision.images import write_image

SIZE = (64, 96)  # height, width


def image(number):
    return np.random.default_rng(number).integers(0, 255, (*SIZE, 3)).astype(np.uint8)


def write_coco(root, split, count, first=0, boxes=None):
    """Write images of their own numbers with one box each; returns the json's content."""
    (root / split).mkdir(parents=True)
    for number in range(count):
        write_image(root / split / f"{number}.jpg", image(first + number))
    content = dict(
        images=[dict(id=n, file_name=f"{n}.jpg", height=SIZE[0], width=SIZE[1]) for n in range(count)],
        categories=[dict(id=1, name="cat"), dict(id=2, name="dog")],
        annotations=[
            dict(id=n, image_id=n, category_id=1 + n % 2, bbox=(boxes or {}).get(n, [10, 10, 30, 30]))
            for n in range(count)
        ],
    )
    (root / "annotations").mkdir(exist_ok=True)
    (root / f"annotations/instances_{split}.json").write_text(json.dumps(content))
    return content


def check(root, tmp_path, capsys):
    """Run the command; returns status, printed text, and the findings by kind and split."""
    out = tmp_path / "found.json"
    status = main(["check", str(root), "--json", str(out)])
    found = json.loads(out.read_text())
    return status, capsys.readouterr().out, {(each["kind"], each["split"]): each for each in found["findings"]}


@pytest.fixture
def root(tmp_path):
    write_coco(tmp_path / "data", "train", 6)
    write_coco(tmp_path / "data", "val", 2, first=10)
    return tmp_path / "data"


def test_sound_data_have_no_errors(root, tmp_path, capsys):
    status, printed, found = check(root, tmp_path, capsys)
    assert status == 0 and "training can run: 0 errors, 0 warnings; 8 images read" in printed
    assert "train: 6 images, 6 boxes: cat 3, dog 3" in printed and "image sizes: 96x64 (6)" in printed
    assert {kind for kind, _ in found} <= {"rare-class", "counts"}


def test_images_that_cannot_be_read_are_skipped_in_train_and_stop_val(root, tmp_path, capsys):
    for split in ("train", "val"):
        whole = (root / split / "0.jpg").read_bytes()
        (root / split / "0.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "train/1.jpg").write_text("no image")
    status, printed, found = check(root, tmp_path, capsys)
    assert status == 1 and "training would stop" in printed
    assert found["truncated", "train"]["action"] == "skip" and found["unreadable", "train"]["count"] == 1
    assert found["truncated", "val"]["severity"] == "error"
    assert found["truncated", "train"]["files"] == [str(root / "train/0.jpg")]


def test_unusual_formats_are_notes(root, tmp_path, capsys):
    Image.fromarray(image(1)).convert("CMYK").save(root / "train/0.jpg")
    status, _, found = check(root, tmp_path, capsys)
    assert status == 0 and found["cmyk", "train"]["files"] == [str(root / "train/0.jpg")]


def test_an_image_in_two_splits_is_named_with_its_twin(root, tmp_path, capsys):
    (root / "val/1.jpg").write_bytes((root / "train/3.jpg").read_bytes())
    status, printed, found = check(root, tmp_path, capsys)
    twin = found["identical-across-splits", "val"]
    assert status == 0 and twin["files"] == [str(root / "val/1.jpg")] and twin["twins"] == [str(root / "train/3.jpg")]
    assert "1 of 2 images have the same pixels as images in train" in printed.replace("\n    ", " ")


def test_a_copy_in_another_quality_is_a_near_duplicate(root, tmp_path, capsys):
    smooth = np.tile(np.linspace(30, 220, SIZE[1])[None, :, None], (SIZE[0], 1, 3)).astype(np.uint8)
    smooth[10:40, 20:60] = (200, 30, 30)
    Image.fromarray(smooth).save(root / "train/4.jpg", quality=95)
    Image.fromarray(smooth).save(root / "val/0.jpg", quality=70)
    _, _, found = check(root, tmp_path, capsys)
    assert found["near-duplicate-across-splits", "val"]["files"] == [str(root / "val/0.jpg")]


def test_boxes_that_are_not_used_and_sizes_that_differ_are_named(root, tmp_path, capsys):
    content = json.loads((root / "annotations/instances_train.json").read_text())
    content["annotations"][0]["bbox"] = [10, 10, 0, 5]
    content["annotations"][1]["bbox"] = [200, 10, 5, 5]
    (root / "annotations/instances_train.json").write_text(json.dumps(content))
    write_image(root / "val/0.jpg", image(0)[:32])
    status, printed, found = check(root, tmp_path, capsys)
    assert status == 1 and "1 of 2 images do not have the size of their annotations" in printed.replace("\n    ", " ")
    assert found["untrained", "train"]["action"] == "ignore"


def test_a_json_that_contradicts_itself_is_an_error_and_the_other_split_is_read(root, tmp_path, capsys):
    content = json.loads((root / "annotations/instances_val.json").read_text())
    content["annotations"][0]["category_id"] = 9
    (root / "annotations/instances_val.json").write_text(json.dumps(content))
    status, printed, found = check(root, tmp_path, capsys)
    assert status == 1 and "no category has the category_id 9" in found["unusable", "val"]["text"]
    assert "train: 6 images, 6 boxes" in printed and "val: can't be used" in printed


def test_masks_with_ids_of_no_class_are_named_with_their_files(tmp_path, capsys):
    root = tmp_path / "data"
    for number in range(6):
        write_image(root / f"images/{number}.png", image(number))
        mask = np.zeros(SIZE, np.uint8)
        mask[20:40, 20:40], mask[:8] = 1, 2
        (root / "masks").mkdir(exist_ok=True)
        if number == 5:
            mask[50:, 80:] = 255
        Image.fromarray(mask).save(root / f"masks/{number}.png")
    (root / "classes.txt").write_text("ground\nfield\nsky\n")
    status, printed, found = check(root, tmp_path, capsys)
    assert status == 0 and "ground" in printed
    assert found["unnamed-id", "all"]["files"] == [str(root / "masks/5.png")]
    assert found["unnamed-id", "all"]["count"] == 14 * 16  # rows 50 to 63, columns 80 to 95


def test_a_wrong_source_is_one_line(tmp_path, capsys):
    assert main(["check", str(tmp_path / "absent")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("augmented", [False, True])
def test_browse_writes_a_grid(root, tmp_path, capsys, augmented):
    out = tmp_path / "grid.png"
    words = ["browse", str(root), "--out", str(out), "--count", "3", "--class", "dog", *(["--augmented"] * augmented)]
    assert main(words) == 0 and "3 of 6 images of train" in capsys.readouterr().out
    with Image.open(out) as grid:  # tiles of 320x320: 2 columns and rows, or pairs in 4 columns
        assert grid.size == ((4 if augmented else 2) * 326 + 6, 2 * 350 + 6)


def test_browse_names_what_is_near(root, tmp_path, capsys):
    out = str(tmp_path / "grid.png")
    assert main(["browse", str(root), "--out", out, "--class", "dgo"]) == 2
    assert "did you mean dog" in capsys.readouterr().err
    assert main(["browse", str(root), "--out", out, "--split", "vall"]) == 2
    assert "did you mean val" in capsys.readouterr().err
