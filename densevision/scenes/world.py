"""The random layout of a street and its actors."""

from dataclasses import dataclass

import numpy as np

from densevision.scenes import textures
from densevision.scenes.actors import BODIES, BUS, Body, Clothes, Look
from densevision.scenes.canvas import Color, Light
from densevision.scenes.furniture import SIGNS
from densevision.scenes.ground import HALF_LANES, HALF_ROAD, WALK_EDGE

LIGHTS = (
    Light(((92, 148, 214), (198, 218, 232)), (1.08, 1.05, 1.0), 260, 0.75, True, False),
    Light(((148, 158, 170), (206, 210, 214)), (0.92, 0.94, 0.97), 150, 0.95, False, False),
    Light(((96, 122, 176), (248, 204, 150)), (1.16, 0.98, 0.8), 190, 0.6, True, False),
    Light(((36, 46, 86), (196, 134, 112)), (0.52, 0.5, 0.58), 200, 0.5, False, True),
)
_PAINTS: tuple[Color, ...] = (
    (196, 30, 36),
    (232, 232, 230),
    (40, 42, 48),
    (36, 78, 156),
    (150, 154, 160),
    (214, 168, 40),
)
_PAINTS += ((44, 112, 78), (122, 30, 44), (96, 126, 152), (206, 98, 36))
_LIVERIES = ((226, 60, 40), (240, 200, 50), (60, 120, 190))
_CLOTH: tuple[Color, ...] = ((178, 44, 52), (44, 62, 110), (226, 186, 58), (62, 110, 72), (70, 66, 74), (214, 212, 206))
_CLOTH += ((120, 70, 130), (226, 122, 48), (60, 140, 160))
_TROUSERS = ((42, 52, 82), (40, 40, 44), (108, 92, 74), (84, 88, 96))
_SKIN = ((238, 200, 172), (198, 148, 112), (134, 92, 66))
_HAIR = ((40, 30, 26), (110, 74, 42), (190, 160, 100))
_STILL = (0.0, 0.0)


@dataclass(frozen=True)
class Actor:
    """One object on the street.

    Attributes:
        kind: selects the painter; the name of the class if it gets a box.
        x: lateral position, meters from the middle of the road.
        z: position along the road at time 0, meters.
        speed: (sideways, along) in meters per second.
        form: argument of its painter.
    """

    kind: str
    x: float
    z: float
    speed: tuple[float, float]
    form: object

    def at(self, seconds: float) -> tuple[float, float]:
        """Return (x, z) on the road at a time."""
        return self.x + self.speed[0] * seconds, self.z + self.speed[1] * seconds


@dataclass(frozen=True)
class House:
    """A house along the road; side is -1 left or 1 right, span its beginning and end in meters."""

    variant: int
    side: int
    front: float
    span: tuple[float, float]
    height: float


@dataclass(frozen=True)
class World:
    """A street and its actors; see ``build_world``."""

    light: Light
    parks: tuple[bool, bool]
    curve: float
    view: tuple[float, float, float, float]  # camera: x in meters, height in meters, yaw and pitch in radians
    speed: float
    houses: list[House]
    crossings: list[float]
    skyline: np.ndarray
    actors: list[Actor]


def build_world(seed: int, drive: float = 0.0, speed: float = 0.0) -> World:
    """Generate a street.

    Args:
        seed: every seed gives a different street.
        drive: distance that the camera will travel, meters.
        speed: speed of the camera, meters per second.
    """
    rng = np.random.default_rng(seed)
    end = drive + 110
    parks = (bool(rng.random() < 0.3), bool(rng.random() < 0.3))
    view = (rng.uniform(1.3, 2.3), rng.uniform(1.35, 1.75), rng.normal(0, 0.03), rng.normal(0.02, 0.02))
    crossings = np.arange(rng.uniform(10, 40), end, rng.uniform(45, 70)).tolist()
    return World(
        light=LIGHTS[rng.choice(4, p=(0.42, 0.22, 0.18, 0.18))],
        parks=parks,
        curve=float(rng.normal(0, 0.0006)),
        view=view,
        speed=speed,
        houses=[house for side in (-1, 1) for house in _houses(rng, side, end, parks[side > 0])],
        crossings=crossings,
        skyline=_skyline(rng),
        actors=[
            *(tree for side in (-1, 1) for tree in _trees(rng, side, end, parks[side > 0])),
            *_lamps(rng, end),
            *_signs(rng, end, crossings),
            *_traffic(rng, end, speed),
            *_walkers(rng, end, crossings if drive == 0 else []),
        ],
    )


def _houses(rng: np.random.Generator, side: int, end: float, park: bool) -> list[House]:
    houses, z = [], -12.0
    front = side * (WALK_EDGE + (rng.uniform(9, 16) if park else rng.uniform(0.1, 1.2)))
    while z < end + 40:
        variant = int(rng.integers(textures.FACADES))
        _, (height, width) = textures.facade(variant, False)
        houses.append(House(variant, side, front + side * rng.uniform(0, 0.7), (z, z + width), height))
        z += width + (rng.uniform(2, 9) if rng.random() < 0.25 else 0)
    return houses


def _trees(rng: np.random.Generator, side: int, end: float, park: bool) -> list[Actor]:
    rows = [(HALF_ROAD + 0.9, rng.uniform(11, 22))]
    if park:
        rows = [(WALK_EDGE + 2.5, 6.5), (WALK_EDGE + 6, 8)]
    trees = []
    for row, gap in rows:
        for z in np.arange(rng.uniform(3, 14), end, gap).tolist():
            form = (int(rng.integers(textures.TREES)), rng.uniform(5, 8.5))
            place = (side * (row + rng.uniform(-0.3, 0.5)), z + rng.uniform(-2, 2))
            trees.append(Actor("tree", *place, _STILL, form))
    return trees


def _lamps(rng: np.random.Generator, end: float) -> list[Actor]:
    places = [(side, z) for side in (-1, 1) for z in np.arange(rng.uniform(4, 26), end, 27).tolist()]
    return [Actor("lamp", side * (HALF_ROAD + 0.6), z, _STILL, side) for side, z in places]


def _skyline(rng: np.random.Generator) -> np.ndarray:
    x = np.arange(-110, 111, 9.0)
    heights = rng.uniform(6, 15, len(x)) + 8 * (rng.random(len(x)) < 0.2)
    labels = np.where(rng.random(len(x)) < 0.35, 21, 11)
    return np.stack([x, heights, labels], axis=1)[rng.permutation(len(x))]


def _vehicle(rng: np.random.Generator, away: bool) -> tuple[str, tuple[Body, Look]]:
    paint = _PAINTS[rng.integers(len(_PAINTS))]
    if rng.random() < 0.16:
        return "bus", (BUS, Look(_LIVERIES[rng.integers(3)], 7, away, False))
    body = BODIES[rng.integers(len(BODIES))]
    return "car", (body, Look(paint, int(rng.integers(2, 4)), away, bool(rng.random() < 0.3)))


def _traffic(rng: np.random.Generator, end: float, speed: float) -> list[Actor]:
    actors = []
    if rng.random() < 0.7 or speed:
        kind, form = _vehicle(rng, True)
        ahead = rng.uniform(14, 20) if speed else rng.uniform(7, 24)
        actors.append(Actor(kind, 1.8 + rng.normal(0, 0.15), ahead, (0.0, speed * 1.03), form))
    z = rng.uniform(5, 26)
    while z < 2 * end:
        kind, form = _vehicle(rng, False)
        actors.append(Actor(kind, -1.8 + rng.normal(0, 0.15), z, (0.0, -8.0 if speed else 0.0), form))
        z += form[0].length + rng.uniform(7, 40)
    for side in (-1, 1):
        z = rng.uniform(1, 14)
        while z < end:
            kind, form = _vehicle(rng, side > 0)
            if kind == "car" and rng.random() < 0.5:
                actors.append(Actor(kind, side * (HALF_LANES + 1.15), z, _STILL, form))
            z += 5.6 + rng.uniform(0, 9)
    return actors


def _person(rng: np.random.Generator, x: float, z: float, speed: tuple[float, float]) -> Actor:
    tables = (_SKIN, _HAIR, _CLOTH, _TROUSERS)
    skin, hair, coat, legs = (table[rng.integers(len(table))] for table in tables)
    clothes = Clothes(skin, hair, coat, legs, rng.uniform(1.6, 1.9))
    return Actor("person", x, z, speed, clothes)


def _walkers(rng: np.random.Generator, end: float, crossings: list[float]) -> list[Actor]:
    walkers = []
    for side in (-1, 1):
        z = rng.uniform(5, 12)
        while z < end:
            along = rng.choice((-1.3, 1.3, 1.1))
            x = side * rng.uniform(HALF_ROAD + 0.7, WALK_EDGE - 0.4)
            walkers.append(_person(rng, x, z, (0.0, along)))
            z += rng.uniform(2.5, 18)
    for crossing in crossings:
        for _ in range(rng.integers(0, 4)):
            walkers.append(_person(rng, rng.uniform(-5, 5), crossing + rng.uniform(0.3, 2.8), (1.3, 0.0)))
    return walkers


def _signs(rng: np.random.Generator, end: float, crossings: list[float]) -> list[Actor]:
    actors = []
    for side in (-1, 1):
        for z in np.arange(rng.uniform(7, 18), end, rng.uniform(16, 30)):
            place, kind = side * (HALF_ROAD + rng.uniform(0.35, 0.6)), int(rng.integers(len(SIGNS)))
            actors.append(Actor("traffic sign", place, float(z), _STILL, kind))
        for crossing in crossings:
            state = int(rng.choice(3, p=(0.45, 0.1, 0.45)))
            actors.append(Actor("traffic light", side * (HALF_ROAD + 0.5), crossing - 0.6, _STILL, state))
    return actors
