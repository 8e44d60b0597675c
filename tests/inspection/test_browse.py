"""What ``densevision browse`` writes, and what it refuses."""

import base64
import re

import cv2
import numpy as np
import pytest
from PIL import Image

from densevision.cli.main import main
from densevision.visualize import class_color


def browse(data, *words):
    return main(["browse", str(data.root / "mine.py"), *map(str, words)])


@pytest.mark.parametrize("augmented", [False, True])
def test_a_grid_has_a_row_per_class_and_its_images_side_by_side(data, tmp_path, capsys, augmented):
    out = tmp_path / "grid.png"
    assert browse(data, "--out", out, "--count", "2", *["--augmented"] * augmented) == 0
    assert "wrote " in capsys.readouterr().out
    with Image.open(out) as grid:  # cells of 320x240, 6 apart, with a line of 22 above and below
        assert grid.size == (2 * (1 + augmented) * 326 + 6, 2 * 290 + 6)
        pixels = np.asarray(grid)
    # 48x64 is drawn as it is, and enlarged by 5 to 240x320: the left edge of the box at x=4 is at column 20 of the cell
    edge = pixels[6 + 22 + 5 * 20, 6 + 20 : 6 + 25]
    assert np.abs(edge.astype(int) - class_color(0)).max() <= 1


def images_of(page):
    encoded = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    return [cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR) for text in encoded]


def test_a_page_shows_findings_first_and_needs_no_other_file(data, tmp_path):
    data.change(lambda content: content["annotations"][0].update(bbox=[4, 8, 0, 24]))
    assert browse(data, "--out", tmp_path / "samples", "--count", "2", "--class", "dog") == 0
    page = (tmp_path / "samples" / "index.html").read_text()
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == ["Findings", "Images of these findings", "dog"]
    assert "1 box of zero size" in page and page.count("<b>degenerate</b>") >= 1
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page) and "<script" not in page
    assert [image.shape for image in images_of(page)] == [(48, 64, 3)] * 3


def test_a_page_shows_each_image_as_training_sees_it_next_to_it(data, tmp_path):
    assert browse(data, "--out", tmp_path / "a.html", "--count", "1", "--augmented") == 0
    shapes = [image.shape[:2] for image in images_of((tmp_path / "a.html").read_text())]
    assert shapes == [(48, 64), (64, 64)] * 2  # the detector resizes to 64x64


def test_an_image_that_cannot_be_read_is_named_in_its_place(data, tmp_path):
    (data.root / "train" / "c.jpg").write_bytes(b"no image")
    assert browse(data, "--out", tmp_path / "a.html", "--count", "10") == 0
    page = (tmp_path / "a.html").read_text()
    assert re.search(r"<b>unreadable</b> c.jpg: .*not a readable image", page)


def test_the_same_seed_chooses_the_same_images(data, tmp_path):
    pages = []
    for seed in (3, 3, 4):
        browse(data, "--out", tmp_path / "a.html", "--seed", seed, "--augmented")
        pages.append((tmp_path / "a.html").read_text())
    assert pages[0] == pages[1] != pages[2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--class", "dgo"), "did you mean dog?"),
        (("--split", "vall"), "did you mean val?"),
        (("--count", "0"), "--count 0"),
        (("--seed", "-1"), "--seed -1"),
        (("--out", "grid.jpg"), "give a .png, an .html page, or a folder"),
    ],
)
def test_a_wrong_word_is_one_line(data, tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.chdir(tmp_path)
    assert browse(data, *words) == 2
    printed = capsys.readouterr().err.splitlines()
    assert says in printed[-1]
