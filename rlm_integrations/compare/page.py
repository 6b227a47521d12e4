"""A comparison as one HTML page without scripts: plots as SVG, a table, and the answers side by side.

What models and documents wrote is escaped, and a content security policy refuses whatever is not the page's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from rlm_integrations.compare.attempt import Attempt
from rlm_integrations.compare.plots import Bar, bars
from rlm_integrations.compare.results import MethodSums, Results
from rlm_integrations.core.wording import number, plural, shortened

_STYLE = Path(__file__).with_name("page.css")
_ANSWER_CHARS = 20_000
_QUOTE_CHARS = 1_000
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufffe\uffff]"
)
"""What turns text round, hides in it, or cannot be written."""


def page_of(comparison: Results) -> str:
    """The whole page."""
    style = _STYLE.read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width"><meta name="generator" content="rlm-integrations">',
        f"<title>Methods side by side</title><style>{style}</style></head><body>",
        f"<h1>{plural(len(comparison.methods), 'method')}, {plural(len(comparison.questions), 'question')}</h1>",
        _table(comparison),
        _plots(comparison.sums),
        *(_question(comparison, question) for question in comparison.questions),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def write_page(comparison: Results, path: str | os.PathLike[str]) -> None:
    """Write it; a new file is its owner's alone. Raises OSError where it cannot be written."""
    page = page_of(comparison)
    with open(
        path, "w", encoding="utf-8", newline="\n", opener=lambda name, flags: os.open(name, flags, 0o600)
    ) as file:
        file.write(page)


def _table(comparison: Results) -> str:
    known = bool(comparison.expected)
    header = [
        "method",
        "answered",
        *["right"] * known,
        "agreement",
        "citations",
        "calls",
        "tokens",
        "cost",
        "seconds each",
    ]
    rows = [
        [
            _text(sums.name),
            f"{sums.answered} of {sums.of}",
            *(["–" if sums.right is None else number(sums.right)] * known),
            "–" if sums.agreement is None else f"{sums.agreement:.2f}",
            number(sums.citations),
            number(sums.calls),
            number(sums.usage.total_tokens),
            "–" if sums.usage.cost_usd is None else f"${sums.usage.cost_usd:.4f}",
            f"{sums.seconds:.1f}",
        ]
        for sums in comparison.sums
    ]
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    note = "agreement: how far the other methods' answers say the same, from 0 to 1; it is no measure of who is right"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p class=note>{note}</p>"


def _plots(sums: Sequence[MethodSums]) -> str:
    costs = [
        Bar(each.name, each.usage.cost_usd, "" if each.usage.cost_usd is None else f"${each.usage.cost_usd:.4f}")
        for each in sums
    ]
    plots = [
        bars(
            "agreement",
            [
                Bar(each.name, each.agreement, "" if each.agreement is None else f"{each.agreement:.2f}")
                for each in sums
            ],
        ),
        bars("tokens", [Bar(each.name, each.usage.total_tokens, number(each.usage.total_tokens)) for each in sums]),
        bars("calls", [Bar(each.name, each.calls, number(each.calls)) for each in sums]),
        bars("seconds a question", [Bar(each.name, each.seconds, f"{each.seconds:.1f}") for each in sums]),
    ]
    if any(each.value is not None for each in costs):
        plots.append(bars("US dollars", costs))
    return f"<div class=plots>{''.join(plots)}</div>"


def _question(comparison: Results, question: str) -> str:
    expected = comparison.expected.get(question)
    told = "" if expected is None else f"<p class=note>expected: {_text(expected)}</p>"
    cards = "".join(_card(each, comparison.agreement.get((question, each.method))) for each in comparison.of(question))
    return f"<section><h2>{_text(question)}</h2>{told}<div class=cards>{cards}</div></section>"


def _card(attempt: Attempt, agreement: float | None) -> str:
    facts = [
        plural(attempt.calls, "call"),
        plural(attempt.usage.total_tokens, "token"),
        f"{attempt.seconds:.1f} s",
    ]
    if attempt.usage.cost_usd is not None:
        facts.append(f"${attempt.usage.cost_usd:.4f}")
    if agreement is not None:
        facts.append(f"agreement {agreement:.2f}")
    status = "" if attempt.status == "answered" else f"<p class=status>{attempt.status}: {_text(attempt.note)}</p>"
    quotes = "".join(
        f"<li><q>{_text(shortened(cited.cited_text, _QUOTE_CHARS))}</q> {_text(cited.document_id)}</li>"
        for cited in attempt.citations
    )
    cited = f"<ul>{quotes}</ul>" if quotes else ""
    answer = _text(shortened(attempt.answer, _ANSWER_CHARS))
    told = f"{status}<pre>{answer}</pre>{cited}<p class=note>{', '.join(facts)}</p>"
    return f"<article><h3>{_text(attempt.method)}</h3>{told}</article>"


def _text(words: str) -> str:
    """As text of the page, whatever it holds."""
    return escape(_INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", words))
