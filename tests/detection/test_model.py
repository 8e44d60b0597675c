import pytest
import torch
from mmengine.structures import InstanceData
from torch import nn
from torchvision.ops import box_iou

from densevision.data.samples import DetSample
from densevision.detection.assigners import DynamicAssigner
from densevision.detection.loss import FocalLoss, IoULoss, QualityFocalLoss, SoftmaxLoss
from densevision.detection.matcher import assign_targets, match_anchors
from densevision.detection.model import SSDLite, feature_sizes
from densevision.errors import UserError


def sample(boxes, labels, ori_size=(64, 128), input_size=(64, 64)):
    made = DetSample(metainfo=dict(img_id=1, ori_size=ori_size, input_size=input_size))
    made.gt = InstanceData(boxes=torch.tensor(boxes).view(-1, 4), labels=torch.tensor(labels, dtype=torch.int64))
    return made


def small_model(**options):
    return SSDLite(dict(name="mobilenet_v3_small", width=0.35), num_classes=2, input_size=(64, 64), **options)


def params_without_bn(model):
    return sum(
        parameter.numel()
        for module in model.modules()
        if not isinstance(module, nn.BatchNorm2d)
        for parameter in module.parameters(recurse=False)
    )


@pytest.mark.parametrize(
    ("name", "tail", "millions"),
    [
        ("mobilenet_v3_large", None, "4.967"),
        ("mobilenet_v3_large", "detection", "3.215"),
        ("mobilenet_v3_small", None, "2.493"),
        ("mobilenet_v3_small", "detection", "1.765"),
    ],
)
def test_parameters_equal_table_6(name, tail, millions):
    model = SSDLite(dict(name=name, reduced_tail=tail), num_classes=90)
    assert f"{params_without_bn(model) / 1e6:.3f}" == millions


def test_feature_sizes_round_up():
    assert feature_sizes((320, 200), [16, 32], 2) == [(20, 13), (10, 7), (5, 4), (3, 2)]


@pytest.mark.parametrize("size", [(320, 320), (96, 160), (100, 75)])
def test_outputs_have_one_row_per_anchor_at_any_size(size):
    model = SSDLite(dict(name="mobilenet_v3_small", width=0.35), num_classes=4, input_size=size).eval()
    with torch.no_grad():
        logits, deltas = model(torch.zeros(2, 3, *size))
    assert logits.shape == (2, len(model.anchors), 5) and deltas.shape == (2, len(model.anchors), 4)


def test_initial_model_predicts_background():
    logits, _ = small_model().eval()(torch.zeros(1, 3, 64, 64))
    scores = logits[0].sigmoid().mean(0).tolist()
    assert scores == pytest.approx([0.99, 0.01, 0.01], abs=0.005)


@pytest.mark.parametrize("loss", [None, dict(type=SoftmaxLoss)])
def test_losses_are_finite_with_and_without_objects(loss):
    model = small_model(loss=loss)
    images = torch.randn(2, 3, 64, 64)
    for samples in ([sample([8.0, 8, 40, 40], [1]), sample([], [])], [sample([], []), sample([], [])]):
        losses = model(images, samples, mode="loss")
        assert set(losses) == {"loss_cls", "loss_box"}
        sum(losses.values()).backward()
    assert losses["loss_box"] == 0 and losses["loss_cls"] > 0  # a batch without objects trains the background
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)


@pytest.mark.reference
def test_softmax_losses_equal_torchvision():
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    torch.manual_seed(0)
    model = small_model(anchors=dict(lowest=None), loss=dict(type=SoftmaxLoss, min_negatives=0))
    images = torch.randn(2, 3, 64, 64)
    samples = [sample([4.0, 4, 30, 30, 20, 10, 60, 60], [0, 1]), sample([8.0, 8, 40, 40], [1])]
    found = model(images, samples, mode="loss")
    logits, deltas = model.forward_head(images)
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)
    wanted = theirs.compute_loss(
        [dict(boxes=s.gt.boxes, labels=s.gt.labels + 1) for s in samples],
        dict(cls_logits=logits, bbox_regression=deltas),
        [model.anchors] * 2,
        [match_anchors(box_iou(s.gt.boxes, model.anchors)) for s in samples],
    )
    assert found["loss_cls"].item() == pytest.approx(wanted["classification"].item(), rel=1e-5)
    assert found["loss_box"].item() == pytest.approx(wanted["bbox_regression"].item(), rel=1e-5)


def test_box_loss_of_the_focal_loss_is_averaged_over_the_four_deltas():
    torch.manual_seed(0)
    images, samples = torch.randn(2, 3, 64, 64), [sample([4.0, 4, 30, 30], [0])] * 2
    losses = []
    for loss in (None, dict(type=SoftmaxLoss)):
        torch.manual_seed(1)
        losses.append(small_model(loss=loss)(images, samples, mode="loss")["loss_box"].item())
    assert losses[1] == pytest.approx(4 * losses[0])


def test_box_weight_match_threshold_and_coder_weights_change_the_loss():
    images, samples = torch.randn(2, 3, 64, 64), [sample([4.0, 4, 30, 30], [0])] * 2

    def box_loss_of(**options):
        torch.manual_seed(1)
        return small_model(**options)(images, samples, mode="loss")["loss_box"].item()

    usual = box_loss_of()
    stated = dict(
        loss=dict(type=FocalLoss, alpha=0.75, gamma=2.0, box_weight=0.25),
        match_threshold=0.5,
        coder=dict(weights=(10.0, 10.0, 5.0, 5.0)),
    )
    assert box_loss_of(**stated) == usual  # bit for bit
    assert box_loss_of(loss=dict(type=FocalLoss, box_weight=1.0)) == pytest.approx(4 * usual)
    assert box_loss_of(loss=dict(type=SoftmaxLoss, box_weight=0.5)) == pytest.approx(2 * usual)
    assert box_loss_of(coder=dict(weights=[1, 1, 1, 1])) != usual


def test_lower_match_threshold_matches_more_anchors():
    boxes, labels = [torch.tensor([[4.0, 4, 30, 30]])], [torch.tensor([0])]

    def matched(threshold):
        model = small_model(match_threshold=threshold)
        columns, _ = assign_targets(model.anchors, boxes, labels, model.coder, model.match_threshold)
        return int((columns > 0).sum())

    assert matched(0.2) > matched(0.5) >= matched(1.0) == 1  # a box always keeps its best anchor


@pytest.mark.parametrize("threshold", [0, -0.5, 1.5, float("nan"), "0.5", None, True])
def test_match_threshold_out_of_range_raises_an_error_that_names_it(threshold):
    with pytest.raises(UserError, match="model.match_threshold is .*; give a number over 0 to 1"):
        small_model(match_threshold=threshold)


def test_predictions_are_in_pixels_of_the_original_image():
    model = small_model(postprocess=dict(score_threshold=0.0, max_detections=5)).eval()
    anchor = model.anchors[40].clamp(0, 64)
    logits = torch.zeros(1, len(model.anchors), 3)
    logits[0, 40, 2] = 9.0
    model.forward_head = lambda images: (logits, torch.zeros(1, len(model.anchors), 4))
    (found,) = model(torch.zeros(1, 3, 64, 64), [sample([], [])], mode="predict")  # 64 high, 128 wide
    assert found.pred.labels[0] == 1 and found.pred.scores[0] == pytest.approx(0.99988, abs=1e-4)
    assert found.pred.boxes[0].tolist() == pytest.approx((anchor * torch.tensor([2, 1, 2, 1])).tolist())


def test_images_of_another_size_raise_an_error():
    with pytest.raises(ValueError, match="input_size is"):
        small_model()(torch.zeros(1, 3, 65, 64))


@pytest.mark.slow
def test_model_overfits_two_images():
    model = small_model(bn_momentum=0.1)
    images = torch.randn(2, 3, 64, 64)
    samples = [sample([4.0, 4, 30, 30], [0]), sample([20.0, 10, 60, 60], [1])]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(200):
        optimizer.zero_grad()
        losses = model(images, samples, mode="loss")
        sum(losses.values()).backward()
        optimizer.step()
    assert losses["loss_box"] < 0.01 and losses["loss_cls"] < 0.05, losses


@pytest.mark.parametrize("clip_first", [True, False])
def test_boxes_are_clipped_before_or_after_nms(clip_first):
    model = small_model(postprocess=dict(score_threshold=0.0, clip_first=clip_first)).eval()
    with torch.no_grad():
        boxes, _ = model.predict_dense(torch.zeros(1, 3, 64, 64))
        (found,) = model.detect(torch.zeros(1, 3, 64, 64))
    assert (boxes.min() >= 0 and boxes.max() <= 64) == clip_first
    assert len(found) == 100 and found.boxes.min() >= 0 and found.boxes.max() <= 64


TRICKS = dict(
    loss=dict(type=QualityFocalLoss), box_loss=dict(type=IoULoss), assigner=dict(type=DynamicAssigner, topk=5)
)


def many_boxes(count):
    corner = torch.rand(count, 2) * 50
    return torch.cat([corner, corner + 3 + torch.rand(count, 2) * 10], dim=1).tolist()


@pytest.mark.parametrize("left_out", [None, "loss", "box_loss", "assigner"])
def test_losses_of_dynamic_assignment(left_out):
    model = small_model(**{name: part for name, part in TRICKS.items() if name != left_out})
    samples = [sample(many_boxes(3), [0, 1, 1]), sample([], []), sample(many_boxes(900), [0] * 900)]
    losses = model.loss(torch.randn(3, 3, 64, 64), samples)
    sum(losses.values()).backward()
    assert losses["loss_box"] > 0 and losses["loss_cls"] > 0
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(torch.isfinite(gradient).all() for gradient in gradients) and gradients[0].any()


def test_losses_of_dynamic_assignment_without_objects():
    losses = small_model(**TRICKS).loss(torch.randn(2, 3, 64, 64), [sample([], []), sample([], [])])
    sum(losses.values()).backward()
    assert losses["loss_box"] == 0 and losses["loss_cls"] > 0


def test_training_only_parts_change_neither_weights_nor_results():
    plain, tricky = small_model().eval(), small_model(**TRICKS).eval()
    tricky.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for one, other in zip(plain.predict_dense(image), tricky.predict_dense(image), strict=True):
            assert torch.equal(one, other)


def test_an_assigner_takes_the_place_of_the_threshold():
    with pytest.raises(UserError, match="model.match_threshold has no effect with an assigner"):
        small_model(assigner=dict(type=DynamicAssigner), match_threshold=0.4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(assigner=dict(type="FocalLoss")), "model.assigner is FocalLoss; give DynamicAssigner or a subclass"),
        (
            dict(box_loss=dict(type="QualityFocalLoss")),
            "model.box_loss is QualityFocalLoss; give IoULoss",
        ),
        (dict(loss=dict(type="IoULoss")), "model.loss is IoULoss, no loss of classes; give FocalLoss"),
    ],
)
def test_parts_in_the_place_of_others_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        small_model(**options)
