"""The dynamic assignment: which anchors a box gets, by hand and against plain loops."""

import math

import pytest
import torch
from torchvision.ops import box_iou

from densevision.detection.anchors import anchor_shapes, cell_sizes, place_anchors
from densevision.detection.assigners import AnchorGrid, DynamicAssigner, _class_cost, _resolve, paired_iou
from densevision.detection.box_coder import BoxCoder
from densevision.errors import UserError

BOX, NO_BOX = torch.tensor([[0.0, 0, 10, 10]]), torch.zeros(0, 4)
CODER = BoxCoder()


def grid(anchors, cell=10.0):
    return AnchorGrid(torch.tensor(anchors), torch.full((len(anchors), 2), cell), CODER)


def columns_of(anchors, boxes, labels, logits=None, **settings):
    """Columns of one image whose predicted boxes are the anchors."""
    placed = grid(anchors)
    logits = torch.zeros(1, len(anchors), 3) if logits is None else logits
    outputs = logits, torch.zeros(1, len(anchors), 4)
    return DynamicAssigner(**settings)(outputs, [boxes], [torch.tensor(labels)], placed)[0][0].tolist()


def test_a_box_gets_as_many_anchors_as_its_iou_adds_up_to():
    far = [20.0, 20, 30, 30]  # 2.8 cells from the box's center, and not in the box
    # IoU 1, 0.5 and 0: one anchor; with another of IoU 0.8 it is 2.3: two
    assert columns_of([[0.0, 0, 10, 10], [0, 0, 10, 5], far], BOX, [1]) == [2, 0, 0]
    assert columns_of([[0.0, 0, 10, 10], [0, 0, 10, 5], far, [0, 0, 10, 8]], BOX, [1]) == [2, 0, 0, 2]
    assert columns_of([[0.0, 0, 10, 10], [0, 0, 10, 5], far, [0, 0, 10, 8]], BOX, [1], topk=1) == [2, 0, 0, 0]


def test_a_box_with_little_overlap_gets_one_anchor_and_none_beyond_the_radius():
    apart = [[10.0, 0, 20, 10], [24, 0, 34, 10]]  # one cell, and 2.4 cells from the box
    assert columns_of(apart, BOX, [0]) == [1, 0]
    assert columns_of(apart[1:], BOX, [0]) == [1]
    assert columns_of(apart[1:], BOX, [0], radius=2.0) == [0]


def test_the_class_decides_between_anchors_of_the_same_place():
    logits = torch.zeros(1, 2, 3)
    logits[0, 1, 2] = 3.0  # the second predicts class 1
    anchors = [[0.0, 0, 10, 9], [0, 0, 10, 9]]
    assert columns_of(anchors, BOX, [1], logits) == [0, 2]
    assert columns_of(anchors, BOX, [0], logits) == [1, 0]


def test_equal_costs_go_to_the_lower_index():
    anchors = [[0.0, 0, 10, 9]] * 3  # IoU 0.9 each: two of three
    assert columns_of(anchors, BOX, [0]) == [1, 1, 0]
    assert columns_of(anchors, BOX.repeat(2, 1), [1, 0]) == [2, 2, 0]


def test_an_anchor_goes_to_the_box_for_which_it_costs_least():
    cost = torch.tensor([[3.0, 1.0, 2.0], [2.0, 5.0, 2.0]])
    chosen = torch.tensor([[True, True, True], [True, False, True]])
    assert _resolve(cost, chosen).tolist() == [1, 0, 0]
    assert _resolve(cost, ~chosen).tolist() == [-1, 1, -1]


def test_cost_of_the_classes():
    # own class, logit 0, IoU 0.8: 0.3^2 ln 2; the other class, logit 0, target 0: 0.5^2 ln 2
    cost = _class_cost(torch.zeros(1, 2), torch.tensor([1]), torch.tensor([[0.8]]))
    assert cost.item() == pytest.approx((0.09 + 0.25) * math.log(2))


def test_targets_are_deltas_of_the_box():
    placed = grid([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    outputs = torch.zeros(2, 2, 2), torch.zeros(2, 2, 4)
    boxes = [torch.tensor([[0.0, 0, 10, 20]]), NO_BOX]
    columns, deltas = DynamicAssigner()(outputs, boxes, [torch.tensor([0]), torch.zeros(0).long()], placed)
    assert columns.tolist() == [[1, 0], [0, 0]]
    assert deltas[0, 0].tolist() == pytest.approx([0, 5, 0, 5 * math.log(2)])  # half a height down, twice as high
    assert not deltas[0, 1].any() and not deltas[1].any()


def scene(boxes, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    shapes, sizes = anchor_shapes([0.1, 0.5]), [(10, 10), (5, 5)]
    placed = AnchorGrid(place_anchors(shapes, sizes, (160, 160)), cell_sizes(shapes, sizes, (160, 160)), CODER)
    corner = torch.rand(boxes, 2, generator=generator) * 130
    truth = torch.cat([corner, corner + 2 + torch.rand(boxes, 2, generator=generator) * 28], dim=1)
    labels = torch.randint(0, classes, (boxes,), generator=generator)
    logits = torch.randn(1, len(placed.anchors), classes + 1, generator=generator)
    deltas = torch.randn(1, len(placed.anchors), 4, generator=generator)
    return (logits, deltas), truth, labels, placed


def match_with_loops(assigner, outputs, boxes, labels, placed):
    logits, predicted = outputs[0][0, :, 1:].double(), CODER.decode(outputs[1][0], placed.anchors).double()
    iou = box_iou(boxes.double(), predicted)
    best = {}  # anchor -> (cost, box)
    for g, (box, label) in enumerate(zip(boxes.tolist(), labels.tolist(), strict=True)):
        costs, candidates = [], []
        for a, (left, top, right, bottom) in enumerate(placed.anchors.tolist()):
            x, y = (left + right) / 2, (top + bottom) / 2
            width, height = placed.cells[a].tolist()
            distance = math.hypot((x - (box[0] + box[2]) / 2) / width, (y - (box[1] + box[3]) / 2) / height)
            if not (box[0] < x < box[2] and box[1] < y < box[3] or distance <= assigner.radius):
                continue
            cost = 10 ** (distance - 3) - assigner.iou_weight * math.log(iou[g, a] + 1e-7)
            for k, logit in enumerate(logits[a].tolist()):
                p, target = 1 / (1 + math.exp(-logit)), iou[g, a].item() if k == label else 0.0
                cost -= (target - p) ** 2 * (target * math.log(p) + (1 - target) * math.log(1 - p))
            costs.append((cost, a))
            candidates.append(iou[g, a].item())
        count = max(1, int(sum(sorted(candidates)[-assigner.topk :])))
        for cost, a in sorted(costs)[:count]:
            best[a] = min(best.get(a, (math.inf, 0)), (cost, g))
    return [best[a][1] if a in best else -1 for a in range(len(placed.anchors))]


@pytest.mark.reference
@pytest.mark.parametrize(("boxes", "classes"), [(1, 1), (6, 3), (25, 1)])
def test_it_equals_plain_loops(boxes, classes):
    outputs, truth, labels, placed = scene(boxes, classes, seed=boxes)
    assigner = DynamicAssigner(topk=5)
    predicted = CODER.decode(outputs[1][0], placed.anchors)
    found = assigner.match(outputs[0][0], predicted, (truth, labels), placed).tolist()
    assert found == match_with_loops(assigner, outputs, truth, labels, placed)
    assert len(set(found)) > 1


def test_900_boxes_of_one_class():
    outputs, truth, labels, placed = scene(900, 1, seed=0)
    columns, deltas = DynamicAssigner()(outputs, [truth], [labels], placed)
    assert columns.shape == (1, 450) and set(columns.unique().tolist()) == {0, 1} and torch.isfinite(deltas).all()


def test_paired_iou():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1], [5, 5, 5, 5]])
    others = torch.tensor([[1.0, 0, 3, 2], [3, 3, 4, 4], [5, 5, 5, 5]])
    assert paired_iou(boxes, others).tolist() == pytest.approx([1 / 3, 0, 0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(topk=0), "assigner.topk is 0; give a whole number from 1"),
        (dict(topk=2.5), "assigner.topk is 2.5"),
        (dict(topk=True), "assigner.topk is True"),
        (dict(iou_weight=-1), "assigner.iou_weight is -1"),
        (dict(radius=0), "assigner.radius is 0; give a number over 0"),
        (dict(radius=float("nan")), "assigner.radius is nan"),
    ],
)
def test_wrong_settings_are_one_line(settings, words):
    with pytest.raises(UserError, match=words):
        DynamicAssigner(**settings)
