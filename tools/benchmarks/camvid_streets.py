"""Write CamVid at half its size, with other streets in val: a screen of what carries over to a street not trained on.

    DENSEVISION_DATA=/folder/with/camvid python tools/benchmarks/camvid_streets.py OUT

OUT/camvid has the 204 frames of 0016e5 and the first half of 0001tp and 0006r0 in train, and the second halves in val:
285 and 82 frames of 240x180. They are all of CamVid's train split, so that its val and test frames take no part. Train
with DENSEVISION_DATA=OUT and the variants of camvid_variants.py that begin with "street".
"""

import argparse
import os
import sys
from itertools import groupby
from pathlib import Path

import cv2

_IMAGE, _LABELS = "_leftImg8bit.jpg", "_gtFine_labelIds.png"
_HALVED = ("0001tp", "0006r0")


def write_frame(source, target, split, sequence, frame):
    """Write one image and its label map at half the size."""
    for kind, suffix, filter_ in (("leftImg8bit", _IMAGE, cv2.INTER_AREA), ("gtFine", _LABELS, cv2.INTER_NEAREST)):
        path = source / kind / "train" / sequence / (frame + suffix)
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            sys.exit(f"{path} is missing or damaged")
        path = target / kind / split / sequence / (frame + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=filter_)):
            sys.exit(f"{path} can't be written")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    target = parser.parse_args().out / "camvid"
    source = Path(os.environ.get("DENSEVISION_DATA", "data")) / "camvid"
    paths = sorted((source / "leftImg8bit/train").glob(f"*/*{_IMAGE}"))
    if not paths:
        sys.exit(f"{source}/leftImg8bit/train has no images; set DENSEVISION_DATA to the folder with camvid")
    for sequence, found in groupby(paths, key=lambda path: path.parent.name):
        frames = [path.name.removesuffix(_IMAGE) for path in found]
        begin = len(frames) // 2 if sequence in _HALVED else len(frames)  # of val
        for number, frame in enumerate(frames):
            write_frame(source, target, "val" if number >= begin else "train", sequence, frame)
        print(f"{sequence}: {begin} frames in train, {len(frames) - begin} in val")


if __name__ == "__main__":
    main()
