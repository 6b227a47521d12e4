"""Bars as SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_NAME_WIDTH, _BAR_WIDTH, _FIGURE_WIDTH = 150, 200, 80
_ROW = 22


class Bar(NamedTuple):
    name: str
    value: float | None
    """None: there is none to show."""
    told: str
    """The value in words."""


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars under a title, to one scale from 0."""
    most = max((row.value for row in rows if row.value), default=0.0)
    width, height = _NAME_WIDTH + _BAR_WIDTH + _FIGURE_WIDTH, _ROW * (len(rows) + 1)
    drawn = [f'<text x="0" y="{_ROW - 7}" font-weight="bold">{escape(title)}</text>']
    for place, row in enumerate(rows, 1):
        y = place * _ROW
        length = _BAR_WIDTH * (row.value or 0.0) / most if most else 0.0
        drawn += [
            f'<text x="0" y="{y + _ROW - 7}">{escape(row.name)}</text>',
            f'<rect x="{_NAME_WIDTH}" y="{y + 3}" width="{length:.1f}" height="{_ROW - 8}"/>',
            f'<text x="{_NAME_WIDTH + length + 6:.1f}" y="{y + _ROW - 7}">{escape(row.told or "–")}</text>',
        ]
    label = escape(f"{title}: " + ", ".join(f"{row.name} {row.told or 'none'}" for row in rows))
    return (
        f'<svg role="img" aria-label="{label}" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"{''.join(drawn)}</svg>"
    )
