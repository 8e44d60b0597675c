import csv
from pathlib import Path

import numpy as np
from PIL import Image

from densevision.segmentation.results import iou_table, write_report

CONFUSION = np.array([[6, 2, 0], [0, 2, 0], [0, 0, 0]])
CLASSES = ("road", "car", "traffic sign")


def test_table_lists_percentages_and_a_dash_for_an_absent_class():
    # road: 6 of 8 labeled, all 6 predicted; car: 2 of 2 labeled, 4 predicted
    assert iou_table(CONFUSION, CLASSES).splitlines() == [
        "class            IoU  precision  recall  pixels",
        "road           75.00     100.00   75.00   80.00",
        "car            50.00      50.00  100.00   20.00",
        "traffic sign       -          -       -    0.00",
        "mIoU           62.50  1 of 3 classes has no pixel",
        "aAcc           80.00",
    ]


def test_table_without_pixels_has_dashes_only():
    assert "nan" not in iou_table(np.zeros((3, 3), np.int64), CLASSES)


def test_report_writes_table_csv_and_image(tmp_path):
    paths = write_report(CONFUSION, CLASSES, tmp_path / "report")
    assert "75.00" in Path(paths["iou_table"]).read_text()
    rows = list(csv.reader(Path(paths["confusion_csv"]).read_text().splitlines()))
    assert rows[0][1:] == list(CLASSES)
    assert rows[1] == ["road", "6", "2", "0"]
    assert np.asarray(Image.open(paths["confusion_png"])).std() > 0
