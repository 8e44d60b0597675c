"""The op in a graph of its own: encodings and scores in, detections out."""

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the extra tflite is not installed")

from ai_edge_litert import schema_py_generated as schema

from densevision.export.detection_op import OUTPUTS, DetectionOp, append_detection_op
from densevision.export.tflite_graph import add_tensor, write_graph
from densevision.inference.tflite_backend import open_interpreter

ANCHOR = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)


def op_alone(folder, settings: DetectionOp, classes: int):
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.operatorCodes, model.subgraphs = 3, [schema.BufferT()], [], [graph]
    graph.tensors, graph.operators = [], []
    inputs = [
        add_tensor(model, "encodings", [1, len(settings.anchors), 4]),
        add_tensor(model, "scores", [1, len(settings.anchors), classes]),
    ]
    graph.inputs = graph.outputs = np.array(inputs, np.int32)
    append_detection_op(model, settings)
    path = folder / f"op_{len(list(folder.iterdir()))}.tflite"
    path.write_bytes(write_graph(model))
    return open_interpreter(path)


def run(interpreter, encodings, scores):
    """[A, 4], [A, K] -> boxes, classes, scores, cut at the count, and the whole rows of scores."""
    for entry, value in zip(interpreter.get_input_details(), (encodings, scores), strict=True):
        interpreter.set_tensor(entry["index"], value[None].astype(np.float32))
    interpreter.invoke()
    boxes, classes, found, count = [interpreter.get_tensor(e["index"]) for e in interpreter.get_output_details()]
    n = int(count[0])
    return boxes[0, :n], classes[0, :n], found[0, :n], found[0]


def reference(encodings, scores, settings):
    """Independent of the package: decode in float64, greedy passes over every anchor's best class, or each class."""
    y, x, h, w = settings.anchors.T.astype(np.float64)
    dy, dx, dh, dw = (encodings / settings.scales).T
    center_y, center_x = dy * h + y, dx * w + x
    half_h, half_w = np.exp(dh) * h / 2, np.exp(dw) * w / 2
    boxes = np.stack([center_y - half_h, center_x - half_w, center_y + half_h, center_x + half_w], 1)
    if settings.nms == "across-classes":
        kept = greedy(boxes, scores.max(1), settings)
        return boxes[kept], scores.argmax(1)[kept], scores.max(1)[kept]
    rows = [(index, label) for label in range(scores.shape[1]) for index in greedy(boxes, scores[:, label], settings)]
    rows = sorted(rows, key=lambda row: -scores[row])[: settings.max_detections]
    indices, labels = np.array(rows, int).reshape(-1, 2).T
    return boxes[indices], labels, scores[indices, labels]


def greedy(boxes, scores, settings):
    kept = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] < np.float32(settings.score_threshold) or len(kept) == settings.max_detections:
            break
        if all(overlap(boxes[index], boxes[other]) <= settings.iou_threshold for other in kept):
            kept.append(index)
    return kept


def overlap(a, b):
    high, low = np.minimum(a[2:], b[2:]), np.maximum(a[:2], b[:2])
    shared = np.prod(np.maximum(high - low, 0))
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def test_one_box_by_hand(tmp_path):
    # center y 0.5 + 0.2 * 5/10 = 0.6, x 0.5; as high (0.2) and half as wide (0.2) as the anchor
    settings = DetectionOp(ANCHOR, (10, 10, 5, 5), 0.1, 0.5, 3)
    encodings = np.array([[5.0, 0.0, 0.0, -5 * np.log(2)]])
    boxes, classes, scores, _ = run(op_alone(tmp_path, settings, 2), encodings, np.array([[0.25, 0.75]]))
    assert boxes[0].tolist() == pytest.approx([0.5, 0.4, 0.7, 0.6], abs=1e-6)
    assert (classes.tolist(), scores.tolist()) == ([1], [0.75])


def test_outputs_have_the_task_api_names_and_order(tmp_path):
    interpreter = op_alone(tmp_path, DetectionOp(ANCHOR, (10, 10, 5, 5), 0.1, 0.5, 3), 2)
    details = interpreter.get_output_details()
    assert OUTPUTS == ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
    assert tuple(detail["name"] for detail in details) == OUTPUTS
    assert [detail["shape"].tolist() for detail in details] == [[1, 3, 4], [1, 3], [1, 3], [1]]


def test_rows_behind_the_count_are_left_over(tmp_path):
    """Why every reader must cut at the count."""
    settings = DetectionOp(np.repeat(ANCHOR, 3, 0), (10, 10, 5, 5), 0.1, 0.5, 3)
    interpreter = op_alone(tmp_path, settings, 1)
    apart = np.array([[-20.0, 0, 0, 0], [0, 0, 0, 0], [20.0, 0, 0, 0]])
    assert len(run(interpreter, apart, np.array([[0.9], [0.8], [0.7]]))[2]) == 3
    _, _, scores, rows = run(interpreter, apart, np.array([[0.6], [0.0], [0.0]]))
    assert scores.tolist() == pytest.approx([0.6]) and rows.tolist() == pytest.approx([0.6, 0.8, 0.7])


@pytest.mark.reference
@pytest.mark.parametrize("nms, cases", [("across-classes", 200), ("per-class", 40)])
def test_random_cases_agree_with_numpy(tmp_path, nms, cases):
    random = np.random.default_rng(0)
    found = 0
    for case in range(cases):
        count, classes = int(random.integers(1, 60)), int(random.choice([1, 2, 20, 90]))
        anchors = np.concatenate([random.uniform(0, 1, (count, 2)), random.uniform(0.05, 0.5, (count, 2))], 1)
        scales = (10.0, 10.0, 5.0, 5.0) if case % 2 else (8.0, 9.0, 4.0, 6.0)
        settings = DetectionOp(
            anchors.astype(np.float32),
            scales,
            float(random.choice([0.001, 0.05, 0.3])),
            float(random.choice([0.3, 0.5, 0.6])),
            int(random.choice([1, 5, 100])),
            nms,
        )
        encodings = random.normal(0, 3, (count, 4)).astype(np.float32)
        scores = random.uniform(0, 1, (count, classes)).astype(np.float32) ** 4
        boxes, labels, values, _ = run(op_alone(tmp_path, settings, classes), encodings, scores)
        wanted = reference(encodings, scores, settings)
        assert labels.tolist() == wanted[1].tolist(), case
        assert np.array_equal(values, wanted[2]), case
        assert np.abs(boxes - wanted[0]).max(initial=0) < 1e-5, case
        found += len(labels)
    assert found > 600


def test_on_several_threads_the_op_loses_a_class_when_it_suppresses_per_class(tmp_path):
    """Why ``TFLiteBackend`` gives such a file one thread, and docs/export.md warns; a runtime without it may go on."""
    random = np.random.default_rng(0)
    anchors = np.concatenate([random.uniform(0, 1, (40, 2)), np.full((40, 2), 0.1)], 1).astype(np.float32)
    encodings, scores = np.zeros((40, 4), np.float32), random.uniform(0.1, 1, (40, 5)).astype(np.float32)
    for nms, lost in (("across-classes", set()), ("per-class", {2})):
        op_alone(tmp_path, DetectionOp(anchors, (10, 10, 5, 5), 0.05, 0.5, 200, nms), 5)
        path = tmp_path / f"op_{len(list(tmp_path.iterdir())) - 1}.tflite"
        one, two = (set(run(open_interpreter(path, threads), encodings, scores)[1].astype(int)) for threads in (1, 2))
        assert one == {0, 1, 2, 3, 4} and one - two == lost


@pytest.mark.reference
def test_the_op_agrees_with_torchvision_nms(tmp_path):
    import torch
    from torchvision.ops import nms

    from densevision.export.detection_graph import DetectionGraph
    from tests.export.toy import detector, random_images

    model = detector()
    graph = DetectionGraph(model)
    settings = DetectionOp(graph.anchors.numpy(), graph.scales, 0.05, 0.6, 50)
    interpreter = op_alone(tmp_path, settings, 2)
    for image in random_images(5):
        with torch.inference_mode():
            encodings, scores = (output[0] for output in graph(torch.from_numpy(image)[None]))
        boxes = graph.coder.decode(encodings, graph.corners)
        best = scores.amax(1)
        kept = [index for index in nms(boxes, best, 0.6).tolist() if best[index] >= 0.05][:50]
        found = run(interpreter, encodings.numpy(), scores.numpy())
        assert len(kept) > 3 and found[2].tolist() == best[kept].tolist()
        assert np.abs(found[0] - boxes[kept].numpy()).max() < 1e-5
