"""Time the metrics at the size of COCO's and Cityscapes' val data, and measure their peak memory.

    python tools/benchmarks/evaluation.py [--images 5000] [--detections 100] [--backends faster-coco-eval pycocotools]
    python tools/benchmarks/evaluation.py --frames 500

The first line evaluates random detections near the objects of a random JSON (80 classes, 7.3 boxes per image, one of
85 a crowd) with each backend of CocoMetric, and compares their figures. --frames writes label maps of 2048x1024 with
random blocks as PNG files, and counts random predictions: decoding, counting and the report's images. Each part runs in
a separate process. Seconds of the processor are next to those of the clock, for a machine with other work; memory is
the peak of the process, with its imports.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIZE, CLASSES = (480, 640), 80
FRAME, LABELS = (1024, 2048), 19


def write_truth(path, images, boxes):
    """Write a JSON in COCO's format; return the image and class of each box, and the boxes."""
    random = np.random.default_rng(0)
    height, width = SIZE
    sides = np.exp(random.uniform(np.log(8), np.log(400), (boxes, 2))).round(2)
    corners = (random.random((boxes, 2)) * (np.array([width, height]) - sides.clip(max=(width, height)))).round(2)
    of_image, of_class = random.integers(0, images, boxes), random.integers(0, CLASSES, boxes)
    truth = np.concatenate([corners, sides], axis=1)
    crowds = random.random(boxes) < 1 / 85
    rows = zip(of_image.tolist(), of_class.tolist(), truth.tolist(), crowds.astype(int).tolist(), strict=True)
    table = dict(
        images=[dict(id=n, file_name=f"{n}.jpg", height=height, width=width) for n in range(images)],
        categories=[dict(id=n, name=f"class {n}") for n in range(CLASSES)],
        annotations=[
            dict(id=n, image_id=image, category_id=label, bbox=box, area=box[2] * box[3] * 0.7, iscrowd=crowd)
            for n, (image, label, box, crowd) in enumerate(rows)
        ],
    )
    path.write_text(json.dumps(table))
    return of_image, of_class, truth


def detect(random, count, truth, labels):
    """Return ``count`` detections of an image: near each of its objects, and at random places."""
    near = random.integers(0, len(truth), count) if len(truth) else np.zeros(0, int)
    boxes = np.concatenate([random.random((count, 2)) * 400, random.random((count, 2)) * 200 + 4], axis=1)
    classes = random.integers(0, CLASSES, count)
    taken = random.random(len(near)) < 0.5
    boxes[: len(near)][taken] = truth[near[taken]] * random.normal(1, 0.08, (taken.sum(), 4))
    classes[: len(near)][taken] = labels[near[taken]]
    boxes[:, 2:] += boxes[:, :2]
    return boxes.clip(min=0), random.random(count), classes


def evaluate_boxes(backend, images, detections, folder):
    import torch

    from densevision.detection.metric import CocoMetric

    of_image, of_class, truth = write_truth(folder / "truth.json", images, round(7.3 * images))
    metric = CocoMetric(out_dir=folder / "out", backend=backend)
    metric.dataset_meta = dict(
        classes=tuple(f"class {n}" for n in range(CLASSES)),
        category_ids=tuple(range(CLASSES)),
        reader=dict(path=str(folder / "truth.json"), image_dir=str(folder)),
    )
    random, order = np.random.default_rng(1), np.argsort(of_image, kind="stable")
    rows = np.split(order, np.searchsorted(of_image[order], np.arange(1, images)))
    samples = []
    for image, mine in enumerate(rows):
        arrays = detect(random, detections, truth[mine], of_class[mine])
        boxes, scores, labels = map(torch.from_numpy, arrays)
        samples.append(dict(img_id=image, pred=dict(boxes=boxes.float(), scores=scores.float(), labels=labels)))
    del of_image, of_class, truth, rows, order
    with Clock() as clock:
        metric.process({}, samples)
        figures = metric.evaluate(images)
    return clock.measured() | dict(figures=figures, threshold=metric.score_threshold)


def evaluate_frames(frames, folder):
    import torch
    from PIL import Image

    from densevision.segmentation.metric import IoUMetric

    random = np.random.default_rng(0)
    for number in range(min(frames, 8)):  # the others are links
        labels = random.integers(0, LABELS, (FRAME[0] // 16, FRAME[1] // 16), np.uint8)
        labels[random.random(labels.shape) < 0.1] = 255
        Image.fromarray(labels.repeat(16, 0).repeat(16, 1)).save(folder / f"{number}.png")
    for number in range(8, frames):
        (folder / f"{number}.png").symlink_to(folder / f"{number % 8}.png")
    metric = IoUMetric()
    metric.dataset_meta = dict(classes=tuple(f"class {n}" for n in range(LABELS)), palette=())
    memory = {}
    with Clock() as clock:
        for number in range(frames):
            gt = torch.from_numpy(np.asarray(Image.open(folder / f"{number}.png")).copy())[None]
            pred = torch.where(gt == 255, 0, gt)
            pred[:, :: 2 + number % 5] = number % LABELS
            metric.process(None, [dict(pred=dict(labels=pred), gt=dict(labels=gt), img_path=f"{number}.png")])
            if number + 1 in (frames // 10, frames):
                memory[number + 1] = peak()
        figures = metric.evaluate(frames)
    return clock.measured() | dict(figures=figures, memory=memory)


class Clock:
    """Seconds of the clock and of the processor in a with block."""

    def __enter__(self):
        self.start = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *fault):
        self.wall, self.processor = time.perf_counter() - self.start[0], time.process_time() - self.start[1]

    def measured(self):
        return dict(wall=self.wall, processor=self.processor, peak=peak())


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # GiB, as Linux counts


def in_process(*options):
    done = subprocess.run([sys.executable, __file__, *map(str, options)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def compare_backends(arguments):
    results = {}
    for backend in arguments.backends:
        found = in_process("--one", backend, "--images", arguments.images, "--detections", arguments.detections)
        results[backend] = found
        print(
            f"{backend}: {arguments.images:,} images x {arguments.detections} detections in {found['wall']:.1f} s "
            f"({found['processor']:.1f} s of the processor), peak memory {found['peak']:.2f} GiB, "
            f"AP {found['figures']['coco/AP']:.4f}, threshold {found['threshold']}",
            flush=True,
        )
    first, *others = results.values()
    for other in others:
        gaps = [abs(other["figures"][name] - value) for name, value in first["figures"].items()]
        print(f"largest difference of {len(gaps)} figures: {max(gaps):.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--backends", nargs="+", default=["faster-coco-eval", "pycocotools"])
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what a process measures
    arguments = parser.parse_args()
    if arguments.one:
        with tempfile.TemporaryDirectory() as folder:
            if arguments.one == "frames":
                measured = evaluate_frames(arguments.frames, Path(folder))
            else:
                measured = evaluate_boxes(arguments.one, arguments.images, arguments.detections, Path(folder))
        print(json.dumps(measured))
    elif arguments.frames:
        found = in_process("--one", "frames", "--frames", arguments.frames)
        memory = ", ".join(f"{peak:.2f} GiB after {count}" for count, peak in found["memory"].items())
        print(
            f"{arguments.frames} frames of {FRAME[1]}x{FRAME[0]} in {found['wall']:.1f} s ({found['processor']:.1f} s "
            f"of the processor), peak memory {memory}, mIoU {found['figures']['seg/mIoU']:.4f}"
        )
    else:
        compare_backends(arguments)


if __name__ == "__main__":
    main()
