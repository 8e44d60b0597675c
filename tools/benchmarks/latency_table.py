"""Compare the latency that ``densevision adapt`` predicts with that of real files, for random narrowed networks.

    python tools/benchmarks/latency_table.py work_dirs/mine/best.pth --count 10

Each file runs in turns with the seed's; the ratio of both is compared with the predicted one.
"""

import argparse
import random
import tempfile
from pathlib import Path

from densevision.adapt.latency import Latency, LatencyTable
from densevision.adapt.proposals import ladder, narrower, parts
from densevision.adapt.seed import read_seed
from densevision.adapt.shape import Shape, widths
from densevision.adapt.timers import LocalTimer
from densevision.checkpoints.config import checkpoint_config
from densevision.export.exporter import ExportOptions


def pruned(shape: Shape, random_: random.Random) -> Shape:
    """Narrow every part by up to a quarter, twice."""
    for _ in range(2):
        new = {}
        for names in parts(shape).values():
            rung = random_.choice([shape, *ladder(shape, names)])
            new |= {name: widths(rung)[name] for name in names}
        shape = narrower(shape, new)
    return shape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--quantize", choices=("none", "int8"), default="none")
    arguments = parser.parse_args()
    config = checkpoint_config(arguments.checkpoint)
    seed = read_seed(config, arguments.checkpoint, ExportOptions(quantize=arguments.quantize))
    random_ = random.Random(0)
    shapes = [pruned(seed.shape, random_) for _ in range(arguments.count)]
    with tempfile.TemporaryDirectory() as folder:
        table = LatencyTable(LocalTimer(), int8=arguments.quantize == "int8", path=Path(folder, "table.json"))
        base = seed.write(seed.model, Path(folder, "seed.tflite"))
        latency = Latency(table, seed.geometry, seed.shape, table.file(base))
        latency.prepare([seed.shape, *shapes])
        worst = 0.0
        for index, shape in enumerate(shapes):
            predicted = latency(shape) / latency(seed.shape)
            model = seed.narrowed(seed.model, seed.shape, shape)
            measured = table.ratio(seed.write(model, Path(folder, f"{index}.tflite")), base)
            error = predicted / measured - 1
            worst = max(worst, abs(error))
            print(
                f"{index}: predicted {predicted:.3f}, measured {measured:.3f}, error {100 * error:+.1f} %", flush=True
            )
    print(f"seed {latency(seed.shape):.2f} ms; largest error {100 * worst:.1f} % of {arguments.count} networks")


if __name__ == "__main__":
    main()
