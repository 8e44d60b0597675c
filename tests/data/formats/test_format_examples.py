"""The examples of docs/data_formats.md, and supervision's readers, give the same boxes."""

import re
from pathlib import Path

import numpy as np
import pytest

from densevision.data.formats.readers import BOX_READERS
from tests.data.formats.box_trees import CAR, PERSON, boxes, image, read, text, write_createml, write_voc, write_yolo
from tests.doc_examples import code_blocks

PAGE = Path(__file__).parents[3] / "docs/data_formats.md"
SECTIONS = re.split(r"^### ", PAGE.read_text().split("## Detection: other formats\n")[1].split("\n## ")[0], flags=re.M)


@pytest.mark.parametrize("section", SECTIONS[1:], ids=lambda section: section.partition("\n")[0])
def test_the_examples_of_the_page_load(tmp_path, section):
    (tmp_path / "page.md").write_text(section)
    listing, *files = code_blocks(tmp_path / "page.md")
    for name in listing.text.split()[1:]:
        if name.endswith(".jpg"):
            image(tmp_path / "mydata" / name)
    for block in files:
        text(tmp_path / "mydata" / block.title, block.text)
    found = {
        name: [(label, *np.round(box, 2)) for label, *box in rows]
        for name, rows in boxes(read(tmp_path / "mydata")).items()
    }
    assert found == {"street.jpg": [("car", *CAR), ("person", *PERSON)], "empty.jpg": []}


def test_every_format_has_a_row_in_the_table_of_the_page():
    assert re.findall(r'^\| `"(\w+)"`', SECTIONS[0], re.M) == list(BOX_READERS)


@pytest.mark.reference
@pytest.mark.parametrize("name", ["yolo", "voc", "createml"])
def test_supervision_reads_the_same_boxes(tmp_path, name):
    dataset = pytest.importorskip("supervision").DetectionDataset
    if name == "yolo":
        write_yolo(tmp_path)
        paths = [str(tmp_path / part) for part in ("images", "labels", "data.yaml")]
        theirs = dataset.from_yolo(*paths)
    elif name == "voc":
        write_voc(tmp_path)
        theirs = dataset.from_pascal_voc(str(tmp_path / "JPEGImages"), str(tmp_path / "Annotations"))
    else:
        write_createml(tmp_path)
        theirs = dataset.from_createml(str(tmp_path), str(tmp_path / "_annotations.createml.json"))
    ours = boxes(read(tmp_path))
    for path, _, found in theirs:
        rows = ours[Path(path).name]
        assert [theirs.classes[label] for label in found.class_id] == [label for label, *_ in rows]
        np.testing.assert_allclose(found.xyxy.reshape(-1, 4), np.reshape([box for _, *box in rows], (-1, 4)), atol=1e-3)
