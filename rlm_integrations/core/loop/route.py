"""Which way a question goes: code over the corpus, or one call of the root LM that sees all of it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from rlm_integrations.core.corpus.corpus import CorpusKind
from rlm_integrations.core.limits import Way
from rlm_integrations.core.wording import number, plural

SHORT_TOKENS = 16_000
"""Up to here a model that reads all of a text at once has been the better one in published measurements, and beyond it
the RLM, where answers rest on much of the text; `evals/` draws the same line for other models."""
_WINDOW_PARTS = 2
"""One of them is for the texts; the other is for the reply, its thoughts, and tokens that were estimated too low."""
_UNKNOWN_WINDOW_TOKENS = 8_192
"""What the servers of open weights have at least, unless they are told otherwise."""


class RouteFacts(NamedTuple):
    """What there is to go by."""

    kind: CorpusKind
    tokens: int
    """About so many has all that would be shown: the texts, and what was said."""
    documents: int
    for_figure: bool
    """Whether the question asks for an exact figure."""
    window_tokens: int | None
    """Of the root LM, where it is known."""
    most_tokens: int | None = None
    """What the user calls short."""
    needs_code: str = ""
    """What only code can do here, in words; "" where there is nothing of that kind."""


class Choice(NamedTuple):
    way: Way
    why: str
    """In words, for the trace."""


def choose_way(facts: RouteFacts) -> Choice:
    """Direct for what is short, but for an exact figure over several documents, which is counted by code."""
    if facts.needs_code:
        return Choice("rlm", facts.needs_code)
    room, why = short_tokens(facts.window_tokens, facts.most_tokens)
    size = f"about {plural(facts.tokens, 'token')}"
    if facts.tokens > room:
        return Choice("rlm", f"{size}, more than {number(room)} ({why})")
    if facts.for_figure and (facts.kind == "none" or facts.documents > 1):
        over = "no corpus" if facts.kind == "none" else plural(facts.documents, "document")
        return Choice("rlm", f"the question asks for an exact figure over {over}, which code counts")
    return Choice("direct", f"{size}, at most {number(room)} ({why})")


def short_tokens(window_tokens: int | None, most_tokens: int | None = None) -> tuple[int, str]:
    """Up to how many tokens a text is short for a root LM with that window, and what says so, in words."""
    of_window = (window_tokens or _UNKNOWN_WINDOW_TOKENS) // _WINDOW_PARTS
    wanted, why = (SHORT_TOKENS, "where texts are short") if most_tokens is None else (most_tokens, "direct_tokens")
    if of_window >= wanted or (window_tokens is None and most_tokens is not None):
        return wanted, why
    known = "the root LM's window" if window_tokens is not None else "a window that nobody says"
    return of_window, f"half of {known}"
