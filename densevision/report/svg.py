"""Line charts as SVG text: no library, no script, small, and sharp at any size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLORS = ("#1f6feb", "#d9480f", "#2b8a3e", "#9c36b5", "#0c8599", "#e67700", "#c2255c", "#5c7cfa", "#66a80f", "#868e96")
_WIDTH, _HEIGHT = 480, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 10, 38


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: for the legend.
        points: (x, y); those that are not finite are left out.
        marked: draw a dot per point.
        faint: thin and gray, without a legend; its name shows under the mouse.
    """

    name: str
    points: Sequence[tuple[float, float]]
    marked: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        label: what it shows.
        low, high: its ends; None follows from the points.
        log: equal steps are equal factors; all values must be positive.
    """

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False


def line_chart(series: Sequence[Series], x: Axis, y: Axis, mark: tuple[float, str] | None = None) -> str:
    """Draw lines over a grid, with a legend below.

    Args:
        mark: position on the x axis of a vertical line, and its text.
    Returns:
        HTML: an ``svg`` element and a list of names; empty without a point.
    """
    series = [Series(one.name, _finite(one.points), one.marked, one.faint) for one in series]
    series = [one for one in series if one.points]
    if not series:
        return ""
    across = _Scale(x, [p[0] for one in series for p in one.points], _LEFT, _WIDTH - _RIGHT)
    up = _Scale(y, [p[1] for one in series for p in one.points], _HEIGHT - _BOTTOM, _TOP)
    named = [one for one in series if not one.faint]
    colors = {id(one): COLORS[number % len(COLORS)] for number, one in enumerate(named)}
    parts = [_grid(across, up), *(_line(one, across, up, colors.get(id(one), "#b8bec6")) for one in series)]
    if mark is not None:
        parts.append(_mark(across(mark[0]), mark[1]))
    label = escape(f"{y.label} over {x.label}")
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    names = "".join(f'<li><i style="background:{colors[id(one)]}"></i>{escape(one.name)}</li>' for one in named)
    return f'{svg}<ul class="legend">{names}</ul>'


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


class _Scale:
    """Maps values of an axis to positions in the chart."""

    def __init__(self, axis: Axis, values: Sequence[float], start: float, end: float):
        self.label, self._start, self._end = axis.label, start, end
        self._log = axis.log and min(values) > 0
        low = min(values) if axis.low is None else axis.low
        high = max(values) if axis.high is None else axis.high
        if self._log:
            low, high = math.log10(low), math.log10(high)
        if high - low < 1e-9:
            low, high = (low - 0.5, high + 0.5) if axis.low is None else (low, low + 1)
        self._low, self._high = low, high

    def __call__(self, value: float) -> float:
        value = math.log10(value) if self._log else value
        share = (value - self._low) / (self._high - self._low)
        return round(self._start + min(max(share, -0.05), 1.05) * (self._end - self._start), 1)

    def ticks(self) -> list[float]:
        """Return about five round values."""
        if not self._log:
            return _round_steps(self._low, self._high)
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        inside = [value for value in found if self._low <= math.log10(value) <= self._high]
        return inside if len(inside) >= 2 else _round_steps(10**self._low, 10**self._high)


def _round_steps(low: float, high: float, count: int = 5) -> list[float]:
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [number * step for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _grid(across: _Scale, up: _Scale) -> str:
    parts = []
    for value in up.ticks():
        parts.append(f'<path class="grid" d="M{_LEFT} {up(value)}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{up(value) + 4}" text-anchor="end">{_tick(value)}</text>')
    for value in across.ticks():
        place = f'x="{across(value)}" y="{_HEIGHT - _BOTTOM + 15}" text-anchor="middle"'
        parts.append(f"<text {place}>{_tick(value)}</text>")
    parts.append(f'<path class="axis" d="M{_LEFT} {_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}"/>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<text class="label" x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(across.label)}</text>'
    )
    turned = f'transform="translate(9 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)" text-anchor="middle"'
    parts.append(f'<text class="label" {turned}>{escape(up.label)}</text>')
    return "".join(parts)


def _tick(value: float) -> str:
    if abs(value) >= 10000:
        return f"{value / 1000:,.6g}k"
    return f"{value:.6g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.0e}"


def _line(one: Series, across: _Scale, up: _Scale, color: str) -> str:
    places = [(across(x), up(y)) for x, y in one.points]
    path = "M" + "L".join(f"{x} {y}" for x, y in places)
    width = 1 if one.faint else 2
    parts = [f'<path fill="none" stroke="{color}" stroke-width="{width}" stroke-linejoin="round" d="{path}"/>']
    if one.marked or len(places) == 1:
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{color}"/>' for x, y in places]
    return f"<g><title>{escape(one.name)}</title>{''.join(parts)}</g>"


def _mark(place: float, text: str) -> str:
    left = place > _WIDTH * 0.6
    anchor, x = ("end", place - 5) if left else ("start", place + 5)
    return (
        f'<path class="mark" d="M{place} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
        f'<text class="marked" x="{x}" y="{_TOP + 12}" text-anchor="{anchor}">{escape(text)}</text>'
    )
