"""The two parts of the demo: support messages through both frameworks, and the standard library's source.

Importing it without the frameworks is an ImportError.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.schema import NodeWithScore
from rich.rule import Rule
from rich.text import Text

from rlm_integrations.core.wording import number, plural
from rlm_integrations.demo.frameworks import (
    ask_langchain,
    ask_llama_index,
    langchain_documents,
    langchain_model,
    llama_index_documents,
    llama_index_model,
    retrieve,
    shown_lines,
)
from rlm_integrations.demo.messages import (
    MESSAGES_ANSWER,
    MESSAGES_QUESTION,
    answer_lines,
    read_categories,
    read_messages,
    true_answer,
)
from rlm_integrations.demo.models import DemoModels
from rlm_integrations.demo.narration import Narration, code
from rlm_integrations.demo.report import answer_beside_truth, read_by, seen_beside_read
from rlm_integrations.demo.stdlib import STDLIB_ANSWER, STDLIB_QUESTION, counted_answer, read_stdlib
from rlm_integrations.engine import RLMEngine
from rlm_integrations.terminal.console import TerminalConsole, name, sentence, words

_TOP_K = 4


def ask_about_messages(console: TerminalConsole, models: DemoModels) -> None:
    """The question over all messages: through LangChain, beside retrieval and the truth, and through LlamaIndex."""
    messages, categories = read_messages(), read_categories()
    chars = sum(len(message.text) for message in messages)
    _heading(console, f"1. {len(messages)} support messages, {number(chars)} characters, one question over all of them")
    console.print(words(MESSAGES_QUESTION))
    truth = true_answer(messages, categories)

    _heading(console, "LangChain")
    console.print(code(shown_lines(ask_langchain)))
    with Narration(console, with_code=True) as narration:
        root, sub = langchain_model(models.root), langchain_model(models.sub)
        message = ask_langchain(root, sub, langchain_documents(messages), MESSAGES_QUESTION, narration.see)
    console.print(narration.summary, style="dim")
    report: dict[str, Any] = message.response_metadata["rlm"]
    _print_answer(console, str(message.text), report["citations"])
    cited_ids = [citation["document_id"] for citation in report["citations"]]
    cited = [each for each in messages if each.id in cited_ids][:_TOP_K]
    retrieved, read = retrieve(messages, MESSAGES_QUESTION, _TOP_K), read_by(narration.sub_calls, messages)
    console.print(seen_beside_read(retrieved, read, cited, categories))
    _print_check(console, str(message.text), truth, MESSAGES_ANSWER, "the truth")

    _heading(console, "LlamaIndex: the same question")
    console.print(code(shown_lines(ask_llama_index)))
    with Narration(console, with_code=False) as narration:
        root, sub = llama_index_model(models.root), llama_index_model(models.sub)
        response = ask_llama_index(root, sub, llama_index_documents(messages), MESSAGES_QUESTION, narration.see)
    console.print(narration.summary, style="dim")
    _print_check(console, str(response), truth, MESSAGES_ANSWER, "the truth")
    _print_sources(console, response.source_nodes)


def ask_about_stdlib(console: TerminalConsole, models: DemoModels) -> None:
    """A question over the standard library's own source, and a plain count of the syntax trees to check it."""
    sources = read_stdlib()
    chars = sum(map(len, sources.values()))
    _heading(
        console,
        f"2. Python's own standard library: {number(len(sources))} files, {number(chars)} characters",
    )
    console.print(words(STDLIB_QUESTION))
    with Narration(console, with_code=True) as narration:
        engine = RLMEngine(models.root, sub_llm=models.sub, on_event=narration.see)
        result = engine.run(STDLIB_QUESTION, sources)
    console.print(narration.summary, style="dim")
    _print_answer(console, result.text, [citation.model_dump() for citation in result.citations])
    began = time.monotonic()
    counted = counted_answer(sources)
    console.print(f"A plain count with ast, outside of the REPL ({time.monotonic() - began:.1f} s):", style="dim")
    _print_check(console, result.text, counted, STDLIB_ANSWER, "counted")
    longest = max(iteration.call.prompt_chars for iteration in result.trace.iterations)
    console.print(
        f"The corpus has {number(chars)} characters. The longest prompt of the root LM had {number(longest)}."
    )


def _heading(console: TerminalConsole, title: str) -> None:
    console.print()
    console.print(Rule(title))


def _print_answer(console: TerminalConsole, answer: str, citations: Sequence[Mapping[str, Any]]) -> None:
    console.print("\n[bold]Answer[/bold]")
    console.print(words(answer))
    if citations:
        console.print(
            f"\n[bold]{plural(len(citations), 'citation')}[/bold], compared with the corpus letter for letter:"
        )
    for citation in citations:
        console.print(_quoted(citation["document_id"], citation["cited_text"]))
    console.print()


def _print_check(
    console: TerminalConsole, answer: str, truth: Mapping[str, str], names: Sequence[str], truth_from: str
) -> None:
    console.print(answer_beside_truth(answer_lines(answer, names), truth, names, truth_from))


def _print_sources(console: TerminalConsole, sources: Sequence[NodeWithScore]) -> None:
    console.print(f"{plural(len(sources), 'source node')}, the index's own, cited ones first:")
    for source in sources[:_TOP_K]:
        console.print(_quoted(source.node.ref_doc_id or "", source.node.get_content()))


def _quoted(document_id: str, text: str) -> Text:
    return Text.assemble("  ", name(document_id), ": “", sentence(text), "”")
