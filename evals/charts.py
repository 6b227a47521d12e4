"""Charts of rows. Needs matplotlib, which is of no other part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evals.grid import WEAK, Row
from evals.table import BY_CODE, BY_READING, Cell, cells

_MARKERS = "osD^vXP<>"
_ASIDE = 1.06
"""Of lengths, on their log scale, from one method to the next."""


def draw(rows: Sequence[Row], reader: str, folder: Path) -> list[Path]:
    """Write scores by family and by group, tokens and seconds, as PNG. Each says whose reading it is."""
    found = cells(rows)
    methods = list(dict.fromkeys(row.method for row in rows))
    families = list(dict.fromkeys(row.family for row in rows))
    clock = "virtual seconds" if reader.startswith("simulated") else "seconds"
    groups = [group for group in (BY_CODE, BY_READING) if any(of == group for of, _, _ in found)]
    title = f"score by length of the corpus ({reader}); hollow: cut to fit the window"
    return [
        _panels(found, families, methods, title, folder / "families.png"),
        _panels(found, groups, methods, title, folder / "overview.png", width=5.2),
        _panels(
            found, groups, methods, f"tokens of a question ({reader})", folder / "tokens.png", lambda cell: cell.tokens
        ),
        _panels(
            found,
            groups,
            methods,
            f"{clock} of a question ({reader})",
            folder / "seconds.png",
            lambda cell: cell.seconds,
        ),
    ]


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _panels(
    found: dict[tuple[str, int, str], Cell],
    names: Sequence[str],
    methods: Sequence[str],
    title: str,
    path: Path,
    value: Callable[[Cell], float] | None = None,
    width: float = 4.0,
) -> Path:
    """A panel for each family or group: of scores with their intervals, or of `value`, on a log scale."""
    pyplot = _pyplot()
    across = min(4, len(names))
    down = -(-len(names) // across)
    size = (max(width * across, 7), 3.4 * down + 0.6)
    figure, axes = pyplot.subplots(down, across, figsize=size, squeeze=False, sharey=True)
    for place, axis in enumerate(axes.flat):
        if place >= len(names):
            axis.axis("off")
            continue
        _lines(axis, found, names[place], methods, value or (lambda cell: cell.score.mean), bars=value is None)
        axis.set_title(names[place], fontsize=10)
        if value is None:
            axis.set_ylim(-0.04, 1.04)
        else:
            axis.set_yscale("log")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=4, fontsize=8)
    figure.suptitle(title, fontsize=11)
    figure.tight_layout(rect=(0, 0.09 if down > 1 else 0.14, 1, 1))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path


def _lines(
    axis: Any,
    found: dict[tuple[str, int, str], Cell],
    family: str,
    methods: Sequence[str],
    value: Callable[[Cell], float],
    *,
    bars: bool,
) -> None:
    """A line for each method, a weak coder's dashed; whiskers: the interval over seeds; hollow: texts that were cut.

    Scores are often equal, above all at 1.0: each method stands a little beside the length, so that none hides another.
    """
    for place, method in enumerate(methods):
        own = sorted((tokens, cell) for (of, tokens, name), cell in found.items() if (of, name) == (family, method))
        if not own:
            continue
        aside = _ASIDE ** (place - (len(methods) - 1) / 2) if bars else 1.0
        lengths, values = [tokens * aside for tokens, _ in own], [value(cell) for _, cell in own]
        style = "--" if method.endswith(WEAK) else "-"
        [line] = axis.plot(lengths, values, label=method, linewidth=1.3, linestyle=style)
        color = line.get_color()
        for length, (_, cell) in zip(lengths, own, strict=True):
            filled = "white" if cell.truncated else color
            axis.plot(
                length,
                value(cell),
                marker=_MARKERS[place % len(_MARKERS)],
                color=color,
                markerfacecolor=filled,
                markersize=5,
            )
            if bars and cell.score.interval is not None:
                axis.vlines(length, *cell.score.interval, color=color, alpha=0.35, linewidth=1)
    axis.set_xscale("log")
    axis.set_xlabel("tokens of the corpus", fontsize=8)
    axis.grid(alpha=0.25)
