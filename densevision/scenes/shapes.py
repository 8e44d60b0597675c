"""Shapes that several painters use."""

import math

from densevision.scenes.canvas import Canvas, Color, Point, between

Face = list[Point]  # bottom left, bottom right, top right, top left

Rectangle = tuple[float, float, float, float, float]  # x0, x1, y, z0, z1


def fill_part(
    canvas: Canvas, face: Face, box: tuple[float, float, float, float], color: Color, ident: int, shines: bool = False
) -> None:
    """Fill the part (u0, v0, u1, v1) of a face; u runs from left to right, v upward, both in 0..1."""
    u0, v0, u1, v1 = box
    left = between(face[0], face[1], u0), between(face[3], face[2], u0)
    right = between(face[0], face[1], u1), between(face[3], face[2], u1)
    points = [between(*left, v0), between(*right, v0), between(*right, v1), between(*left, v1)]
    canvas.face(points, color, ident, shines)


def circle(middle: Point, radius: float, corners: int = 12) -> list[Point]:
    """Return a circle in the vertical plane that faces the camera."""
    x, y, z = middle
    turns = (2 * math.pi * i / corners for i in range(corners))
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn), z) for turn in turns]


def shaded(color: Color, factor: float) -> Color:
    red, green, blue = (min(255.0, channel * factor) for channel in color)
    return red, green, blue


def frustum(bottom: Rectangle, top: Rectangle) -> tuple[Face, Face, Face]:
    """Return the near, the visible side and the top face between two rectangles."""
    bx0, bx1, by, bz0, bz1 = bottom
    tx0, tx1, ty, tz0, tz1 = top
    near = [(bx0, by, bz0), (bx1, by, bz0), (tx1, ty, tz0), (tx0, ty, tz0)]
    roof = [(tx0, ty, tz0), (tx1, ty, tz0), (tx1, ty, tz1), (tx0, ty, tz1)]
    if bx0 + bx1 > 0:
        side = [(bx0, by, bz1), (bx0, by, bz0), (tx0, ty, tz0), (tx0, ty, tz1)]
    else:
        side = [(bx1, by, bz0), (bx1, by, bz1), (tx1, ty, tz1), (tx1, ty, tz0)]
    return near, side, roof
