"""Learning curves as an SVG picture, seams marked. It needs no library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from orchestrator.core.reporting.training import Training

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 20, 20, 50
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito, Color Universal Design (2008): distinguishable for colour-blind readers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self) -> list[float]:
        return [self.low + share * (self.high - self.low) / 4 for share in range(5)]


def curves_svg(title: str, trainings: Sequence[Training]) -> str:
    """One line per training, one colour per variant; a dotted vertical line where a session continued another one.

    Empty if no training has evaluations.
    """
    drawn = [one for one in trainings if one.curve.points]
    if not drawn:
        return ""
    steps = [point.steps for one in drawn for point in one.curve.points]
    scores = [point.score for one in drawn for point in one.curve.points]
    across = _scale(0, max(steps), _LEFT, _WIDTH - _RIGHT)
    up = _scale(min(scores), max(scores), _HEIGHT - _BOTTOM, _TOP)
    variants = {one.variant: "" for one in drawn}
    colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(variants)}
    height = _HEIGHT + 18 * len(colours)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><title>{escape(title)}</title><rect width="100%" height="100%" fill="white"/>',
        *_axes(across, up),
    ]
    for one in drawn:
        lines += _line(one, across, up, colours[one.variant])
    for place, (name, colour) in enumerate(colours.items()):
        y = _HEIGHT + 6 + 18 * place
        lines.append(f'<line x1="{_LEFT}" y1="{y}" x2="{_LEFT + 24}" y2="{y}" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<text x="{_LEFT + 32}" y="{y + 4}">{escape(name)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _scale(low: float, high: float, start: float, end: float) -> _Scale:
    if low == high:
        margin = max(0.5, abs(low) / 1000)  # 0.5 is lost in the rounding of a large number
        low, high = low - margin, high + margin
    return _Scale(low=low, high=high, start=start, end=end)


def _axes(across: _Scale, up: _Scale) -> Iterator[str]:
    bottom = _HEIGHT - _BOTTOM
    yield f'<path d="M{_LEFT},{_TOP}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="black"/>'
    for tick in across.ticks():
        yield f'<text x="{across.at(tick)}" y="{bottom + 18}" text-anchor="middle">{tick:.6g}</text>'
    for tick in up.ticks():
        yield f'<text x="{_LEFT - 6}" y="{up.at(tick) + 4}" text-anchor="end">{tick:.4g}</text>'
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield f'<text x="{middle}" y="{bottom + 38}" text-anchor="middle">steps (dotted: a session continued)</text>'
    yield f'<text x="14" y="{bottom / 2}" text-anchor="middle" transform="rotate(-90 14 {bottom / 2})">score</text>'


def _line(one: Training, across: _Scale, up: _Scale, colour: str) -> Iterator[str]:
    points = " ".join(f"{across.at(point.steps)},{up.at(point.score)}" for point in one.curve.points)
    yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    for point in one.curve.points:
        yield f'<circle cx="{across.at(point.steps)}" cy="{up.at(point.score)}" r="2" fill="{colour}"/>'
    for seam in one.curve.seams:
        if seam > across.high:
            continue  # it lies beyond the last evaluation
        x = across.at(seam)
        yield f'<path d="M{x},{_TOP}V{_HEIGHT - _BOTTOM}" stroke="{colour}" stroke-dasharray="2,4"/>'
