"""Painters of the surroundings: sky, skyline, road, curbs, lane marks and houses."""

from collections.abc import Sequence

import cv2
import numpy as np

from densevision.scenes import textures
from densevision.scenes.canvas import NEAR, Canvas, Color, Point

ROAD, SIDEWALK, BUILDING, VEGETATION, TERRAIN, SKY = 7, 8, 11, 21, 22, 23
HALF_ROAD, HALF_LANES, WALK_EDGE = 5.9, 3.6, 9.4  # meters from the middle of the road
FAR = 160.0  # meters; distance of the skyline
_STEPS = np.array([NEAR, 2, 3.5, 6, 10, 16, 24, 34, 48, 70, 100, FAR])


def paint_sky(canvas: Canvas, drift: float) -> None:
    """Fill the upper part with a gradient and clouds; drift moves the clouds, in pixels of their tile."""
    light, (height, width) = canvas.light, canvas.ids.shape
    horizon = int(np.clip(canvas.camera.center[1] + 4, 1, height))
    slope = np.linspace(0, 1, 64, dtype=np.float32)[:, None, None] ** 0.8
    sky = np.array(light.sky[0], np.float32) * (1 - slope) + np.array(light.sky[1], np.float32) * slope  # [64, 1, 3]
    white = np.array((250, 249, 246), np.float32) * np.array(light.tint, np.float32).clip(0.45, 1)
    columns = ((np.arange(160) * (700 / 160) + drift) % 1024).astype(np.float32)
    rows = np.linspace(20, 240, 64, dtype=np.float32)
    grid = np.meshgrid(columns, rows)
    cover = cv2.remap(textures.clouds(), *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    cover = (cover * light.clouds)[..., None]
    small = sky * (1 - cover) + white * cover
    canvas.image[:horizon] = cv2.resize(small, (width, horizon), interpolation=cv2.INTER_LINEAR)
    canvas.ids[:horizon] = SKY


def paint_skyline(canvas: Canvas, profile: np.ndarray) -> None:
    """Paint the far houses and trees; profile [N, 3] has (x in meters, height, label id)."""
    for x, height, label in profile:
        color = (96, 108, 88) if label == VEGETATION else (132, 130, 136)
        box = [(x - 9, 0, FAR), (x + 9, 0, FAR), (x + 9, height, FAR), (x - 9, height, FAR)]
        canvas.face(box, color, int(label))


def _strip(canvas: Canvas, edges: tuple[float, float], color: Color, label: int) -> None:
    """Fill the ground between two lateral positions, in meters from the camera, piece by piece."""
    left, right = edges
    for z0, z1 in zip(_STEPS, _STEPS[1:], strict=False):
        corners = [(left, 0, z0), (right, 0, z0), (right, 0, z1), (left, 0, z1)]
        canvas.fill(canvas.camera.project(corners), color, label)


def paint_ground(canvas: Canvas, place: tuple[float, float], parks: tuple[bool, bool]) -> None:
    """Paint road, sidewalks and the ground next to them.

    Args:
        place: (x, z) of the camera on the road, in meters.
        parks: whether there is grass next to the left and the right sidewalk.
    """
    x, _ = place
    horizon = int(np.clip(canvas.camera.center[1], 0, canvas.ids.shape[0]))
    for side, park in zip((-1, 1), parks, strict=True):
        far, walk, curb = side * 90 - x, side * WALK_EDGE - x, side * HALF_ROAD - x
        beyond = ((88, 118, 58), TERRAIN) if park else ((150, 146, 142), SIDEWALK)
        _strip(canvas, (walk, far), *beyond)
        _strip(canvas, (curb, walk), (168, 162, 156), SIDEWALK)
    _strip(canvas, (-HALF_ROAD - x, HALF_ROAD - x), (92, 92, 96), ROAD)
    for side in (-1, 1):
        edges = (side * HALF_ROAD - x, side * (HALF_ROAD + 0.22) - x)
        _strip(canvas, edges, (198, 194, 188), SIDEWALK)
    _grain(canvas, place, horizon)


def _grain(canvas: Canvas, place: tuple[float, float], horizon: int) -> None:
    """Apply texture, light and haze to the ground, as functions of the position on the ground."""
    camera, light = canvas.camera, canvas.light
    height, width = canvas.ids.shape
    rows = np.arange(horizon + 1, height, dtype=np.float32)
    z = camera.focal * camera.height / (rows - camera.center[1])
    side = (np.arange(width, dtype=np.float32) - camera.center[0]) / camera.focal
    x = z[:, None] * side[None] - np.float32(camera.curve) * (z * z)[:, None] + np.float32(place[0])
    along = np.repeat((z + place[1])[:, None] * 40, width, axis=1).astype(np.float32)
    tile = cv2.remap(textures.asphalt(), x * 60, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    fade = np.clip(12 / z, 0.15, 1)[:, None]
    grain = cv2.convertScaleAbs(128 + (tile - 128) * fade)
    mix = np.exp(-z / light.haze)[:, None]
    part = cv2.multiply(canvas.image[horizon + 1 :], cv2.cvtColor(grain, cv2.COLOR_GRAY2RGB), scale=1 / 128)
    tint = np.repeat((mix * np.array(light.tint, np.float32) * 160).astype(np.uint8)[:, None], width, axis=1)
    haze = np.repeat(((1 - mix) * np.array(light.sky[1], np.float32)).astype(np.uint8)[:, None], width, axis=1)
    canvas.image[horizon + 1 :] = cv2.add(cv2.multiply(part, tint, scale=1 / 160), haze)


def _mark(canvas: Canvas, edges: tuple[float, float], span: tuple[float, float]) -> None:
    (x0, x1), (z0, z1) = edges, span
    canvas.face([(x0, 0, z0), (x1, 0, z0), (x1, 0, z1), (x0, 0, z1)], (226, 224, 214))


def paint_marks(canvas: Canvas, place: tuple[float, float], crossings: list[float]) -> None:
    """Paint lane marks, and zebra crossings at the given places along the road."""
    x, start = place
    first = 9 * np.floor((start + NEAR) / 9)
    for z in np.arange(first, start + 110, 9.0)[::-1].tolist():
        if not any(abs(z + 2 - crossing) < 5 for crossing in crossings):
            _mark(canvas, (-0.08 - x, 0.08 - x), (z - start, z - start + 4))
        for edge in (-HALF_LANES - x, HALF_LANES - x):
            _mark(canvas, (edge - 0.05, edge + 0.05), (z - start, z - start + 9))
    for crossing in crossings:
        for stripe in np.arange(-HALF_ROAD + 0.5, HALF_ROAD - 0.5, 1.0).tolist():
            _mark(canvas, (stripe - x, stripe + 0.5 - x), (crossing - start, crossing - start + 3.2))


def paint_house(canvas: Canvas, variant: int, front: float, span: tuple[float, float], end_wall: bool) -> None:
    """Paint a house along the road: the end wall that faces the camera, then the front.

    Args:
        variant: variant of the facade.
        front: lateral position of the front, in meters from the camera; its sign is the side of the road.
        span: its beginning and end ahead of the camera, in meters.
        end_wall: whether the end wall is visible.
    """
    levels, (height, _) = textures.facade(variant, canvas.light.lamps)
    z0, z1 = span
    if z0 > NEAR and end_wall:
        depth = front + (11 if front > 0 else -11)
        _paper(canvas, levels, [(front, height, z0), (depth, height, z0), (depth, 0, z0), (front, 0, z0)])
    begin = max(z0, NEAR)
    if begin < z1 - 0.2:
        ahead = [level[:, round(level.shape[1] * (begin - z0) / (z1 - z0)) :] for level in levels]
        plane = [(front, height, begin), (front, height, z1), (front, 0, z1), (front, 0, begin)]
        _paper(canvas, ahead, plane)


def _paper(canvas: Canvas, levels: Sequence[np.ndarray], plane: Sequence[Point]) -> None:
    """Cover a wall (top left, top right, bottom right, bottom left) with the level of a pyramid that fits its size."""
    corners = canvas.camera.project(plane)
    level = _level(levels, max(corners[3][1] - corners[0][1], corners[2][1] - corners[1][1]))
    canvas.paste(level, corners, BUILDING, (plane[0][2] + plane[1][2]) / 2)


def _level(levels: Sequence[np.ndarray], pixels: float) -> np.ndarray:
    """Return the smallest level of a pyramid with about the given number of rows."""
    fitting = [level for level in levels if level.shape[0] >= 0.8 * pixels]
    return fitting[-1] if fitting else levels[0]


def paint_tree(canvas: Canvas, at: tuple[float, float], form: tuple[int, float], ident: int) -> None:
    """Paint a tree that stands at (x, z), in meters from the camera; ``form`` is (variant, height in meters)."""
    (x, z), (variant, height) = at, form
    if z < NEAR + 0.8:
        return
    half = 0.375 * height
    plane = [(x - half, height, z), (x + half, height, z), (x + half, 0, z), (x - half, 0, z)]
    corners = canvas.camera.project(plane)
    canvas.paste(_level(textures.tree(variant), corners[3][1] - corners[0][1]), corners, ident, z)
