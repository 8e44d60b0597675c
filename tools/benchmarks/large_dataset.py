"""Start a training on a data set of COCO's size, and watch its memory.

    python tools/benchmarks/large_dataset.py FOLDER [--images 118287] [--boxes 860001] [--iterations 2000] [--workers 8]
        [--loader-only]

writes to FOLDER, unless it is there, a JSON of that size (80 classes, polygons of 22 points, one of 85 a crowd) and
links to the images of coco128 in $DENSEVISION_DATA. Then it trains ssdlite_v3_small_reduced_coco on it, in a process of
its own: with 2 images of 96x96 per iteration, so that loading outweighs the network. It prints the time from the start
of the process to the end of the first iteration, the peak memory of the main process, and the memory of the main
process and all workers (PSS: a shared page counts once) along the training. Seconds of the processor are next to those
of the clock, for a machine with other work. --loader-only: load the same batches without training.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from densevision.data.paths import resolve_data_root
from densevision.images import read_header

CLASSES, POINTS, OUTLINES = 80, 22, 5000
CONFIG = "ssdlite_v3_small_reduced_coco"


def write_dataset(folder, images, boxes):
    """Write ``train2017`` with links to real images, and the JSON, whose sizes are theirs."""
    real = sorted((resolve_data_root("coco128") / "train2017").glob("*.jpg"))
    sizes = np.array([read_header(path).turned_size for path in real])
    (folder / "train2017").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for number in range(images):
        (folder / "train2017" / f"{number:012d}.jpg").symlink_to(real[number % len(real)])
    random = np.random.default_rng(0)
    of_image, of_class = random.integers(0, images, boxes), random.integers(0, CLASSES, boxes) + 1
    limits = sizes[of_image % len(real)][:, ::-1]
    extents = (limits * (random.random((boxes, 2)) * 0.3 + 0.02)).round(2)
    corners = ((limits - extents) * random.random((boxes, 2))).round(2)
    outlines = [json.dumps((random.random(2 * POINTS) * 400).round(2).tolist()) for _ in range(OUTLINES)]
    crowds, areas = random.random(boxes) < 1 / 85, (extents.prod(axis=1) * 0.7).round(4)
    with open(folder / "annotations" / "instances_train2017.json", "w") as file:
        file.write('{"info": {}, "licenses": [], "images": [')
        for number in range(images):
            height, width = sizes[number % len(real)].tolist()
            file.write(
                f'{", " if number else ""}{{"license": 3, "file_name": "{number:012d}.jpg", "coco_url": '
                f'"http://images.cocodataset.org/train2017/{number:012d}.jpg", "height": {height}, "width": {width}, '
                f'"date_captured": "2013-11-14 11:18:45", "flickr_url": '
                f'"http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg", "id": {number}}}'
            )
        file.write('], "annotations": [')
        columns = (of_image, of_class, np.concatenate([corners, extents], axis=1), areas, crowds.astype(int))
        for number, (image, label, box, area, crowd) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            file.write(
                f'{", " if number else ""}{{"segmentation": [{outlines[number % OUTLINES]}], "area": {area}, '
                f'"iscrowd": {crowd}, "image_id": {image}, "bbox": {box}, "category_id": {label}, "id": {number}}}'
            )
        categories = [dict(id=number, name=f"class {number}") for number in range(1, CLASSES + 1)]
        file.write(f'], "categories": {json.dumps(categories)}}}')


def load(folder, iterations, workers):
    from torch.utils.data import DataLoader

    from densevision.config.load import load_config
    from densevision.data.batches import collate
    from densevision.data.sampler import SeededSampler
    from densevision.registry import DATASETS
    from densevision.training.stop import protect_worker

    config = load_config(CONFIG, [f"train_dataloader.dataset.data_root={folder}", "model.input_size=(96,96)"])
    data = DATASETS.build(config.train_dataloader.dataset.to_dict())
    data.count("train")
    options = dict(collate_fn=collate, worker_init_fn=protect_worker)
    loader = DataLoader(data, 2, sampler=SeededSampler(data), num_workers=workers, **options)
    for done, _ in enumerate(loader, start=1):
        tell(done, iterations)
        if done == iterations:
            return


def train(folder, iterations, workers):
    from densevision.config.load import load_config
    from densevision.training.process import tune_process
    from densevision.training.runner import build_runner

    tune_process()
    os.sched_getaffinity = lambda process: set(range(workers))  # more workers than a small machine would get
    changes = [f"train_dataloader.dataset.data_root={folder}", f"train_cfg.max_iters={iterations}"]
    changes += ["model.input_size=(96,96)", "train_dataloader.batch_size=2"]
    changes += [f"train_dataloader.num_workers={workers}", f"train_cfg.val_interval={iterations + 1}"]
    config = load_config(CONFIG, changes)
    for name in ("val_dataloader", "val_evaluator", "test_dataloader", "test_evaluator", "val_cfg", "test_cfg"):
        config.pop(name, None)
    config.work_dir = str(folder / "work")
    runner = build_runner(config, training=True)
    runner.register_hook(watcher(iterations))
    runner.train()


def watcher(iterations):
    from mmengine.hooks import Hook

    class Watcher(Hook):
        priority = "LOWEST"

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            tell(runner.iter + 1, iterations)

    return Watcher()


def tell(done, iterations):
    if done == 1:
        print(json.dumps(dict(first=since_start(), processor=time.process_time(), peak=peak())), flush=True)
    elif done % max(1, iterations // 10) == 0:
        print(json.dumps(dict(iteration=done, memory=memory_of_all())), flush=True)


def since_start():
    """Return the seconds since this process was started."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def memory_of_all():
    """Return the GiB of this process and of its children; shared pages count once."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    texts = [Path(f"/proc/{process}/smaps_rollup").read_text() for process in (os.getpid(), *children)]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 2**20


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # GiB, as Linux counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=118_287)
    parser.add_argument("--boxes", type=int, default=860_001)
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--loader-only", action="store_true")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if arguments.train:
        run = load if arguments.loader_only else train
        run(folder, arguments.iterations, arguments.workers)
        return
    if not folder.exists():
        write_dataset(folder, arguments.images, arguments.boxes)
    size = (folder / "annotations" / "instances_train2017.json").stat().st_size
    print(f"JSON of {size / 2**20:,.0f} MiB", flush=True)
    options = ["--train", "--iterations", str(arguments.iterations), "--workers", str(arguments.workers)]
    options += ["--loader-only"] if arguments.loader_only else []
    run = subprocess.Popen([sys.executable, __file__, str(folder), *options], stdout=subprocess.PIPE, text=True)
    memory = []
    for line in run.stdout:
        if not line.startswith("{"):
            print(f"  {line.rstrip()}", flush=True)
            continue
        found = json.loads(line)
        if "first" in found:
            print(
                f"first iteration after {found['first']:.1f} s ({found['processor']:.1f} s of the main process' "
                f"processor), peak memory {found['peak']:.2f} GiB",
                flush=True,
            )
        else:
            memory.append(found["memory"])
            print(f"iteration {found['iteration']}: main and workers {found['memory']:.3f} GiB", flush=True)
    if memory:
        print(f"growth from the first to the last tenth: {100 * (memory[-1] / memory[0] - 1):.2f} %")
    sys.exit(run.wait())


if __name__ == "__main__":
    main()
