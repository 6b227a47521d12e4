"""Charts of rows. Needs matplotlib, which is of no other part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evals.grid import Row
from evals.table import ALL, Cell, cells

_MARKERS = "osD^vXP"


def draw(rows: Sequence[Row], reader: str, folder: Path) -> list[Path]:
    """Write scores by family, scores over all families, tokens and seconds, as PNG. Each says whose reading it is."""
    found = cells(rows)
    methods = list(dict.fromkeys(row.method for row in rows))
    families = list(dict.fromkeys(row.family for row in rows))
    clock = "virtual seconds" if reader.startswith("simulated") else "seconds"
    return [
        _families(found, families, methods, reader, folder / "families.png"),
        _one(
            found,
            methods,
            f"score over all families ({reader})",
            lambda cell: cell.score.mean,
            folder / "overview.png",
            bars=True,
        ),
        _one(
            found,
            methods,
            f"tokens of a question ({reader})",
            lambda cell: cell.tokens,
            folder / "tokens.png",
            log=True,
        ),
        _one(
            found,
            methods,
            f"{clock} of a question ({reader})",
            lambda cell: cell.seconds,
            folder / "seconds.png",
            log=True,
        ),
    ]


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _families(
    found: dict[tuple[str, int, str], Cell], families: Sequence[str], methods: Sequence[str], reader: str, path: Path
) -> Path:
    pyplot = _pyplot()
    across = min(4, len(families))
    down = -(-len(families) // across)
    figure, axes = pyplot.subplots(down, across, figsize=(4 * across, 3.2 * down), squeeze=False, sharey=True)
    for place, axis in enumerate(axes.flat):
        if place >= len(families):
            axis.axis("off")
            continue
        _lines(axis, found, families[place], methods, lambda cell: cell.score.mean, bars=True)
        axis.set_title(families[place], fontsize=10)
        axis.set_ylim(-0.04, 1.04)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=min(7, len(labels)), fontsize=8)
    figure.suptitle(f"score by length of the corpus ({reader}); hollow: cut to fit the window")
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    return _saved(pyplot, figure, path)


def _one(
    found: dict[tuple[str, int, str], Cell],
    methods: Sequence[str],
    title: str,
    value: Callable[[Cell], float],
    path: Path,
    *,
    bars: bool = False,
    log: bool = False,
) -> Path:
    pyplot = _pyplot()
    figure, axis = pyplot.subplots(figsize=(7.5, 4.5))
    _lines(axis, found, ALL, methods, value, bars=bars)
    axis.set_title(title, fontsize=11)
    if log:
        axis.set_yscale("log")
    axis.legend(fontsize=8)
    figure.tight_layout()
    return _saved(pyplot, figure, path)


def _lines(
    axis: Any,
    found: dict[tuple[str, int, str], Cell],
    family: str,
    methods: Sequence[str],
    value: Callable[[Cell], float],
    *,
    bars: bool,
) -> None:
    """A line for each method; whiskers are the interval over seeds, and hollow marks texts that were cut."""
    for place, method in enumerate(methods):
        own = sorted((tokens, cell) for (of, tokens, name), cell in found.items() if (of, name) == (family, method))
        if not own:
            continue
        lengths, values = [tokens for tokens, _ in own], [value(cell) for _, cell in own]
        [line] = axis.plot(lengths, values, label=method, linewidth=1.3)
        color = line.get_color()
        for tokens, cell in own:
            filled = "white" if cell.truncated else color
            axis.plot(
                tokens,
                value(cell),
                marker=_MARKERS[place % len(_MARKERS)],
                color=color,
                markerfacecolor=filled,
                markersize=5,
            )
            if bars and cell.score.interval is not None:
                axis.vlines(tokens, *cell.score.interval, color=color, alpha=0.35, linewidth=1)
    axis.set_xscale("log")
    axis.set_xlabel("tokens of the corpus", fontsize=8)
    axis.grid(alpha=0.25)


def _saved(pyplot: Any, figure: Any, path: Path) -> Path:
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path
