"""Precision, recall, F1 and the confusion of a small evaluation, by hand and from pycocotools' arrays."""

import contextlib
import io
import math

import numpy as np
import pytest
from pycocotools.coco import COCO

from densevision.detection.coco_eval import class_precision, evaluate_boxes
from densevision.detection.matches import FALSE, IGNORED, TRUE, collect_boxes
from densevision.detection.mistakes import SizeRange, confusion, missed_by_size, rank_images
from densevision.detection.thresholds import best_counts, best_threshold, count_at, mean_f1_curve

CAT, DOG = 1, 2
# image, category, box (x, y, width, height), crowd
TRUTH = [
    (1, CAT, [0, 0, 10, 10], 0),
    (1, CAT, [20, 0, 10, 10], 0),
    (2, DOG, [0, 0, 40, 40], 0),
    (2, CAT, [50, 50, 20, 20], 0),
    (3, DOG, [0, 0, 10, 10], 0),
]
# image, category, box, score
FOUND = [
    (1, CAT, [0, 0, 10, 10], 0.9),  # true
    (1, CAT, [70, 70, 5, 5], 0.7),  # on nothing
    (1, CAT, [20, 0, 10, 10], 0.6),  # true
    (2, DOG, [0, 0, 40, 40], 0.8),  # true
    (2, DOG, [50, 50, 20, 20], 0.5),  # on a cat
    (2, CAT, [0, 0, 40, 40], 0.4),  # on a dog that is found already
    (3, DOG, [0, 0, 10, 4], 0.3),  # IoU 0.4
]


def evaluate(truth=TRUTH, found=FOUND, classes=("cat", "dog")):
    coco = COCO()
    annotations = [
        dict(id=id_, image_id=image, category_id=category, bbox=box, area=box[2] * box[3], iscrowd=crowd)
        for id_, (image, category, box, crowd) in enumerate(truth, start=1)
    ]
    images = sorted({row[0] for row in (*truth, *found)})
    numbers = range(1, len(classes) + 1)
    coco.dataset = dict(
        info={}, images=[dict(id=i) for i in images], categories=[dict(id=n) for n in numbers], annotations=annotations
    )
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    rows = np.array([(i, *box, score, c) for i, c, box, score in found], float).reshape(-1, 7)
    evaluation, _ = evaluate_boxes(coco, rows, numbers)
    average = np.array(list(class_precision(evaluation).values()))
    return evaluation, collect_boxes(evaluation, rows, classes, average, {})


def test_the_outcomes_are_those_of_the_evaluation():
    _, boxes = evaluate()
    assert boxes.outcomes.tolist() == [TRUE, FALSE, TRUE, TRUE, FALSE, FALSE, FALSE]
    assert boxes.found_by.tolist() == [0, 2, 3, -1, -1]
    assert boxes.objects().tolist() == [3, 2]


def test_the_best_f1_of_a_class_by_hand():
    _, boxes = evaluate()
    cat, dog = best_counts(boxes)
    # cat, 3 objects: down to 0.9: 2/(1+3) = 0.5; 0.7: 2/(2+3) = 0.4; 0.6: 4/(3+3) = 0.667; 0.4: 4/(4+3) = 0.571
    assert (cat.threshold, cat.true, cat.false, cat.missed) == (0.599, 2, 1, 1)
    assert (cat.precision, cat.recall, cat.f1) == (2 / 3, 2 / 3, pytest.approx(2 / 3))
    # dog, 2 objects: down to 0.8: 2/(1+2) = 0.667; 0.5: 2/(2+2) = 0.5; 0.3: 2/(3+2) = 0.4
    assert (dog.threshold, dog.true, dog.false, dog.missed) == (0.799, 1, 0, 1)
    assert (dog.precision, dog.recall, dog.f1) == (1, 0.5, pytest.approx(2 / 3))


def test_the_overall_threshold_has_the_best_mean_f1():
    _, boxes = evaluate()
    scores, f1 = mean_f1_curve(boxes)
    assert scores.tolist() == [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
    # cat 0.5 .5 .4 .667 .667 .571 .571, dog 0 .667 .667 .667 .5 .5 .4
    expected = [0.25, 7 / 12, 8 / 15, 2 / 3, 7 / 12, 15 / 28, (4 / 7 + 2 / 5) / 2]
    assert f1 == pytest.approx(expected)
    assert best_threshold(boxes) == (0.599, pytest.approx(2 / 3))
    cat, dog = count_at(boxes, 0.599)
    assert (cat.true, cat.false, cat.missed) == (2, 1, 1) and (dog.true, dog.false, dog.missed) == (1, 0, 1)


def test_the_confusion_by_hand():
    _, boxes = evaluate()
    assert confusion(boxes, 0.599).tolist() == [[2, 0, 1], [0, 1, 1], [1, 0, 0]]
    # with all detections: the dog at 0.5 is on the cat; the cat at 0.4 and the dog at 0.3 are on nothing that is left
    assert confusion(boxes, 0).tolist() == [[2, 1, 0], [0, 1, 1], [2, 1, 0]]
    assert confusion(boxes, 0.95).tolist() == [[0, 0, 3], [0, 0, 2], [0, 0, 0]]


def test_misses_by_size_and_the_worst_images_by_hand():
    _, boxes = evaluate()
    # sizes 10, 10, 40, 20, 10; missed are the cat of 20 and the dog of 10
    assert missed_by_size(boxes, 0.599) == [SizeRange(8, 16, 3, 1), SizeRange(16, 32, 1, 1), SizeRange(32, 64, 1, 0)]
    ranked = rank_images(boxes, 0.599)
    # F1: image 3 0; image 2 2/(2+0+1); image 1 4/(4+1+0)
    assert [(one.image, one.true, one.false, one.missed) for one in ranked] == [
        (3, 0, 0, 1),
        (2, 1, 0, 1),
        (1, 2, 1, 0),
    ]
    assert [one.f1 for one in ranked] == [0, 2 / 3, 0.8]


def test_a_crowd_is_neither_found_nor_missed():
    crowd = (1, CAT, [60, 60, 40, 40], 1)
    _, boxes = evaluate([*TRUTH, crowd])
    assert boxes.outcomes[1] == IGNORED  # the detection on nothing is inside of the crowd
    assert boxes.objects().tolist() == [3, 2]
    assert confusion(boxes, 0.599).tolist() == [[2, 0, 1], [0, 1, 1], [0, 0, 0]]
    assert sum(one.objects for one in missed_by_size(boxes, 0.599)) == 5
    assert rank_images(boxes, 0.599)[-1].false == 0


def test_nothing_found_and_no_objects():
    _, boxes = evaluate(found=[])
    assert best_threshold(boxes) is None and best_counts(boxes) == [None, None]
    assert confusion(boxes, 0.3).tolist() == [[0, 0, 3], [0, 0, 2], [0, 0, 0]]
    assert math.isnan(count_at(boxes, 0.3)[0].precision) and count_at(boxes, 0.3)[0].f1 == 0
    _, boxes = evaluate([row for row in TRUTH if row[1] == CAT])  # no dog
    assert best_threshold(boxes) == (0.599, pytest.approx(2 / 3))  # the mean is that of the cats
    assert math.isnan(count_at(boxes, 0.3)[1].f1) and count_at(boxes, 0.2)[1].false == 3
    _, boxes = evaluate([], [])
    assert best_threshold(boxes) is None and missed_by_size(boxes, 0.3) == [] and rank_images(boxes, 0.3) == []


def test_a_threshold_keeps_the_detection_also_in_float32():
    for score in np.float32([0.412, 0.8, 0.0113, 0.0015]):
        _, boxes = evaluate(TRUTH[:1], [(1, CAT, [0, 0, 10, 10], float(score))])
        threshold, f1 = best_threshold(boxes)
        assert f1 == 1 and score > np.float32(threshold) > 0 and score - threshold < 2.1e-3, (score, threshold)


def _random_case(seed):
    random = np.random.default_rng(seed)
    truth, found = [], []
    for image in range(1, 9):
        for _ in range(random.integers(1, 6)):
            category, box = int(random.integers(1, 3)), [*random.integers(0, 80, 2), *random.integers(8, 40, 2)]
            truth.append((image, category, [int(side) for side in box], 0))
            if random.random() < 0.8:
                moved = [float(side + random.normal(0, 2)) for side in box]
                found.append((image, category, moved, float(random.random())))
        found.append((image, 1, [float(side) for side in random.uniform(5, 40, 4)], float(random.random() * 0.7)))
    return truth, found


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(4))
def test_the_best_f1_agrees_with_the_arrays_of_pycocotools(seed):
    evaluation, boxes = evaluate(*_random_case(seed))
    precision, scores = (evaluation.eval[name][0, :, :, 0, 2] for name in ("precision", "scores"))
    assert (boxes.precision == precision).all() and (boxes.scores == scores).all()
    recall = evaluation.params.recThrs
    for label, counts in enumerate(best_counts(boxes)):
        f1 = 2 * precision[:, label] * recall / np.maximum(precision[:, label] + recall, 1e-9)
        best = f1.argmax()
        # recall is in steps of 0.01 there, which changes F1 by less than that
        assert counts.f1 == pytest.approx(f1[best], abs=0.01)
        assert counts.precision == pytest.approx(precision[best, label], abs=1e-9)
        assert 0 < scores[best, label] - counts.threshold < 2.1e-3


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(4))
def test_the_margins_of_the_confusion_are_the_objects_and_the_detections(seed):
    _, boxes = evaluate(*_random_case(seed))
    counts = confusion(boxes, 0.3)
    above = boxes.detections[boxes.detections[:, 5] > 0.3, 6]
    assert counts[:-1].sum(axis=1).tolist() == boxes.objects().tolist()
    assert counts[:, :-1].sum(axis=0).tolist() == np.bincount(above.astype(int) - 1, minlength=2).tolist()
