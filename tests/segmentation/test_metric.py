"""IoU computed by hand and by the mmengine metric; test_official.py compares with cityscapesscripts."""

import math

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from PIL import Image

from densevision.data.samples import SegSample
from densevision.segmentation.metric import IoUMetric, compute_scores, confusion_matrix, iou

# Two rows of three pixels, three classes, one pixel ignored.
TARGET = torch.tensor([[0, 0, 1], [1, 2, 255]], dtype=torch.uint8)
PRED = torch.tensor([[0, 1, 1], [1, 0, 2]], dtype=torch.uint8)
CONFUSION = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]  # rows are targets


def sample(pred, target=None, path="/data/leftImg8bit/val/aachen/aachen_000000_000019_leftImg8bit.png"):
    made = SegSample(metainfo=dict(img_path=path, ori_size=tuple(pred.shape), input_size=tuple(pred.shape)))
    made.pred = PixelData(labels=pred[None])
    if target is not None:
        made.gt = PixelData(labels=target[None])
    return made.to_dict()


def metric(classes=("road", "car", "sky"), label_ids=(7, 26, 23), **options):
    made = IoUMetric(**options)
    made.dataset_meta = dict(classes=classes, label_ids=label_ids)
    return made


def test_confusion_matrix_counts_pairs_and_skips_ignored_pixels():
    counted = confusion_matrix(PRED, TARGET, 3)
    assert counted.tolist() == CONFUSION
    assert counted.dtype == torch.int64


def test_confusion_matrix_of_an_image_without_labels_is_zero():
    assert confusion_matrix(PRED, torch.full_like(TARGET, 255), 3).tolist() == [[0] * 3] * 3


@pytest.mark.parametrize("pred, target", [([3], [0]), ([0], [3]), ([0, 1], [0])])
def test_confusion_matrix_raises_an_error_for_labels_out_of_range_and_other_shapes(pred, target):
    with pytest.raises(ValueError):
        confusion_matrix(torch.tensor(pred), torch.tensor(target), 3)


def test_iou_is_intersection_over_union():
    # class 0: 1 hit, 2 target, 2 predicted -> 1/3; class 1: 2 hits, 2 target, 3 predicted -> 2/3; class 2: 0
    torch.testing.assert_close(iou(torch.tensor(CONFUSION)), torch.tensor([1 / 3, 2 / 3, 0.0]).double())


def test_iou_of_an_absent_class_is_nan_and_not_in_the_mean():
    confusion = torch.tensor([[2, 0, 0], [2, 4, 0], [0, 0, 0]])
    assert math.isnan(iou(confusion)[2])
    assert compute_scores(confusion, ["a", "b", "c"]) == pytest.approx(
        {"mIoU": (2 / 4 + 4 / 6) / 2, "aAcc": 6 / 8, "IoU_a": 2 / 4, "IoU_b": 4 / 6}
    )


def test_bytes_are_counted_as_other_types_are():
    generator = torch.Generator().manual_seed(0)
    for classes in (2, 19, 255):
        pred = torch.randint(0, classes, (40, 50), generator=generator)
        target = torch.randint(0, classes, (40, 50), generator=generator)
        target[torch.rand(40, 50, generator=generator) < 0.2] = 255
        counts = confusion_matrix(pred.byte(), target.byte(), classes)
        assert torch.equal(counts, confusion_matrix(pred, target, classes)) and counts.dtype == torch.int64
    for name, maps in {"target": (pred * 0, target * 0 + 2), "prediction": (pred * 0 + 2, target * 0)}.items():
        with pytest.raises(ValueError, match=f"{name} contains a label outside 0..1"):
            confusion_matrix(*(labels.byte() for labels in maps), 2)


def test_perfect_prediction_scores_exactly_one():
    assert set(compute_scores(confusion_matrix(TARGET * 0 + 1, TARGET * 0 + 1, 2), ["a", "b"]).values()) == {1.0}


def test_metric_sums_pixels_over_images_before_dividing():
    shell = metric()
    shell.process(None, [sample(PRED, TARGET)])
    shell.process(None, [sample(TARGET * 0, TARGET * 0)])  # six pixels of class 0, all right
    scores = shell.evaluate(2)
    assert scores["seg/IoU_road"] == pytest.approx(7 / 9)  # 1 + 6 hits; union 3 + 6
    assert scores["seg/mIoU"] == pytest.approx((7 / 9 + 2 / 3 + 0) / 3)
    assert scores["seg/aAcc"] == pytest.approx(9 / 11)
    assert shell.confusion.tolist() == [[7, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_metric_has_one_result_per_image_so_that_padding_of_the_last_batch_is_dropped():
    shell = metric()
    shell.process(None, [sample(PRED, TARGET), sample(PRED, TARGET)])
    assert len(shell.results) == 2
    assert shell.evaluate(1) and shell.confusion.tolist() == CONFUSION


def test_metric_writes_label_ids_of_the_data_set_and_needs_no_ground_truth(tmp_path):
    shell = metric(out_dir=tmp_path)
    shell.process(None, [sample(PRED)])
    assert shell.evaluate(1) == {}
    assert shell.write_report(tmp_path) == {"predictions": str(tmp_path)}
    assert "no labels" in shell.table
    written = np.asarray(Image.open(tmp_path / "aachen" / "aachen_000000_000019_leftImg8bit.png"))
    assert written.tolist() == [[7, 26, 26], [26, 7, 23]]


def test_metric_reports_table_and_files(tmp_path):
    shell = metric()
    shell.process(None, [sample(PRED, TARGET)])
    shell.evaluate(1)
    assert "car     66.67" in shell.table
    assert set(shell.write_report(tmp_path)) == {"iou_table", "confusion_csv", "confusion_png"}


def test_class_without_pixels_is_noted_next_to_a_perfect_mean():
    shell = metric()
    assert shell.note == ""  # as in all but the main process
    shell.process(None, [sample(TARGET[:, :2] * 0, TARGET[:, :2] * 0)])
    assert shell.evaluate(1)["seg/mIoU"] == 1.0
    assert shell.note == "2 of 3 classes have no pixel"
    assert "mIoU   100.00  2 of 3 classes have no pixel" in shell.table
    shell.process(None, [sample(PRED, TARGET)])
    shell.evaluate(1)
    assert shell.note == "" and "no pixel" not in shell.table
