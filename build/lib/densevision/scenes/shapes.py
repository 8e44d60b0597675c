"""Small pieces that the painters are built from."""

import math

from densevision.scenes.canvas import Canvas, Colour, Point

Face = list[Point]  # bottom left, bottom right, top right, top left


def between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


def fill_part(canvas: Canvas, face: Face, box, colour: Colour, ident: int, shines: bool = False) -> None:
    """Fill the part (u0, v0, u1, v1) of a face; u runs from left to right, v upwards, both 0..1."""
    u0, v0, u1, v1 = box
    left = between(face[0], face[1], u0), between(face[3], face[2], u0)
    right = between(face[0], face[1], u1), between(face[3], face[2], u1)
    points = [between(*left, v0), between(*right, v0), between(*right, v1), between(*left, v1)]
    canvas.face(points, colour, ident, shines)


def circle(middle: Point, radius: float, corners: int = 12) -> list[Point]:
    """Return a ring in the upright plane that faces the camera."""
    x, y, z = middle
    turns = (2 * math.pi * i / corners for i in range(corners))
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn), z) for turn in turns]


def shaded(colour, factor: float) -> tuple[float, ...]:
    return tuple(min(255.0, channel * factor) for channel in colour)


def frustum(bottom, top) -> tuple[Face, Face, Face]:
    """Return the near, the visible side and the top face between two (x0, x1, y, z0, z1) rectangles."""
    bx0, bx1, by, bz0, bz1 = bottom
    tx0, tx1, ty, tz0, tz1 = top
    near = [(bx0, by, bz0), (bx1, by, bz0), (tx1, ty, tz0), (tx0, ty, tz0)]
    roof = [(tx0, ty, tz0), (tx1, ty, tz0), (tx1, ty, tz1), (tx0, ty, tz1)]
    if bx0 + bx1 > 0:
        side = [(bx0, by, bz1), (bx0, by, bz0), (tx0, ty, tz0), (tx0, ty, tz1)]
    else:
        side = [(bx1, by, bz0), (bx1, by, bz1), (tx1, ty, tz1), (tx1, ty, tz0)]
    return near, side, roof
