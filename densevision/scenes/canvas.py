"""The drawing surface of a scene: a color image and an id map, painted together through one camera.

World axes, seen from the camera: x to the right, y up from the ground, z ahead; all in meters.
Scenes are painted from far to near, so the id map always has the visible ids.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

NEAR = 1.2  # meters; nothing closer is painted
_SHIFT = 4  # fractional bits of cv2's fixed-point coordinates
_UNIT = 1 << _SHIFT
FIRST_INSTANCE = 64  # lower ids are Cityscapes label ids, the others instances

Point = tuple[float, float, float]
Color = tuple[float, float, float]
Pixel = tuple[float, float]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along the road.

    Attributes:
        focal: in pixels.
        center: (u, v) of the vanishing point, in pixels.
        height: above the ground, in meters.
        curve: curvature of the road, meters sideways per square meter ahead.
    """

    focal: float
    center: tuple[float, float]
    height: float
    curve: float

    def project(self, points: Sequence[Point]) -> list[Pixel]:
        """Map world points with z >= NEAR to pixels (u, v), as plain floats: polygons have few corners."""
        (u0, v0), focal, height, curve = self.center, self.focal, self.height, self.curve
        return [(u0 + focal * (x / z + curve * z), v0 + focal * (height - y) / z) for x, y, z in points]


@dataclass(frozen=True)
class Light:
    """The light of one kind of weather; colors are RGB in 0..255.

    Attributes:
        sky: colors at the top and at the horizon.
        tint: factor for each channel of everything that is not a light source.
        haze: distance in meters at which 63 % of the color is that of the horizon.
        clouds: 0 (clear) to 1.
        sun: whether objects cast hard shadows.
        lamps: whether lamps and windows are lit.
    """

    sky: tuple[tuple[int, int, int], tuple[int, int, int]]
    tint: tuple[float, float, float]
    haze: float
    clouds: float
    sun: bool
    lamps: bool


def between(a: Point, b: Point, share: float) -> Point:
    """Return the point that is a share of the way from a to b."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


def clip_near(points: Sequence[Point]) -> Sequence[Point]:
    """Clip a convex polygon at the plane z = NEAR; the result is empty if all of it is closer."""
    if all(point[2] >= NEAR for point in points):
        return points
    kept = []
    for start, end in zip(points, (*points[1:], points[0]), strict=True):
        if start[2] >= NEAR:
            kept.append(start)
        if (start[2] >= NEAR) != (end[2] >= NEAR):
            share = (NEAR - start[2]) / (end[2] - start[2])
            kept.append(between(start, end, share))
    return kept


def _fixed(pixels: Sequence[Pixel], left: int = 0, top: int = 0) -> np.ndarray:
    return np.array([((u - left) * _UNIT, (v - top) * _UNIT) for u, v in pixels]).astype(np.int32)


def _bounds(pixels: Sequence[Pixel], size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Return left, top, right, bottom of the part of a polygon inside the frame, if any."""
    height, width = size
    us, vs = zip(*pixels, strict=True)
    left, top, right, bottom = min(us), min(vs), max(us), max(vs)
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        return None
    right, bottom = min(right, width - 1) + 1, min(bottom, height - 1) + 1
    return int(max(left, 0)), int(max(top, 0)), int(right), int(bottom)


_RAMP = np.arange(256, dtype=np.float32)[:, None]


class Canvas:
    """An image and its id map in progress.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        ids: [H, W] uint8, a Cityscapes label id or FIRST_INSTANCE + index of the instance.
    """

    def __init__(self, size: tuple[int, int], camera: Camera, light: Light):
        self.image: np.ndarray = np.zeros((*size, 3), np.uint8)
        self.ids = np.zeros(size, np.uint8)
        self.camera = camera
        self.light = light
        self._glows: list[tuple[int, int, float, Color, int]] = []

    def lit(self, color: Color, z: float) -> Color:
        """Return the color as seen in this light from z meters."""
        mix = math.exp(-z / self.light.haze)
        triples = zip(color, self.light.tint, self.light.sky[1], strict=True)
        red, green, blue = (channel * tint * mix + haze * (1 - mix) for channel, tint, haze in triples)
        return red, green, blue

    def detailed(self, z: float) -> bool:
        """Tell whether small parts are visible at z meters."""
        return self.camera.focal / max(z, NEAR) > 0.04 * self.ids.shape[1]

    def face(self, points: Sequence[Point], color: Color, ident: int | None = None, shines: bool = False) -> None:
        """Fill a convex polygon of world points; an ident of None does not change the id map."""
        points = clip_near(points)
        if len(points) >= 3:
            shade = color if shines else self.lit(color, points[0][2])
            self.fill(self.camera.project(points), shade, ident)

    def fill(self, pixels: Sequence[Pixel], color: Color, ident: int | None = None) -> None:
        """Fill a convex polygon of pixels; the color is used unchanged."""
        if _bounds(pixels, self.ids.shape):
            fixed = _fixed(pixels)
            cv2.fillConvexPoly(self.image, fixed, color, cv2.LINE_AA, _SHIFT)
            if ident is not None:
                cv2.fillConvexPoly(self.ids, fixed, ident, cv2.LINE_8, _SHIFT)

    def darken(self, points: Sequence[Point], amount: float) -> None:
        """Cast a shadow on a convex polygon of world points; amount is 0..1."""
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
        """Warp a texture [h, w, 4] uint8 RGBA into the image.

        Args:
            corners: top left, top right, bottom right and bottom left of its place in pixels.
            ident: id to write where alpha is above one half.
            z: distance in meters, for the haze.
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
        background = cv2.multiply(part, cv2.bitwise_not(weight), scale=1 / 255)
        foreground = cv2.multiply(cv2.LUT(warped[..., :3], self._change(z)), weight, scale=1 / 255)
        part[:] = cv2.add(foreground, background)
        self.ids[top:bottom, left:right][alpha > 127] = ident

    def _change(self, z: float) -> np.ndarray:
        """Return the lookup table [1, 256, 3] from colors to colors as seen in this light from z meters."""
        mix = math.exp(-z / self.light.haze)
        table = _RAMP * (np.array(self.light.tint, np.float32) * mix) + np.array(self.light.sky[1], np.float32) * (
            1 - mix
        )
        return np.minimum(table, 255).astype(np.uint8)[None]

    def glow(self, point: Point, radius: float, color: Color, ident: int) -> None:
        """Store a lamp of the given radius in meters; ``finish_glows`` adds its halo unless it is hidden."""
        if point[2] > NEAR:
            u, v = self.camera.project([point])[0]
            self._glows.append((round(u), round(v), radius * self.camera.focal / point[2], color, ident))

    def finish_glows(self) -> None:
        """Add the halos of the stored lamps that are not hidden."""
        height, width = self.ids.shape
        layer = np.zeros_like(self.image)
        for u, v, radius, color, ident in self._glows:
            if 0 <= u < width and 0 <= v < height and self.ids[v, u] == ident:
                cv2.circle(layer, (u, v), round(min(max(1, radius), 0.02 * width)), color, -1, cv2.LINE_AA)
        small = cv2.resize(layer, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        soft = cv2.resize(cv2.GaussianBlur(small, (0, 0), 2.5), self.ids.shape[::-1])
        self.image = cv2.add(self.image, soft)
