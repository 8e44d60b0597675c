"""Painters of moving actors: cars, buses and people.

Each painter draws one actor at (x, z) meters from the camera, with one id for all its visible pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from densevision.scenes.canvas import NEAR, Canvas, Color, Pixel, between
from densevision.scenes.shapes import Face, circle, fill_part, frustum, shaded

_GLASS, _DARK, _TIRE = (58, 74, 88), (34, 34, 38), (26, 26, 28)


@dataclass(frozen=True)
class Body:
    """The shape of a vehicle in meters; cabin fields are (bottom, top) pairs measured from the near end."""

    width: float
    length: float
    belt: float
    roof: float
    cabin_near: tuple[float, float]
    cabin_far: tuple[float, float]


@dataclass(frozen=True)
class Look:
    """The appearance of a vehicle: color, number of side windows, and whether its rear is visible."""

    color: Color
    windows: int
    away: bool
    braking: bool


@dataclass(frozen=True)
class Clothes:
    """The appearance of a person; colors are RGB, the height is in meters."""

    skin: Color
    hair: Color
    coat: Color
    legs: Color
    height: float


BODIES = (
    Body(1.85, 4.5, 0.92, 1.46, (0.45, 1.0), (3.3, 2.6)),
    Body(1.8, 4.0, 0.95, 1.52, (0.08, 0.45), (3.0, 2.4)),
    Body(1.95, 4.7, 1.05, 1.78, (0.06, 0.3), (3.5, 3.0)),
    Body(2.0, 5.1, 1.1, 2.15, (0.03, 0.12), (4.3, 3.9)),
)
BUS = Body(2.55, 11.0, 1.25, 3.05, (0.02, 0.06), (10.98, 10.94))


def paint_vehicle(canvas: Canvas, at: tuple[float, float], form: tuple[Body, Look], ident: int) -> None:
    """Paint a car or a bus; ``at`` is (x of its middle, z of its near end)."""
    (x, z0), (body, look) = at, form
    half, z1 = body.width / 2, z0 + body.length
    if z1 < NEAR + 0.5:
        return
    left, right = x - half - 0.15, x + half + 0.15
    canvas.darken([(left, 0, z0 - 0.25), (right, 0, z0 - 0.25), (right, 0, z1), (left, 0, z1)], 0.62)
    for tire in (x - half + 0.12, x + half - 0.12):
        z = z0 + 0.35
        box = [(tire - 0.12, 0, z), (tire + 0.12, 0, z), (tire + 0.12, 0.5, z), (tire - 0.12, 0.5, z)]
        canvas.face(box, _TIRE, ident)
    belt = (x - half * 0.97, x + half * 0.97, body.belt, z0, z1)
    near, side, top = frustum((x - half, x + half, 0.3, z0, z1), belt)
    canvas.face(side, shaded(look.color, 0.78 if x > 0 else 0.92), ident)
    if canvas.detailed(z0):
        fill_part(canvas, side, (0, 0, 1, 0.16), shaded(look.color, 0.45), ident)
        fill_part(canvas, side, (0, 0.66, 1, 0.7), shaded(look.color, 0.62), ident)
    for z in (z0 + 0.85, z1 - 0.85):
        _wheel(canvas, (x - half if x > 0 else x + half, z), 0.48 if body.length > 8 else 0.34, ident)
    canvas.face(top, shaded(look.color, 1.12), ident)
    _cabin(canvas, body, (x, z0), ident, look)
    _near_end(canvas, near, ident, look, body)


def _wheel(canvas: Canvas, at: tuple[float, float], radius: float, ident: int) -> None:
    """Paint a wheel and its arch on the side of a vehicle."""
    x, z = at
    if z < NEAR + 0.4:
        return
    layers = ((1.2, (20, 20, 22)), (1.0, _TIRE), (0.6, (150, 152, 156)), (0.2, _DARK))
    for size, color in layers[: 4 if canvas.detailed(z) else 2]:
        ring = circle((z, radius, x), radius * size)
        canvas.face([(x, max(v, 0.25 if size > 1 else 0), u) for u, v, x in ring], color, ident)


def _cabin(canvas: Canvas, body: Body, at: tuple[float, float], ident: int, look: Look) -> None:
    x, z0 = at
    half = body.width / 2
    inset = 0.03 if body.length > 8 else 0.3
    bottom = (x - half * 0.95, x + half * 0.95, body.belt, z0 + body.cabin_near[0], z0 + body.cabin_far[0])
    top = (x - half + inset, x + half - inset, body.roof, z0 + body.cabin_near[1], z0 + body.cabin_far[1])
    near, side, roof = frustum(bottom, top)
    canvas.face(side, shaded(look.color, 0.74 if x > 0 else 0.88), ident)
    edges = [0.05 + 0.9 * i / look.windows for i in range(look.windows + 1)]
    glass = (196, 184, 140) if canvas.light.lamps and body.length > 8 else _GLASS
    for left, right in zip(edges, edges[1:], strict=False):
        fill_part(canvas, side, (left + 0.015, 0.12, right - 0.015, 0.84), glass, ident)
        if canvas.detailed(z0):
            fill_part(canvas, side, (left + 0.015, 0.6, right - 0.015, 0.84), shaded(glass, 1.35), ident)
    canvas.face(roof, shaded(look.color, 1.15), ident)
    canvas.face(near, shaded(look.color, 0.95), ident)
    fill_part(canvas, near, (0.07, 0.1, 0.93, 0.86), glass, ident)
    fill_part(canvas, near, (0.07, 0.55, 0.6, 0.86), shaded(glass, 1.5), ident)


def _near_end(canvas: Canvas, near: Face, ident: int, look: Look, body: Body) -> None:
    canvas.face(near, look.color, ident)
    fill_part(canvas, near, (0.0, 0.0, 1.0, 0.3), shaded(look.color, 0.55), ident)
    if canvas.detailed(near[0][2]):
        fill_part(canvas, near, (0.0, 0.86, 1.0, 1.0), shaded(look.color, 1.15), ident)
    fill_part(canvas, near, (0.36, 0.34, 0.64, 0.5), (222, 222, 212), ident)
    if not look.away:
        fill_part(canvas, near, (0.26, 0.52, 0.74, 0.74), _DARK, ident)
    lamp, radius = _lamp(look, canvas.light.lamps)
    for left, right in ((0.03, 0.22), (0.78, 0.97)):
        fill_part(canvas, near, (left, 0.52, right, 0.8), lamp, ident, shines=radius > 0)
        if radius:
            low = between(near[0], near[1], (left + right) / 2)
            canvas.glow((low[0], low[1] + 0.66 * (body.belt - 0.3), low[2]), radius, lamp, ident)
    if body.length > 8:
        board = [(x, y + body.roof - body.belt, z) for x, y, z in near]
        fill_part(canvas, board, (0.25, 0.62, 0.75, 0.9), (250, 170, 40), ident, shines=True)


def _lamp(look: Look, dark: bool) -> tuple[Color, float]:
    """Return color and radius in meters of a vehicle's lamps; the radius is 0 when they are off."""
    if look.away:
        return ((230, 36, 30), 0.22) if dark or look.braking else ((172, 28, 28), 0.0)
    return ((255, 252, 226), 0.4) if dark else ((226, 228, 224), 0.0)


_TORSO = ((-0.095, 0.45), (0.095, 0.45), (0.125, 0.8), (0.06, 0.845), (-0.06, 0.845), (-0.125, 0.8))
_HAIR = ((-0.06, 0.93), (-0.03, 0.955), (0.06, 0.95), (0.05, 0.985), (0, 1.0), (-0.05, 0.985))


class _Figure:
    """Paints parts of a body, in units of its height, in the vertical plane at z."""

    def __init__(self, canvas: Canvas, at: tuple[float, float], height: float, ident: int):
        self._canvas, self._at, self._height, self._ident = canvas, at, height, ident

    def part(self, points: Sequence[Pixel], color: Color) -> None:
        (x, z), height = self._at, self._height
        self._canvas.face([(x + u * height, v * height, z) for u, v in points], color, self._ident)

    def limb(self, start: Pixel, end: Pixel, widths: tuple[float, float], color: Color) -> None:
        """Fill a bar between two joints; widths are those at its two ends."""
        (u0, v0), (u1, v1) = start, end
        length = math.hypot(u1 - u0, v1 - v0)
        across, up = (v0 - v1) / length, (u1 - u0) / length
        a, b = widths
        ends = [(u0 + across * a, v0 + up * a), (u1 + across * b, v1 + up * b)]
        self.part([*ends, (u1 - across * b, v1 - up * b), (u0 - across * a, v0 - up * a)], color)

    def disc(self, center: Pixel, radii: tuple[float, float], color: Color) -> None:
        (u, v), (wide, tall) = center, radii
        turns = (2 * math.pi * i / 10 for i in range(10))
        self.part([(u + wide * math.cos(turn), v + tall * math.sin(turn)) for turn in turns], color)


def paint_person(canvas: Canvas, at: tuple[float, float], form: tuple[Clothes, float], ident: int) -> None:
    """Paint a pedestrian; ``form`` is the clothes and the phase of the stride in radians."""
    (x, z), (clothes, phase) = at, form
    if z < NEAR + 0.3:
        return
    canvas.darken([(u, 0, z + 0.7 * v) for u, v, _ in circle((x, 0, 0), 0.42)], 0.5)
    figure = _Figure(canvas, at, clothes.height, ident)
    swing, near, coat = 0.11 * math.sin(phase), canvas.detailed(z), clothes.coat
    for way, shade in ((-1, 0.75), (1, 1.0)):
        knee, foot = (way * (0.04 + swing * 0.6), 0.26), (way * (0.04 + swing), 0.03)
        figure.limb((way * 0.035, 0.48), knee, (0.058, 0.043), shaded(clothes.legs, shade))
        figure.limb(knee, foot, (0.043, 0.03), shaded(clothes.legs, shade))
        if near:
            figure.limb((foot[0] - 0.035, 0.018), (foot[0] + 0.05, 0.018), (0.018, 0.014), _DARK)
    figure.limb((-0.1, 0.78), (-0.125 - swing * 0.7, 0.45), (0.036, 0.027), shaded(coat, 0.72))
    figure.part(_TORSO, coat)
    figure.limb((0.11, 0.79), (0.135 + swing * 0.7, 0.45), (0.036, 0.027), shaded(coat, 0.9))
    if near:
        figure.part([(0.03, 0.45), (0.095, 0.45), (0.1, 0.78), (0.06, 0.84)], shaded(coat, 0.82))
        figure.disc((0.135 + swing * 0.7, 0.435), (0.024, 0.028), clothes.skin)
        figure.limb((0, 0.83), (0, 0.88), (0.03, 0.03), clothes.skin)
    figure.disc((0, 0.925), (0.056, 0.072), clothes.skin)
    figure.part(_HAIR, clothes.hair)
