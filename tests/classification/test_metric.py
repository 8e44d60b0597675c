"""Top-1, top-5 and per-class figures, by hand."""

import numpy as np
import pytest
import torch

from densevision.classification.metric import TopKMetric
from densevision.classification.results import class_table, compute_scores
from densevision.confusion import most_confused

# 4 of 5 cats, 1 of 2 dogs, 0 of 1 owls; one cat is taken for a dog, one dog for a cat, the owl for a cat.
CONFUSION = np.array([[4, 1, 0], [1, 1, 0], [1, 0, 0]])
CLASSES = ("cat", "dog", "owl")


def test_figures():
    scores = compute_scores(CONFUSION, CLASSES, None)
    assert scores == pytest.approx(
        dict(top1=5 / 8, mean_recall=(0.8 + 0.5 + 0) / 3, recall_cat=0.8, recall_dog=0.5, recall_owl=0.0)
    )
    assert compute_scores(np.zeros((3, 3), int), CLASSES, None) == {}


def test_a_class_without_images_does_not_count():
    scores = compute_scores(CONFUSION[:2, :2], CLASSES[:2], 1.0)
    absent = np.zeros((3, 3), int)
    absent[:2, :2] = CONFUSION[:2, :2]
    assert compute_scores(absent, CLASSES, 1.0) == scores
    assert "1 of 3 classes without images" in class_table(absent, CLASSES)


def test_table():
    # precision of cat 4 / 6; F1 of cat 2 * 4 / (5 + 6)
    assert class_table(CONFUSION, CLASSES, 0.9).splitlines() == [
        "class        recall  precision      F1  images",
        "cat           80.00      66.67   72.73       5",
        "dog           50.00      50.00   50.00       2",
        "owl            0.00          -    0.00       1",
        "top-1         62.50                          8",
        "top-5         90.00",
        "mean recall   43.33",
    ]


def sample(label, scores):
    return dict(gt=dict(label=torch.tensor([label])), pred=dict(score=torch.tensor(scores)), img_path=f"{label}.jpg")


def test_the_metric_ranks_classes():
    metric = TopKMetric()
    metric.dataset_meta = dict(classes=tuple("abcdef"))
    rows = [
        sample(0, [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]),  # correct
        sample(1, [0.3, 0.25, 0.2, 0.1, 0.1, 0.05]),  # second
        sample(5, [0.9, 0.02, 0.02, 0.02, 0.02, 0.01]),  # last, not among five
    ]
    metric.process(None, rows)
    figures = metric.evaluate(3)
    assert figures["cls/top1"] == pytest.approx(1 / 3) and figures["cls/top5"] == pytest.approx(2 / 3)
    assert [one.path for one in metric.details.worst] == ["5.jpg", "1.jpg"]  # the surest first
    assert [one.path for one in metric.details.best] == ["0.jpg"]


def test_result_files(tmp_path):
    metric = TopKMetric()
    metric.dataset_meta = dict(classes=("a", "b"))
    assert metric.table == "" and metric.write_report(tmp_path) == {}
    metric.process(None, [sample(0, [0.7, 0.3]), sample(1, [0.6, 0.4])])
    assert "cls/top5" not in metric.evaluate(2)
    files = metric.write_report(tmp_path)
    assert set(files) == {"class_table", "confusion_csv", "confusion_png"}
    assert (tmp_path / "confusion.csv").read_text().splitlines() == ["target \\ predicted,a,b", "a,1,0", "b,1,0"]


def test_of_many_classes_the_most_confused_are_drawn():
    counts = np.diag([5, 5, 5, 5])
    counts[0, 2] = 3  # an error of 0, and of 2
    assert most_confused(counts, 2) == [0, 2]
    assert most_confused(counts, 4) == [0, 1, 2, 3]
