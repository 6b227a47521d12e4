"""The command `compare`: questions by several methods, side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rlm_integrations.cli.agreement import agree
from rlm_integrations.cli.exit_codes import FAILED, ended_by
from rlm_integrations.cli.file_corpus import FileCorpus
from rlm_integrations.cli.interrupted_run import RunInterruptedError, ended_by_signals, run_until_signal
from rlm_integrations.cli.settings import NamedModels
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.wording import plural
from rlm_integrations.terminal.printable import printable_json
from rlm_integrations.terminal.streams import say, say_whole, write_out

if TYPE_CHECKING:
    from rlm_integrations.compare import Attempt, Comparison, Estimate, Method

_KINDS = "direct, cut, topN (as top20), map, tree, rlmN (as rlm1), auto"


@dataclass(frozen=True)
class Compare:
    """The command's arguments, read."""

    questions: Sequence[str]
    files: FileCorpus
    models: NamedModels
    limits: RLMLimits
    methods: Sequence[Method]
    max_cost: float | None
    max_tokens: int
    _: KW_ONLY
    yes: bool
    as_json: bool
    html: Path | None


def compare_methods(compare: Compare) -> None:
    """Ask, print the table, and write the page where one is asked for. Raises typer.Exit where nothing was answered."""
    from rlm_integrations.compare import acompare

    with ended_by_signals():
        corpus = compare.files.read()
    comparing = acompare(
        compare.questions,
        corpus,
        compare.models.root,
        sub_llm=compare.models.sub,
        methods=compare.methods,
        prices=compare.models.prices,
        limits=compare.limits,
        max_cost_usd=compare.max_cost,
        max_total_tokens=compare.max_tokens,
        confirm=_confirm(compare),
        on_attempt=_tell,
    )
    try:
        comparison = run_until_signal(comparing)
    except Exception as error:
        so_far: Comparison | None = getattr(error, "result", None)
        if so_far is not None:
            _hand_over(so_far, compare)
        if isinstance(error, RunInterruptedError):
            raise ended_by(error.signal_number, as_json=compare.as_json and so_far is None) from None
        raise
    delivered = _hand_over(comparison, compare)
    if not delivered or not any(attempt.has_answer for attempt in comparison.attempts):
        raise typer.Exit(FAILED)


def _hand_over(comparison: Comparison, compare: Compare) -> bool:
    """Print the table and write the page. Whether both came to where they belong; else stderr has the table."""
    html = compare.html
    page = None if html is None else _problem_of(lambda: comparison.to_html(html))
    told = printable_json(json.dumps(comparison.as_json(), indent=2)) if compare.as_json else comparison.table()
    table = _problem_of(lambda: write_out(told))
    if html is not None:
        say(f"Written: {html}" if page is None else f"The page was not written: {page}")
    if table is not None:
        say(f"The table was not printed: {table}")
        if html is None or page is not None:
            say_whole(told)
    return page is None and table is None


def _problem_of(write: Callable[[], None]) -> str | None:
    try:
        write()
    except (OSError, UnicodeError) as error:
        return str(error)
    return None


def _confirm(compare: Compare) -> Callable[[Estimate], bool]:
    def confirm(estimate: Estimate) -> bool:
        cost = "at a cost that is unknown" if estimate.cost_usd is None else f"about ${estimate.cost_usd:.2f}"
        most = plural(compare.max_tokens, "token") if compare.max_cost is None else f"${compare.max_cost:.2f}"
        takes = f"{plural(estimate.calls, 'call')} and {plural(estimate.tokens, 'token')}"
        told = f"About {takes}, {cost}; it stops at {most}."
        if compare.yes:
            say(told)
        else:
            agree(told)  # raises where it is not agreed to
        return True

    return confirm


def _tell(attempt: Attempt) -> None:
    cost = "" if attempt.usage.cost_usd is None else f", ${attempt.usage.cost_usd:.4f}"
    note = f" ({attempt.note})" if attempt.note else ""
    took = f"{plural(attempt.calls, 'call')}, {plural(attempt.usage.total_tokens, 'token')}"
    say(f"{attempt.method}: {attempt.status}{note}, {took}{cost}")


def read_methods(names: str | None) -> list[Method]:
    """Methods from a list with commas; None: the usual ones. Raises InvalidArgumentError for an unknown one."""
    from rlm_integrations.compare import usual_methods

    if names is None:
        return usual_methods()
    return [_method(name.strip()) for name in names.split(",")]


def _method(name: str) -> Method:
    from rlm_integrations.compare import RLM, Direct, MapReduce, TopK, TreeSummarize

    known: dict[str, Callable[[], Any]] = {
        "direct": Direct,
        "cut": lambda: Direct(truncate=True),
        "map": MapReduce,
        "tree": TreeSummarize,
        "auto": lambda: RLM(1, "auto"),
    }
    if name in known:
        return known[name]()
    for kind, make in (("top", TopK), ("rlm", RLM)):
        if name.startswith(kind) and name[len(kind) :].isdecimal() and len(name) < 9:
            return make(int(name[len(kind) :]))
    raise InvalidArgumentError(f"--methods: {name!r} is unknown; pass some of {_KINDS}, with commas between")


def check_cap(max_cost: float | None, max_tokens: int | None, price: str | None) -> int:
    """The cap on tokens. Raises InvalidArgumentError where nothing caps what it costs."""
    if max_cost is not None and price is None:
        raise InvalidArgumentError(
            "--max-cost: what calls cost is unknown without a price; add --price IN,OUT or --price genai"
        )
    if max_cost is None and max_tokens is None:
        raise InvalidArgumentError(
            "--max-cost: not given; pass what all of it may cost in US dollars, with --price, or --max-tokens"
        )
    return max_tokens or 50_000_000
