"""Write rendered scenes as a data set: COCO json, Cityscapes files and a video."""

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from densevision.errors import UserError
from densevision.images import write_image
from densevision.scenes.render import CLASSES, Scene, render_frame, render_scene
from densevision.scenes.textures import warm_up

CATEGORY_IDS = (1, 3, 6, 10, 13)  # the ids of COCO for each class; 13 is COCO's stop sign
CITY = "street"
_RATE = 25.0  # frames per second
_SPLIT_STEP = 1_000_000  # between the seeds of splits, so that they do not share scenes


def write_dataset(folder: str | Path, *, train: int, val: int, video_seconds: float, seed: int = 0) -> Path:
    """Render a data set of 360 x 640 images into a folder, on all cores.

    The same images serve both tasks::

        leftImg8bit/{train,val}/street/street_NNNNNN_000019_leftImg8bit.png
        gtFine/{train,val}/street/street_NNNNNN_000019_gtFine_labelIds.png
        annotations/instances_{train,val}.json     file names are relative to leftImg8bit/{train,val}
        drive.mp4                                  25 frames per second

    Args:
        train: number of training scenes.
        val: number of scenes to evaluate on.
        video_seconds: length of the video in seconds.
        seed: another seed gives other streets.
    Returns:
        The path of the video.
    Raises:
        UserError: the folder can't be written.
    """
    folder, first = Path(folder), seed * 10 * _SPLIT_STEP
    try:
        (folder / "annotations").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} can't be created ({error.strerror}); choose another folder") from error
    with _workers() as pool:
        for start, split, count in ((first, "train", train), (first + _SPLIT_STEP, "val", val)):
            rows = pool.map(partial(_write_scene, folder, split, start), range(count), chunksize=4)
            _write_json(folder / "annotations" / f"instances_{split}.json", list(rows))
        times = [frame / _RATE for frame in range(round(video_seconds * _RATE))]
        frame = partial(render_frame, first + 2 * _SPLIT_STEP, video_seconds)
        _write_video(folder / "drive.mp4", pool.map(frame, times, chunksize=4))
    return folder / "drive.mp4"


@contextmanager
def _workers() -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of a process per core, with all textures created.

    OpenCV's threads must be gone before the fork: a child that inherits them without running them hangs.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        warm_up()
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            yield pool
    finally:
        cv2.setNumThreads(threads)


def _write_scene(folder: Path, split: str, first_seed: int, index: int) -> tuple[dict, list[dict]]:
    """Render and write one scene; return its COCO image row and its annotation rows without ids."""
    scene = render_scene(first_seed + index)
    stem = f"{CITY}/{CITY}_{index:06d}_000019"
    write_image(folder / "leftImg8bit" / split / f"{stem}_leftImg8bit.png", scene.image)
    write_image(folder / "gtFine" / split / f"{stem}_gtFine_labelIds.png", scene.label_ids)
    height, width = scene.label_ids.shape
    image = dict(id=index + 1, file_name=f"{stem}_leftImg8bit.png", height=height, width=width)
    return image, [_annotation(scene, box, index + 1) for box in range(len(scene.boxes))]


def _annotation(scene: Scene, index: int, image_id: int) -> dict:
    left, top, right, bottom = (int(side) for side in scene.boxes[index])
    mask = (scene.instances[top:bottom, left:right] == index + 1).view(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top))
    return dict(
        image_id=image_id,
        category_id=CATEGORY_IDS[scene.labels[index]],
        bbox=[left, top, right - left, bottom - top],
        area=cv2.countNonZero(mask),
        iscrowd=0,
        segmentation=[outline.reshape(-1).tolist() for outline in outlines if len(outline) > 2],
    )


def _write_json(path: Path, rows: list[tuple[dict, list[dict]]]) -> None:
    annotations = [annotation for _, found in rows for annotation in found]
    categories = [dict(id=id_, name=name) for id_, name in zip(CATEGORY_IDS, CLASSES, strict=True)]
    table = dict(
        info=dict(description="Driving scenes rendered by densevision"),
        images=[image for image, _ in rows],
        annotations=[dict(id=number, **annotation) for number, annotation in enumerate(annotations, 1)],
        categories=categories,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table), encoding="utf-8")


def _write_video(path: Path, frames: Iterable[np.ndarray]) -> None:
    writer = None
    for frame in frames:
        if writer is None:
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), _RATE, frame.shape[1::-1])
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    if writer is not None:
        writer.release()
