"""The drawing surface of a scene: a colour picture and an id map, painted together through one camera.

World axes, seen from the camera: x to the right, y up from the ground, z ahead; all in metres.
Painting goes from far to near, so the id map always holds what is visible.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

NEAR = 1.2  # metres; nothing nearer is drawn
_SHIFT = 4  # fractional bits of cv2's fixed-point coordinates
_UNIT = 1 << _SHIFT
FIRST_INSTANCE = 64  # ids below it are Cityscapes label ids, from it on instances

Point = tuple[float, float, float]
Colour = tuple[float, float, float]
Pixel = tuple[float, float]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along the road.

    Attributes:
        focal: in pixels.
        centre: (u, v) of the vanishing point, in pixels.
        height: above the ground, in metres.
        curve: bend of the road, metres sideways per square metre ahead.
    """

    focal: float
    centre: tuple[float, float]
    height: float
    curve: float

    def project(self, points: Sequence[Point]) -> list[Pixel]:
        """Map world points with z >= NEAR to pixels (u, v); plain floats, as polygons have few corners."""
        (u0, v0), focal, height, curve = self.centre, self.focal, self.height, self.curve
        return [(u0 + focal * (x / z + curve * z), v0 + focal * (height - y) / z) for x, y, z in points]


@dataclass(frozen=True)
class Light:
    """One kind of weather; colours are RGB in 0..255.

    Attributes:
        sky: colours at the top and at the horizon.
        tint: factor for each channel of everything that does not shine itself.
        haze: distance in metres at which 63 % of the horizon's colour has mixed in.
        clouds: 0 (clear) to 1.
        sun: whether objects throw hard shadows.
        lamps: whether lamps and windows shine.
    """

    sky: tuple[tuple[int, int, int], tuple[int, int, int]]
    tint: tuple[float, float, float]
    haze: float
    clouds: float
    sun: bool
    lamps: bool


def clip_near(points: Sequence[Point]) -> Sequence[Point]:
    """Cut a convex polygon at the plane z = NEAR; what remains is empty when all of it is behind."""
    if all(point[2] >= NEAR for point in points):
        return points
    kept = []
    for here, after in zip(points, (*points[1:], points[0]), strict=True):
        if here[2] >= NEAR:
            kept.append(here)
        if (here[2] >= NEAR) != (after[2] >= NEAR):
            share = (NEAR - here[2]) / (after[2] - here[2])
            kept.append(tuple(a + (b - a) * share for a, b in zip(here, after, strict=True)))
    return kept


def _fixed(pixels: Sequence[Pixel], left: int = 0, top: int = 0) -> np.ndarray:
    return np.array([((u - left) * _UNIT, (v - top) * _UNIT) for u, v in pixels]).astype(np.int32)


def _bounds(pixels: Sequence[Pixel], size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Return left, top, right, bottom of the part of a polygon that lies in the frame, if any."""
    height, width = size
    us, vs = zip(*pixels, strict=True)
    left, top, right, bottom = min(us), min(vs), max(us), max(vs)
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        return None
    right, bottom = min(right, width - 1) + 1, min(bottom, height - 1) + 1
    return int(max(left, 0)), int(max(top, 0)), int(right), int(bottom)


_RAMP = np.arange(256, dtype=np.float32)[:, None]


class Canvas:
    """A picture under construction.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        ids: [H, W] uint8, a Cityscapes label id or FIRST_INSTANCE + index of the instance.
    """

    def __init__(self, size: tuple[int, int], camera: Camera, light: Light):
        self.image = np.zeros((*size, 3), np.uint8)
        self.ids = np.zeros(size, np.uint8)
        self.camera = camera
        self.light = light
        self._glows: list[tuple[int, int, float, Colour, int]] = []

    def lit(self, colour: Colour, z: float) -> Colour:
        """Return the colour as it looks in this light from z metres."""
        mix = math.exp(-z / self.light.haze)
        triples = zip(colour, self.light.tint, self.light.sky[1], strict=True)
        return tuple(channel * tint * mix + haze * (1 - mix) for channel, tint, haze in triples)

    def detailed(self, z: float) -> bool:
        """Whether z metres away is near enough for small parts to show."""
        return self.camera.focal / max(z, NEAR) > 0.04 * self.ids.shape[1]

    def face(self, points: Sequence[Point], colour: Colour, ident: int | None = None, shines: bool = False) -> None:
        """Fill a convex polygon of world points; an ident of None leaves the id map alone."""
        points = clip_near(points)
        if len(points) >= 3:
            shade = colour if shines else self.lit(colour, points[0][2])
            self.fill(self.camera.project(points), shade, ident)

    def fill(self, pixels: Sequence[Pixel], colour: Colour, ident: int | None = None) -> None:
        """Fill a convex polygon of pixels; the colour is used as it is."""
        if _bounds(pixels, self.ids.shape):
            fixed = _fixed(pixels)
            cv2.fillConvexPoly(self.image, fixed, colour, cv2.LINE_AA, _SHIFT)
            if ident is not None:
                cv2.fillConvexPoly(self.ids, fixed, ident, cv2.LINE_8, _SHIFT)

    def darken(self, points: Sequence[Point], amount: float) -> None:
        """Throw a shadow over a convex polygon of world points; amount is 0..1."""
        points = clip_near(points)
        if len(points) < 3:
            return
        pixels = self.camera.project(points)
        bounds = _bounds(pixels, self.ids.shape)
        if not bounds:
            return
        left, top, right, bottom = bounds
        gain = np.full((bottom - top, right - left, 3), 255, np.uint8)
        dark = (255 * (1 - amount),) * 3
        cv2.fillConvexPoly(gain, _fixed(pixels, left, top), dark, cv2.LINE_AA, _SHIFT)
        part = self.image[top:bottom, left:right]
        part[:] = cv2.multiply(part, gain, scale=1 / 255)

    def paste(self, texture: np.ndarray, corners: Sequence[Pixel], ident: int, z: float) -> None:
        """Warp a texture [h, w, 4] uint8 RGBA into the picture.

        Args:
            corners: where its top left, top right, bottom right and bottom left land, in pixels.
            ident: written where alpha is above one half.
            z: metres, for the haze.
        """
        bounds = _bounds(corners, self.ids.shape)
        if not bounds:
            return
        left, top, right, bottom = bounds
        rows, columns = texture.shape[:2]
        source = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32) - 0.5
        target = np.array([(u - left - 0.5, v - top - 0.5) for u, v in corners], np.float32)
        matrix = cv2.getPerspectiveTransform(source, target)
        warped = cv2.warpPerspective(texture, matrix, (right - left, bottom - top))
        alpha = warped[..., 3]
        weight = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
        part = self.image[top:bottom, left:right]
        behind = cv2.multiply(part, cv2.bitwise_not(weight), scale=1 / 255)
        before = cv2.multiply(cv2.LUT(warped[..., :3], self._change(z)), weight, scale=1 / 255)
        part[:] = cv2.add(before, behind)
        self.ids[top:bottom, left:right][alpha > 127] = ident

    def _change(self, z: float) -> np.ndarray:
        """Return the table [1, 256, 3] from a colour to how it looks in this light from z metres."""
        mix = math.exp(-z / self.light.haze)
        table = _RAMP * (np.float32(self.light.tint) * mix) + np.float32(self.light.sky[1]) * (1 - mix)
        return np.minimum(table, 255).astype(np.uint8)[None]

    def glow(self, point: Point, radius: float, colour: Colour, ident: int) -> None:
        """Note a lamp of the given radius in metres; ``finish_glows`` adds its halo unless it is hidden."""
        if point[2] > NEAR:
            u, v = self.camera.project([point])[0]
            self._glows.append((round(u), round(v), radius * self.camera.focal / point[2], colour, ident))

    def finish_glows(self) -> None:
        """Add the halos of the noted lamps that nothing nearer covers."""
        height, width = self.ids.shape
        layer = np.zeros_like(self.image)
        for u, v, radius, colour, ident in self._glows:
            if 0 <= u < width and 0 <= v < height and self.ids[v, u] == ident:
                cv2.circle(layer, (u, v), round(min(max(1, radius), 0.02 * width)), colour, -1, cv2.LINE_AA)
        small = cv2.resize(layer, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        soft = cv2.resize(cv2.GaussianBlur(small, (0, 0), 2.5), self.ids.shape[::-1])
        self.image = cv2.add(self.image, soft)
