"""The demo's tables: what retrieval saw beside what the RLM read, and the answer beside the truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from rlm_integrations.core.trace.records import SubCall
from rlm_integrations.demo.messages import SupportMessage
from rlm_integrations.terminal.console import name, sentence

_NAMES = {
    "leaving": "on their way out",
    "broken": "reports a fault",
    "money": "about money",
    "praise": "delighted",
    "wish": "has a wish",
    "how_to": "asks how",
}


def read_by(sub_calls: Iterable[SubCall], messages: Iterable[SupportMessage]) -> list[SupportMessage]:
    """The messages whose whole text went to some sub-call."""
    prompts = [call.prompt for call in sub_calls]
    return [message for message in messages if any(message.text in prompt for prompt in prompts)]


def seen_beside_read(
    retrieved: Sequence[SupportMessage],
    read: Sequence[SupportMessage],
    cited: Sequence[SupportMessage],
    categories: Mapping[str, str],
) -> Table:
    """Left what a retriever would have put into the prompt; right what the sub-calls read, and what was cited of it."""

    def sought(messages: Iterable[SupportMessage]) -> int:
        return sum(categories[message.id] == "leaving" for message in messages)

    table = Table(expand=True, show_lines=True)
    table.add_column(f"Top-{len(retrieved)} retrieval (BM25)", ratio=1)
    table.add_column("RLM, messages that it cited", ratio=1)
    for place in range(max(len(retrieved), len(cited))):
        table.add_row(*(_cell(column, place, categories) for column in (retrieved, cited)))
    in_all = list(categories.values()).count("leaving")
    table.add_row(
        *(
            Text(
                f"read {len(seen)} of {len(categories)} messages,\nand of the {in_all} sought, {sought(seen)}",
                style="bold",
            )
            for seen in (retrieved, read)
        )
    )
    return table


def answer_beside_truth(
    answer: Mapping[str, str], truth: Mapping[str, str], names: Sequence[str], truth_from: str
) -> Table:
    """Each line of the answer, the right one, and whether they agree."""
    table = Table()
    for column in ("", "answer", truth_from, ""):
        table.add_column(column, overflow="fold")
    for label in names:
        agrees = answer.get(label) == truth[label]
        verdict = Text("right", style="green") if agrees else Text("wrong", style="red")
        table.add_row(label, sentence(answer.get(label, "(missing)")), sentence(truth[label]), verdict)
    return table


def _cell(messages: Sequence[SupportMessage], place: int, categories: Mapping[str, str]) -> Text:
    if place >= len(messages):
        return Text()
    message = messages[place]
    return Text.assemble(
        name(message.id, style="bold"),
        f" {message.date} ",
        name(message.user),
        "\n",
        sentence(message.text),
        (f"\nin truth: {_NAMES[categories[message.id]]}", "dim"),
    )
