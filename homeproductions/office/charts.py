"""Bars and columns as geometry, for SVG that a template draws: no script, and no style in the markup. All words stand
beside the drawing as text, so that they keep their size on a phone, where the drawing is squeezed."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

HEIGHT = 100
PITCH = 10  # of a column, of which the bar itself takes
THICKNESS = 7
INTERVALS = 4  # at most, between the lines of the grid
ROUND_STEPS = (1, 2, 5, 10)

Number = int | Decimal


@dataclass(frozen=True)
class Piece:
    """One rectangle. `kind` is its CSS class; its numbers are text, whatever the language of the page."""

    kind: str
    y: str
    height: str


@dataclass(frozen=True)
class Column:
    label: str
    slot: int
    x: str
    pieces: list[Piece]


@dataclass(frozen=True)
class Line:
    """A line of the grid and what it stands for."""

    text: str
    y: str
    is_zero: bool


@dataclass(frozen=True)
class Chart:
    columns: list[Column]
    lines: list[Line]  # from the top

    width: int
    height: int = HEIGHT
    pitch: int = PITCH
    thickness: int = THICKNESS


def columns(stacks: Sequence[tuple[str, Sequence[tuple[str, Number]]]]) -> Chart:
    """A chart of columns side by side: each a label and its pieces `(kind, value)`, stacked upwards from zero in their
    order; what is negative hangs below zero. The grid has round numbers."""
    tops = [sum(max(value, 0) for _, value in pieces) for _, pieces in stacks]
    bottoms = [sum(min(value, 0) for _, value in pieces) for _, pieces in stacks]
    highest, lowest = Decimal(max(tops, default=0)), Decimal(min(bottoms, default=0))
    step = _round_step((highest - lowest) / INTERVALS)
    above, below = ceil(highest / step) or 1, ceil(-lowest / step)
    scale = Decimal(HEIGHT) / ((above + below) * step)
    zero = above * step * scale
    lines = [
        Line(f"{number * step:,}", _text((above - number) * step * scale), is_zero=number == 0)
        for number in range(above, -below - 1, -1)
    ]
    drawn = [
        Column(
            label,
            slot * PITCH,
            _text(Decimal(slot * PITCH) + Decimal(PITCH - THICKNESS) / 2, 1),
            _pile(pieces, zero, scale),
        )
        for slot, (label, pieces) in enumerate(stacks)
    ]
    return Chart(drawn, lines, width=PITCH * len(stacks))


def percent(part: Number, whole: Number) -> str:
    """How much of a bar is filled, from 0 to 100."""
    share = Decimal(part) / Decimal(whole) if whole else Decimal(0)
    return _text(min(max(share, Decimal(0)), Decimal(1)) * 100)


def _pile(pieces: Sequence[tuple[str, Number]], zero: Decimal, scale: Decimal) -> list[Piece]:
    pile, top, bottom = [], zero, zero
    for kind, value in pieces:
        height = abs(Decimal(value)) * scale
        if value > 0:
            top -= height
            pile.append(Piece(kind, _text(top), _text(height)))
        elif value < 0:
            pile.append(Piece(kind, _text(bottom), _text(height)))
            bottom += height
    return pile


def _round_step(least: Decimal) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is not less."""
    magnitude = 1
    while magnitude * 10 < least:
        magnitude *= 10
    return next(step * magnitude for step in ROUND_STEPS if step * magnitude >= least)


def _text(number: Decimal, places: int = 2) -> str:
    return f"{number:.{places}f}"
