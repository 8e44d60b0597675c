"""Painters of street furniture: lamps, traffic lights and signs."""

import math

import cv2

from densevision.scenes.canvas import NEAR, Canvas, Color, Point
from densevision.scenes.shapes import circle, fill_part, shaded

POLE = 17
_DARK, _METAL = (34, 34, 38), (104, 108, 112)


def paint_pole(canvas: Canvas, at: tuple[float, float], height: float, width: float = 0.07) -> None:
    """Paint a pole; width is half its width."""
    x, z = at
    for left, right, color in ((-1.0, 0.1, _METAL), (0.1, 1.0, shaded(_METAL, 0.7))):
        low, high = x + left * width, x + right * width
        canvas.face([(low, 0, z), (high, 0, z), (high, height, z), (low, height, z)], color, POLE)


def paint_lamp(canvas: Canvas, at: tuple[float, float], side: int, ident: int) -> None:
    """Paint a street lamp with an arm over the road; side is -1 left, 1 right."""
    x, z = at
    paint_pole(canvas, at, 6.5, 0.09)
    canvas.face([(x, 6.4, z), (x - side * 2, 6.75, z), (x - side * 2, 6.85, z), (x, 6.55, z)], _METAL, ident)
    inner, outer = x - side * 1.6, x - side * 2.5
    head = [(inner, 6.6, z), (outer, 6.65, z), (outer, 6.8, z), (inner, 6.85, z)]
    shines = canvas.light.lamps
    canvas.face(head, (255, 226, 160) if shines else (190, 190, 186), ident, shines)
    if shines:
        canvas.glow((x - side * 2.05, 6.72, z), 0.6, (200, 160, 90), ident)


def paint_light(canvas: Canvas, at: tuple[float, float], state: int, ident: int) -> None:
    """Paint a traffic light on its pole; state 0 is red, 1 amber, 2 green."""
    x, z = at
    paint_pole(canvas, at, 2.7)
    box = [(x - 0.27, 2.5, z), (x + 0.27, 2.5, z), (x + 0.27, 3.9, z), (x - 0.27, 3.9, z)]
    canvas.face(box, (18, 18, 20), ident)
    fill_part(canvas, box, (0.07, 0.03, 0.93, 0.97), (44, 46, 48), ident)
    for lamp, color in enumerate(((255, 40, 32), (255, 190, 40), (50, 245, 130))):
        on, middle = lamp == state, (x, 3.67 - 0.45 * lamp, z)
        canvas.face(circle(middle, 0.17), color if on else shaded(color, 0.2), ident, shines=on)
        if on:
            canvas.glow(middle, 0.3, shaded(color, 0.7), ident)


# corners, first corner in radians, then the colors of rim and plate
SIGNS = (
    (8, math.pi / 8, (240, 236, 230), (196, 24, 32)),
    (16, 0.0, (200, 26, 34), (244, 242, 236)),
    (3, math.pi / 2, (204, 28, 34), (246, 242, 232)),
    (4, math.pi / 4, (238, 238, 240), (24, 82, 176)),
    (16, 0.0, (238, 238, 240), (28, 88, 180)),
    (4, 0.0, (246, 244, 236), (246, 190, 24)),
)
_BAR = ((-0.06, -0.08), (0.06, -0.08), (0.08, 0.22), (-0.08, 0.22))
_DOT = ((-0.06, -0.2), (0.06, -0.2), (0.06, -0.12), (-0.06, -0.12))
_SHAFT = ((-0.05, -0.25), (0.05, -0.25), (0.05, 0.1), (-0.05, 0.1))
_TIP = ((-0.18, 0.05), (0.18, 0.05), (0, 0.28))
_WHITE = (244, 244, 244)
# the symbol on each kind of sign: polygons, or a text with its scale per pixels of a meter
_FIGURES = {2: ((_BAR, _DOT), _DARK), 3: ((_SHAFT, _TIP), _WHITE), 4: ((_SHAFT, _TIP), _WHITE)}
_TEXTS = {0: ("STOP", 0.0088, (244, 242, 236)), 1: ("50", 0.0145, (26, 26, 30))}


def paint_sign(canvas: Canvas, at: tuple[float, float], kind: int, ident: int) -> None:
    """Paint a traffic sign on its pole; kind is an index into SIGNS."""
    x, z = at
    paint_pole(canvas, at, 2.5, 0.05)
    corners, first, rim, plate = SIGNS[kind]
    for radius, color in ((0.52, rim), (0.43 if kind else 0.47, plate)):
        turns = (first + 2 * math.pi * i / corners for i in range(corners))
        ring = [(x + radius * math.cos(turn), 2.6 + radius * math.sin(turn), z) for turn in turns]
        canvas.face(ring, color, ident)
    polygons, color = _FIGURES.get(kind, ((), _DARK))
    for polygon in polygons:
        canvas.face([(x + u, 2.6 + v, z) for u, v in polygon], color, ident)
    if kind in _TEXTS and z > NEAR:
        _letter(canvas, (x, 2.6, z), *_TEXTS[kind])


def _letter(canvas: Canvas, middle: Point, text: str, size: float, color: Color) -> None:
    pixels = canvas.camera.focal / middle[2]
    (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size * pixels, 1)
    u, v = canvas.camera.project([middle])[0]
    place, thick = (round(u - wide / 2), round(v + tall / 2)), max(1, round(pixels * 0.035))
    shade = canvas.lit(color, middle[2])
    cv2.putText(canvas.image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size * pixels, shade, thick, cv2.LINE_AA)
