"""Render a street as seen by the camera, with boxes and label map."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from densevision.scenes import actors, furniture, ground
from densevision.scenes.canvas import FIRST_INSTANCE, NEAR, Camera, Canvas
from densevision.scenes.world import Actor, World, build_world

CLASSES = ("person", "car", "bus", "traffic light", "traffic sign")
SMALLEST = 20  # pixels; lower actors are not painted
LOWEST_BOX = 32  # pixels; lower actors have labels but no box
_SPEED = 8.0  # meters per second, of the camera on a drive
_VISIBLE = 0.3  # smallest visible share of an actor's pixels for a box
_FAR = 75.0  # meters; actors farther away are not painted
# painter, usual height in meters, Cityscapes label id
_KINDS: dict[str, tuple[Callable[..., None], float, int]] = {
    "person": (actors.paint_person, 1.75, 24),
    "car": (actors.paint_vehicle, 1.5, 26),
    "bus": (actors.paint_vehicle, 3.1, 28),
    "traffic light": (furniture.paint_light, 1.4, 19),
    "traffic sign": (furniture.paint_sign, 1.0, 20),
    "tree": (ground.paint_tree, 6.0, 21),
    "lamp": (furniture.paint_lamp, 6.5, 17),
}


@dataclass(frozen=True)
class Scene:
    """A rendered image and its ground truth.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        label_ids: [H, W] uint8, official Cityscapes label ids.
        instances: [H, W] uint8, 0 or 1 + the index of the pixel's box.
        boxes: [G, 4] float32 xyxy in pixels, around the visible part.
        labels: [G] int64, index into CLASSES.
    """

    image: np.ndarray
    label_ids: np.ndarray
    instances: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


def render_scene(seed: int, size: tuple[int, int] = (360, 640)) -> Scene:
    """Render the still image of a seed; size is (height, width) in pixels."""
    return _render(build_world(seed), 0.0, size, seed)


def render_frame(seed: int, drive_seconds: float, seconds: float, size: tuple[int, int] = (360, 640)) -> np.ndarray:
    """Render one frame of a drive along a street.

    Args:
        drive_seconds: length of the whole drive; the same for all its frames.
        seconds: time of this frame from the start.
    Returns:
        [H, W, 3] uint8 RGB.
    """
    world = build_world(seed, drive_seconds * _SPEED, _SPEED)
    return _render(world, seconds, size, round(seconds * 1000)).image


def _render(world: World, seconds: float, size: tuple[int, int], noise_seed: int) -> Scene:
    travelled = world.speed * seconds
    place = (world.view[0], travelled)
    canvas = Canvas(size, _camera(world, size), world.light)
    ground.paint_sky(canvas, seconds * 3)
    ground.paint_skyline(canvas, world.skyline - (world.view[0], 0, 0))
    ground.paint_ground(canvas, place, world.parks)
    ground.paint_marks(canvas, place, world.crossings)
    _paint_houses(canvas, world, place)
    shown = _paint_street(canvas, world, seconds, place)
    canvas.finish_glows()
    return _finish(canvas, shown, noise_seed)


def _camera(world: World, size: tuple[int, int]) -> Camera:
    height, width = size
    _, tall, yaw, pitch = world.view
    focal = 1.1 * width
    return Camera(focal, (width / 2 + focal * yaw, height * 0.46 + focal * pitch), tall, world.curve)


def _paint_houses(canvas: Canvas, world: World, place: tuple[float, float]) -> None:
    for side in (-1, 1):
        row = [house for house in world.houses if house.side == side]
        for nearer, house in reversed(list(zip([None, *row], row, strict=False))):
            begin, end = house.span[0] - place[1], house.span[1] - place[1]
            if end > NEAR and begin < 130:
                free = nearer is None or nearer.height < house.height or nearer.span[1] < house.span[0] - 0.1
                ground.paint_house(canvas, house.variant, house.front - place[0], (begin, end), free)


def _paint_street(canvas: Canvas, world: World, seconds: float, place: tuple[float, float]) -> list[tuple[Actor, int]]:
    """Paint all actors from far to near; return those with a class, with their pixel counts."""
    shown: list[tuple[Actor, int]] = []
    places = [(actor, *actor.at(seconds)) for actor in world.actors]
    for actor, x, z in sorted(places, key=lambda place: -place[2]):
        at = (x - place[0], z - place[1])
        painter, height, label_id = _KINDS[actor.kind]
        if at[1] > _FAR or height * canvas.camera.focal < SMALLEST * at[1]:
            continue
        ident = FIRST_INSTANCE + len(shown) if actor.kind in CLASSES else label_id
        form = (actor.form, 7 * seconds + 3 * actor.z) if actor.kind == "person" else actor.form
        painter(canvas, at, form, ident)
        if actor.kind in CLASSES:
            shown.append((actor, int(np.count_nonzero(canvas.ids == ident))))
    return shown


def _finish(canvas: Canvas, shown: list[tuple[Actor, int]], seed: int) -> Scene:
    table = np.arange(256, dtype=np.uint8)
    order = np.zeros(256, np.uint8)
    boxes, labels = [], []
    for index, (actor, pixels) in enumerate(shown):
        ident = FIRST_INSTANCE + index
        table[ident] = _KINDS[actor.kind][2]
        mask = (canvas.ids == ident).view(np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        visible = cv2.countNonZero(mask)
        if visible >= _VISIBLE * pixels and height >= LOWEST_BOX and width >= 4:
            boxes.append((left, top, left + width, top + height))
            labels.append(CLASSES.index(actor.kind))
            order[ident] = len(boxes)
    return Scene(
        image=_expose(canvas.image, seed),
        label_ids=table[canvas.ids],
        instances=order[canvas.ids],
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.array(labels, np.int64),
    )


def _expose(image: np.ndarray, seed: int) -> np.ndarray:
    """Blur the image slightly and add the noise of a sensor."""
    rng = np.random.default_rng((seed, 1))
    grain = rng.integers(0, 7, image.shape[:2], dtype=np.uint8)
    soft = cv2.GaussianBlur(image, (3, 3), 0.55)
    noisy = cv2.add(soft, cv2.cvtColor(grain, cv2.COLOR_GRAY2RGB))
    return cv2.subtract(noisy, np.full_like(noisy, 3))
