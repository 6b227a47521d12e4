"""The demo's tables: the answer beside the truth, and what other ways to ask would have seen, with their tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.wording import number, plural
from rlm_integrations.demo.delivery_log import DeliveryLog
from rlm_integrations.demo.messages import SupportMessage
from rlm_integrations.demo.retrieval import best_chunks, chunks_of
from rlm_integrations.terminal.console import sentence

SEARCHED = "customers who are leaving Larderly for good after a crate that arrived too warm"
"""What a user would ask a retriever."""
TOP_K = (4, 20, 100)
CHARS_PER_TOKEN = 4


def answer_lines(answer: str, names: Sequence[str]) -> dict[str, str]:
    """The value of each line `name: value` of an answer; a name that has no line is left out."""
    found: dict[str, str] = {}
    for line in answer.splitlines():
        name, colon, value = line.strip(" -*`").partition(":")
        if colon and name.strip(" *`").lower() in names:
            found.setdefault(name.strip(" *`").lower(), value.strip(" *`"))
    return found


def answer_beside_truth(answer: Mapping[str, str], truth: Mapping[str, str]) -> Table:
    """Each line of the answer, the right one, and whether they agree."""
    table = _table("", "answer", "truth", "")
    for label, right in truth.items():
        verdict = "right" if answer.get(label) == right else "wrong"
        table.add_row(label, sentence(answer.get(label, "(missing)")), right, verdict)
    return table


def ways_compared(log: DeliveryLog, result: RLMResult[str]) -> Table:
    """Stuffing, retrieval at several k, and the run: the tokens that models read, and the sought messages in them."""
    table = _table("", "tokens in", "of the messages sought, it has")
    table.columns[1].justify = "right"
    table.add_row("stuff it all in", number(log.chars // CHARS_PER_TOKEN), "none: no window holds it")
    ranked = best_chunks(chunks_of(log.files.values()), SEARCHED, max(TOP_K))
    for k in TOP_K:
        chars = sum(map(len, ranked[:k]))
        table.add_row(f"top-{k}, BM25", number(chars // CHARS_PER_TOKEN), _share(log, ranked[:k]))
    read = [execution.output for execution in result.trace.executions]
    read += [call.prompt for execution in result.trace.executions for call in execution.sub_calls]
    run = f"RLM, {plural(result.trace.sub_call_count, 'sub-call')}"
    table.add_row(run, number(result.usage.input_tokens), _share(log, read), style="bold")
    return table


def _share(log: DeliveryLog, texts: Iterable[str]) -> str:
    return f"{len(seen_in(texts, log.sought))} of {len(log.sought)}"


def seen_in(texts: Iterable[str], messages: Iterable[SupportMessage]) -> list[SupportMessage]:
    """The messages whose whole text stands in one of the texts."""
    kept = list(texts)
    return [message for message in messages if any(message.text in text for text in kept)]


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
