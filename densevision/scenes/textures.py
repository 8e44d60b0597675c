"""Textures of a scene: house fronts, trees, clouds, asphalt; created once and reused."""

from functools import cache

import cv2
import numpy as np

from densevision.scenes.canvas import Color

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in meters
FACADES = 24
TREES = 10
_METER = 26  # texture pixels
_WALLS: tuple[Color, ...] = (
    (168, 92, 70),
    (196, 176, 148),
    (146, 142, 138),
    (214, 204, 186),
    (120, 132, 146),
    (182, 128, 96),
)
_WALLS += ((206, 186, 120), (134, 104, 92), (172, 184, 180), (224, 214, 204))
_SHOPS = ((170, 40, 46), (34, 84, 140), (30, 110, 76), (214, 150, 30), (70, 60, 66), (110, 50, 110))
_LAMPLIGHT = (255, 214, 140)


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """Return tileable noise [h, w] float32 around 0 with about ``cells`` waves across."""
    height, width = size
    field = rng.standard_normal((max(2, cells * height // width), cells)).astype(np.float32)
    tiled = cv2.copyMakeBorder(field, 2, 2, 2, 2, cv2.BORDER_WRAP)
    rows, columns = tiled.shape
    y = np.linspace(1.5, rows - 2.5, height, endpoint=False, dtype=np.float32)
    x = np.linspace(1.5, columns - 2.5, width, endpoint=False, dtype=np.float32)
    return cv2.remap(tiled, *np.meshgrid(x, y), cv2.INTER_CUBIC)


@cache
def asphalt() -> np.ndarray:
    """Return a tile [512, 512] float32, the brightness of the ground around 128."""
    rng = np.random.default_rng(11)
    tile = 0.045 * smooth_noise(rng, (512, 512), 8) + 0.035 * smooth_noise(rng, (512, 512), 40)
    return 128 * (1 + tile + 0.05 * rng.standard_normal((512, 512), np.float32))


@cache
def clouds() -> np.ndarray:
    """Return a tile [256, 1024] float32 in 0..1, the density of the clouds."""
    rng = np.random.default_rng(12)
    octaves = (smooth_noise(rng, (256, 1024), cells) / weight for cells, weight in ((8, 1), (20, 2), (48, 5)))
    return np.clip(sum(octaves) * 0.6, 0, 1)


def pyramid(texture: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the texture at full, half, quarter, ... size down to 16 pixels."""
    levels = [texture]
    while min(levels[-1].shape[:2]) >= 32:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return tuple(levels)


@cache
def facade(variant: int, lamps: bool) -> tuple[tuple[np.ndarray, ...], tuple[float, float]]:
    """Return the front of one house.

    Args:
        variant: 0 .. FACADES - 1.
        lamps: whether some windows are lit.
    Returns:
        The pyramid of [h, w, 4] uint8 RGBA, and (height, width) in meters.
    """
    rng = np.random.default_rng((21, variant))
    floors, bays, bay = int(rng.integers(2, 7)), int(rng.integers(3, 6)), float(rng.uniform(2.4, 3.6))
    height, width = 4.0 + 3.1 * floors, bay * bays + 0.8
    wall = np.array(_WALLS[variant % len(_WALLS)]) * rng.uniform(0.85, 1.05)
    image = _wall(rng, (round(height * _METER), round(width * _METER)), wall, bricks=variant % 3 == 0)
    _windows(rng, image, floors, bay, lamps)
    _shop(rng, image, lamps)
    cornice = np.clip(wall * 1.15, 0, 255)
    cv2.rectangle(image, (0, 0), (image.shape[1], round(0.45 * _METER)), cornice.tolist(), -1)
    cv2.line(image, (0, round(0.5 * _METER)), (image.shape[1], round(0.5 * _METER)), (wall * 0.5).tolist(), 3)
    opaque = np.full((*image.shape[:2], 1), 255, np.uint8)
    return pyramid(np.concatenate([image, opaque], axis=2)), (height, width)


def _wall(rng: np.random.Generator, size: tuple[int, int], color: np.ndarray, bricks: bool) -> np.ndarray:
    grain = 1 + 0.05 * smooth_noise(rng, size, 6) + 0.03 * rng.standard_normal(size).astype(np.float32)
    if bricks:
        rows = np.arange(size[0])[:, None] // 5
        shift = (np.arange(size[1])[None] + 7 * (rows % 2)) % 14 == 0
        grain = np.where(shift | (np.arange(size[0])[:, None] % 5 == 0), grain * 0.86, grain)
    stain = 1 - 0.18 * np.linspace(0, 1, size[0], dtype=np.float32)[:, None] ** 3
    return np.clip((grain * stain)[..., None] * color, 0, 255).astype(np.uint8)


def _windows(rng: np.random.Generator, image: np.ndarray, floors: int, bay: float, lamps: bool) -> None:
    wide, tall = rng.uniform(0.42, 0.8) * bay, rng.uniform(1.3, 2.2)
    frame = (235, 232, 225) if rng.random() < 0.6 else (60, 56, 54)
    balconies = rng.random() < 0.3
    for floor in range(floors):
        for column in range(int((image.shape[1] / _METER - 0.8) / bay + 0.5)):
            x = 0.4 + bay * column + (bay - wide) / 2
            y = 0.7 + 3.1 * floor + (3.1 - tall) / 2
            _window(rng, image, (x, y, x + wide, y + tall), frame, lamps and rng.random() < 0.4)
            if balconies and column % 2:
                _balcony(image, x - 0.15, y + tall, wide + 0.3)


def _window(rng: np.random.Generator, image: np.ndarray, box: Box, frame: Color, lit: bool) -> None:
    x0, y0, x1, y1 = (round(v * _METER) for v in box)
    cv2.rectangle(image, (x0 - 2, y0 - 2), (x1 + 2, y1 + 2), frame, -1)
    if lit:
        image[y0:y1, x0:x1] = np.array(_LAMPLIGHT) * rng.uniform(0.75, 1)
    else:
        mirror = np.linspace(rng.uniform(0.5, 1.0), 0.3, y1 - y0)[:, None, None]
        image[y0:y1, x0:x1] = mirror * np.array((112, 142, 170))
    if rng.random() < 0.35:
        curtain = y0 + round((y1 - y0) * rng.uniform(0.2, 0.6))
        cv2.rectangle(image, (x0, y0), (x1, curtain), (206, 198, 184) if not lit else (228, 184, 116), -1)
    middle = (x0 + x1) // 2
    cv2.rectangle(image, (middle - 1, y0), (middle, y1), frame, -1)
    cv2.rectangle(image, (x0 - 4, y1 + 2), (x1 + 4, y1 + 5), (190, 184, 176), -1)


def _balcony(image: np.ndarray, x: float, y: float, wide: float) -> None:
    x0, x1, y0 = round(x * _METER), round((x + wide) * _METER), round(y * _METER)
    cv2.rectangle(image, (x0, y0), (x1, y0 + 4), (120, 116, 112), -1)
    for bar in range(x0, x1 + 1, 5):
        cv2.line(image, (bar, y0 - 22), (bar, y0), (52, 52, 56), 1)
    cv2.line(image, (x0, y0 - 22), (x1, y0 - 22), (52, 52, 56), 2)


def _shop(rng: np.random.Generator, image: np.ndarray, lamps: bool) -> None:
    height, width = image.shape[:2]
    top = height - round(3.6 * _METER)
    sign = _SHOPS[rng.integers(len(_SHOPS))]
    pane = _LAMPLIGHT if lamps and rng.random() < 0.7 else (70, 88, 102)
    cv2.rectangle(image, (0, top), (width, height), (np.array(sign) * 0.35).tolist(), -1)
    cv2.rectangle(image, (6, top), (width - 6, top + 20), sign, -1)
    for x in range(22, width - 40, 11):
        if rng.random() < 0.7:
            cv2.rectangle(image, (x, top + 6), (x + 6, top + 14), (244, 240, 226), -1)
    edges = np.linspace(6, width - 6, int(rng.integers(3, 6))).astype(int)
    for x0, x1 in zip(edges, edges[1:], strict=False):
        cv2.rectangle(image, (x0 + 4, top + 28), (x1 - 4, height - 14), pane, -1)
        corner = np.array([(x0 + 4, top + 60), (x0 + 30, top + 28), (x0 + 44, top + 28), (x0 + 4, top + 82)])
        cv2.fillPoly(image, [corner], tuple(min(255, c + 26) for c in pane))
    door = edges[0] + 8
    cv2.rectangle(image, (door, top + 34), (door + 26, height), (58, 46, 40), -1)


@cache
def tree(variant: int) -> tuple[np.ndarray, ...]:
    """Return the pyramid of a tree [384, 288, 4] uint8 RGBA with its foot at the middle of the lower edge."""
    rng = np.random.default_rng((31, variant))
    image = np.zeros((384, 288, 4), np.uint8)
    trunk = np.array([(136, 190), (152, 190), (156, 384), (131, 384)])
    cv2.fillPoly(image, [trunk], (84, 66, 50, 255), cv2.LINE_AA)
    cv2.fillPoly(image, [np.array([(145, 190), (152, 190), (156, 384), (145, 384)])], (62, 48, 38, 255))
    leaf = np.array(((66, 104, 40), (84, 116, 44), (48, 92, 46), (116, 120, 44), (72, 98, 62))[variant % 5])
    puffs = _puffs(rng)
    for pass_, shade in enumerate((0.55, 0.8, 1.0, 1.25)):
        for x, y, radius in puffs:
            center = (round(x - 5 * pass_), round(y - 8 * pass_))
            color = _opaque(leaf * shade * rng.uniform(0.9, 1.1))
            cv2.circle(image, center, round(radius * (1 - 0.2 * pass_)), color, -1, cv2.LINE_AA)
    _leaves(rng, image, leaf)
    return pyramid(image)


def _opaque(color: np.ndarray) -> tuple[float, ...]:
    return (*np.clip(color, 0, 255).tolist(), 255)


def _puffs(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    tall = rng.uniform(0.85, 1.2)
    angles, reach = rng.uniform(0, 2 * np.pi, 26), np.sqrt(rng.uniform(0, 1, 26))
    x, y = 144 + 88 * reach * np.cos(angles), 148 + 96 * tall * reach * np.sin(angles)
    order = np.argsort(y)[::-1]
    return [(x[i], y[i], rng.uniform(24, 44)) for i in order]


def _leaves(rng: np.random.Generator, image: np.ndarray, leaf: np.ndarray) -> None:
    crown = cv2.erode(image[..., 3], np.ones((3, 3))) > 0
    crown[300:] = False
    for x, y in rng.integers((0, 0), (288, 300), (1500, 2)):
        if crown[y, x]:
            light = 1.3 - 0.75 * y / 300 + rng.uniform(-0.25, 0.25)
            cv2.circle(image, (int(x), int(y)), int(rng.integers(1, 4)), _opaque(leaf * light), -1)


def warm_up() -> None:
    """Create every texture, so that forked processes share them."""
    asphalt()
    clouds()
    for variant in range(TREES):
        tree(variant)
    for variant in range(FACADES):
        for lamps in (False, True):
            facade(variant, lamps)
