import pytest
import torch

from densevision.data.normalize import Normalize
from densevision.detection.assigners import DynamicAssigner
from densevision.detection.loss import IoULoss, QualityFocalLoss, SoftmaxLoss
from densevision.errors import UserError
from densevision.export.detection_graph import DetectionGraph
from densevision.export.graph import Pixels, frozen
from densevision.export.segmentation import SegmentationGraph
from densevision.export.segmentation import check_graph as check_segmentation
from tests.export.toy import SIZE, detector, random_images, segmentor


def batch():
    return torch.from_numpy(random_images(1)[0])[None]


def test_uint8_pixels_run_from_minus_1_to_1():
    image = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    assert Pixels(Normalize(), "uint8")(image).flatten().tolist() == pytest.approx([-1, -0.6, 1])


def test_float_pixels_are_taken_as_they_are():
    image = torch.tensor([-1.0, 0.25, 1.0]).view(1, 1, 1, 3)
    assert Pixels(Normalize(), "float32")(image).flatten().tolist() == [-1, 0.25, 1]


def test_a_normalization_by_channel():
    pixels = Pixels(Normalize((10.0, 20.0, 30.0), (2.0, 4.0, 5.0)), "uint8")
    image = torch.tensor([14, 16, 45], dtype=torch.uint8).view(1, 1, 1, 3)
    assert pixels(image).flatten().tolist() == pytest.approx([2, -1, 3])


@pytest.mark.parametrize("mean, std", [((0.0,) * 3, (255.0,) * 3), ((10.0, 20.0, 30.0), (2.0, 4.0, 5.0))])
def test_float_pixels_fit_only_a_model_that_takes_minus_1_to_1(mean, std):
    with pytest.raises(UserError, match="use --input uint8"):
        Pixels(Normalize(mean, std), "float32")


def test_another_preprocessor_is_refused():
    with pytest.raises(UserError, match="Identity can't be exported: only Normalize goes into the file"):
        Pixels(torch.nn.Identity(), "uint8")


def test_weights_are_contiguous_so_that_the_converter_copies_none():
    assert not all(weight.is_contiguous() for weight in segmentor().parameters())
    assert all(weight.is_contiguous() for weight in frozen(segmentor()).parameters())


class Brighter(Normalize):
    def normalize(self, images):
        return super().normalize(images) + 0.1


def test_a_preprocessor_that_computes_otherwise_is_noticed():
    model = segmentor()
    model.data_preprocessor = Brighter()
    with pytest.raises(UserError, match="can't be exported, its parts compute something else"):
        check_segmentation(SegmentationGraph(model), model, random_images(1)[0])


def test_anchors_and_scales_as_the_detection_op_takes_them():
    model = detector(coder=dict(weights=(8, 9, 4, 6)))  # x, y, width, height
    model.anchors[0] = torch.tensor([0.0, 16.0, 48.0, 32.0])  # center x 24, y 24, 48 wide and 16 high, of 96 x 64
    graph = DetectionGraph(model)
    assert graph.anchors[0].tolist() == pytest.approx([24 / 64, 24 / 96, 16 / 64, 48 / 96])
    assert graph.scales == (9, 8, 6, 4)


@pytest.mark.parametrize("loss", [None, dict(type=SoftmaxLoss), dict(type=QualityFocalLoss)])
def test_a_detection_graph_gives_the_model_boxes_and_scores(loss):
    model = detector(loss=loss)
    with torch.inference_mode():
        boxes, scores = DetectionGraph(model, decode=True)(batch())
        wanted, wanted_scores = model.predict_dense(model.data_preprocessor.normalize(batch().permute(0, 3, 1, 2)))
    pixels = boxes[..., [1, 0, 3, 2]] * torch.tensor([SIZE[1], SIZE[0]] * 2)
    pixels = pixels.clamp(min=0).minimum(torch.tensor([SIZE[1], SIZE[0]] * 2))
    assert scores.shape == wanted_scores.shape == (1, len(model.anchors), 2)
    assert (scores - wanted_scores).abs().max() < 1e-4
    assert (pixels - wanted).abs().max() < 1e-2


def test_parts_that_only_train_leave_the_graph_as_it_is():
    parts = dict(loss=dict(type=QualityFocalLoss), box_loss=dict(type=IoULoss), assigner=dict(type=DynamicAssigner))
    graphs = [DetectionGraph(detector(**options)) for options in ({}, parts)]
    plain, tricky = (torch.export.export(graph, (batch(),)) for graph in graphs)
    assert [node.target for node in plain.graph.nodes] == [node.target for node in tricky.graph.nodes]
    shapes = [{name: tensor.shape for name, tensor in graph.model.head.state_dict().items()} for graph in graphs]
    assert shapes[0] == shapes[1]


def test_encodings_decode_to_the_same_boxes():
    model = detector()
    with torch.inference_mode():
        graph = DetectionGraph(model)
        encodings = graph(batch())[0]
        boxes = DetectionGraph(model, decode=True)(batch())[0]
    assert torch.equal(graph.coder.decode(encodings, graph.corners), boxes)


def test_the_model_stays_as_it_was():
    model = detector()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    DetectionGraph(model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("upsample, size", [(1, (8, 12)), (2, (16, 24)), (None, (64, 96))])
def test_label_maps_and_logits_of_every_size(upsample, size):
    model = segmentor()
    with torch.inference_mode():
        (labels,) = SegmentationGraph(model, upsample=upsample)(batch())
        (logits,) = SegmentationGraph(model, labels="logits", upsample=upsample)(batch())
        full = model(model.data_preprocessor.normalize(batch().permute(0, 3, 1, 2)))
    assert labels.shape == (1, *size) and labels.dtype == torch.uint8
    assert logits.shape == (1, *size, 3)
    assert torch.equal(logits.argmax(-1).to(torch.uint8), labels)
    if upsample is None:
        assert (logits.permute(0, 3, 1, 2) - full).abs().max() < 1e-4
