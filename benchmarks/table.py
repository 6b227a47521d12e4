"""How figures are written. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def size(mb: float) -> str:
    """A size as a person says it: 10 KB, 100 MB, 1 GB."""
    if mb < 1:
        return f"{mb * 1_000:g} KB"
    return f"{mb / 1_000:g} GB" if mb >= 1_000 else f"{mb:g} MB"


def amount(ms: float) -> str:
    return f"{ms:,.2f} ms" if ms < 10 else f"{ms:,.0f} ms"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"
