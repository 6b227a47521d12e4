"""How figures are written. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_PRECISE_BELOW = {"ms": 10, "mb": 1, "private_mb": 1, "seconds": 100}
_UNITS = {"ms": "ms", "mb": "MB", "private_mb": "MB", "seconds": "s"}


def size(mb: float) -> str:
    """A size as a person says it: 10 KB, 100 MB, 1 GB."""
    if mb < 1:
        return f"{mb * 1_000:g} KB"
    return f"{mb / 1_000:g} GB" if mb >= 1_000 else f"{mb:g} MB"


def amount(value: float, figure: str) -> str:
    precise = value < _PRECISE_BELOW[figure]
    return f"{value:,.2f} {_UNITS[figure]}" if precise else f"{value:,.0f} {_UNITS[figure]}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"
