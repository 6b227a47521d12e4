"""Methods beside each other: what they answer, what it costs, and what they are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode

from rlm_integrations import InvalidArgumentError, Message
from rlm_integrations.compare import (
    RLM,
    Answered,
    Attempt,
    Direct,
    MapReduce,
    TopK,
    TreeSummarize,
    acompare,
    compare,
    usual_methods,
)
from rlm_integrations.compare.agreement import agreements, holds
from rlm_integrations.compare.pieces import cut, parts, passages
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.language_model import Completion
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM

from .letters import LETTERS, PRICES, QUESTION, all_of, by_function, model, reads


def test_methods_answer_side_by_side_with_what_they_cost(tmp_path: Path) -> None:
    methods = [Direct(), TopK(4), MapReduce(part_chars=10_000), RLM(0), RLM(1), RLM(2)]
    told: list[Attempt] = []
    comparison = compare(
        QUESTION,
        LETTERS,
        model(),
        methods=methods,
        prices=PRICES,
        max_cost_usd=1.0,
        expected={QUESTION: "letter-41"},
        on_attempt=told.append,
    )
    assert [each.method for each in told] == [method.name for method in methods]
    assert set(all_of(comparison, "answer").values()) == {"letter-41"}
    assert set(all_of(comparison, "status").values()) == {"answered"}
    cited = {each.method: [c.document_id for c in each.citations] for each in comparison.attempts}
    assert cited == {method.name: ["letter-41"] for method in methods}
    calls = all_of(comparison, "calls")
    assert (calls["direct"], calls["BM25 top-4"], calls["RLM depth 1"]) == (1, 1, 1)
    assert calls["map-reduce"] == len(parts(Corpus.of(LETTERS), 10_000)) + 1
    for attempt in comparison.attempts:
        usage = attempt.usage
        assert usage.cost_usd == pytest.approx((usage.input_tokens + 10 * usage.output_tokens) / 1e6)
        assert (attempt.trace is not None) == attempt.method.startswith("RLM")
    sums = {each.name: each for each in comparison.sums}
    assert {each.right for each in sums.values()} == {1}
    assert {each.agreement for each in sums.values()} == {1.0}
    assert sums["direct"].usage.input_tokens > 4 * sums["BM25 top-4"].usage.input_tokens
    table = comparison.table()
    assert "| direct | 1 of 1 | 1 | 1.00 | 1 | 1 |" in table
    comparison.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<article>") == len(methods)
    assert page.count("<svg ") == 5
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o600


async def test_the_usual_methods_are_those_that_are_installed() -> None:
    names = [method.name for method in usual_methods()]
    assert names == [
        "direct",
        "BM25 top-4",
        "BM25 top-20",
        "BM25 top-100",
        "map-reduce",
        "tree_summarize",
        "RLM depth 0",
        "RLM depth 1",
        "RLM depth 2",
    ]


async def test_tree_summarize_asks_the_same_model() -> None:
    def says(messages: Sequence[Message]) -> str:
        return "letter-41 has it" if "HERON." in messages[-1].content else "no letter here"

    llm = ScriptedModel(always=says, max_input_tokens=4_000)
    comparison = await acompare(QUESTION, LETTERS, llm, methods=[TreeSummarize()], max_cost_usd=None)
    [attempt] = comparison.attempts
    assert attempt.status == "answered", attempt.note
    assert attempt.calls == len(llm.requests) > 4
    assert attempt.usage.input_tokens > 0


async def test_what_does_not_fit_is_not_sent_and_cut_texts_are_told_apart_from_wrong_answers() -> None:
    llm = ScriptedModel(always=reads, max_input_tokens=8_000)
    methods = [Direct(), Direct(truncate=True), RLM(1)]
    comparison = await acompare(QUESTION, LETTERS, llm, methods=methods, max_cost_usd=None)
    assert all_of(comparison, "status") == {
        "direct": "too_long",
        "direct, cut to fit": "truncated",
        "RLM depth 1": "answered",
    }
    assert all_of(comparison, "answer")["direct, cut to fit"] == "It is not there."
    assert all_of(comparison, "calls")["direct"] == 0
    longest = max(sum(len(message.content) for message in request) for request in llm.requests)
    assert longest < 8_000 * 4


async def test_a_model_that_fails_in_one_method_ends_no_other() -> None:
    def fails(messages: Sequence[Message]) -> str:
        if "<documents" in messages[-1].content and "```repl" not in messages[0].content:
            raise ConnectionError("no route to host")
        return reads(messages)

    llm = ScriptedModel(always=fails, max_input_tokens=128_000)
    cut_short = ScriptedModel(always=lambda _: Completion("HERO", Usage(input_tokens=9), "m", finish="length"))
    methods = [Direct(), MapReduce(), RLM(0)]
    comparison = await acompare(QUESTION, LETTERS, llm, methods=methods, max_cost_usd=None)
    assert all_of(comparison, "status") == {"direct": "failed", "map-reduce": "answered", "RLM depth 0": "answered"}
    assert "no route to host" in all_of(comparison, "note")["direct"]
    comparison = await acompare(QUESTION, "short text", cut_short, methods=[Direct()], max_cost_usd=None)
    assert "cut at the model's limit" in comparison.attempts[0].note


async def test_what_would_cost_more_than_all_may_is_skipped() -> None:
    usage = Usage(input_tokens=100_000, output_tokens=100)
    llm = model(usage=usage)
    methods = [Direct(), TopK(4), RLM(0)]
    comparison = await acompare(QUESTION, LETTERS, llm, methods=methods, prices=PRICES, max_cost_usd=0.101)
    assert all_of(comparison, "status") == {"direct": "answered", "BM25 top-4": "skipped", "RLM depth 0": "skipped"}
    assert re.search(r"about \$0.0\d+ is beyond the \$0.0000 that are left", comparison.attempts[1].note)
    assert len(llm.requests) == 1


class ByWord(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[LangChainDocument]:
        return [LangChainDocument(LETTERS[name], id=name) for name in ("letter-41", "letter-1", "letter-2")]


class Nodes:
    def retrieve(self, query: str) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text=LETTERS["letter-41"], id_="letter-41"), score=1.0)]


@pytest.mark.parametrize(
    ("retriever", "answer"),
    [(ByWord(), "letter-41"), (Nodes(), "letter-41"), (by_function, "It is not there.")],
)
async def test_the_users_retriever(retriever: Any, answer: str) -> None:
    llm = model()
    comparison = await acompare(QUESTION, LETTERS, llm, methods=[TopK(2, retriever)], max_cost_usd=None)
    [attempt] = comparison.attempts
    assert (attempt.method, attempt.answer) == ("retriever top-2", answer)
    assert "Letter 2." not in llm.requests[0][-1].content


@pytest.mark.parametrize("kind", [ScriptedChatModel, ScriptedLLM])
async def test_models_of_the_frameworks(kind: Any) -> None:
    comparison = await acompare(QUESTION, LETTERS, kind(always=reads), methods=[TopK(4), RLM(0)], max_cost_usd=None)
    assert set(all_of(comparison, "answer").values()) == {"letter-41"}


class Guess:
    """A method of the user's."""

    name = "guess"

    async def answer(self, question: str, corpus: Corpus, models: Any, asker: Any) -> Answered:
        return Answered(await asker.ask([Message("user", f"Guess: {question}")]))

    def estimated(self, corpus: Corpus, models: Any) -> tuple[int, int]:
        return 1, 100


async def test_a_method_of_the_users() -> None:
    comparison = await acompare(QUESTION, LETTERS, model(), methods=[Guess(), RLM(0)], max_cost_usd=None)
    assert all_of(comparison, "answer") == {"guess": "It is not there.", "RLM depth 0": "letter-41"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"questions": []}, "questions:"),
        ({"questions": ["  "]}, "questions:"),
        ({"methods": []}, "methods:"),
        ({"methods": [RLM(1), RLM(1)]}, "each once"),
        ({"context": None}, "context:"),
        ({"max_cost_usd": 0}, "max_cost_usd:"),
        ({"max_cost_usd": 1.0}, "what calls cost is unknown"),
        ({"llm": "gpt"}, "llm:"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], why: str) -> None:
    given: dict[str, Any] = {"questions": "?", "context": "text", "llm": model(), "max_cost_usd": None} | arguments
    with pytest.raises(InvalidArgumentError, match=why):
        compare(given.pop("questions"), given.pop("context"), given.pop("llm"), **given)


def test_wrong_methods() -> None:
    for k in (0, "20", 1.5):
        with pytest.raises(InvalidArgumentError, match=f"k: {k!r} given; pass an int of 1 or more"):
            TopK(cast(Any, k))
    with pytest.raises(InvalidArgumentError, match="retriever: int given"):
        TopK(4, 5)


def test_agreement_is_of_words_and_figures() -> None:
    assert agreements(["There are 1,204 letters.", "1204"]) == [pytest.approx(2 / 5)] * 2
    assert agreements(["The mayor", "a MAYOR!"]) == [1.0, 1.0]
    assert agreements(["", "x"]) == [0.0, 0.0]
    assert agreements(["yes", "Yes.", "no"]) == [0.5, 0.5, 0.0]
    assert agreements(["yes"]) == [None]
    assert holds("1204", "It is 1,204.")
    assert not holds("12", "It is 1,204.")
    assert not holds("", "x")


def test_pieces_add_up_and_stay_within_bounds() -> None:
    text = ("word " * 50 + "\n") * 30 + "x" * 5_000
    pieces = list(cut(text, 1_000))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 1_000
    assert {passage.id for passage in passages(Corpus.of(LETTERS))} == set(LETTERS)
    packed = parts(Corpus.of(LETTERS), 5_000)
    assert max(map(len, packed)) < 5_100
    assert all(f"[{name}]" in "\n".join(packed) for name in LETTERS)


def test_the_page_shows_words_of_models_as_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\u202e & \x1b[2J"
    llm = ScriptedModel(always=lambda _: evil)
    comparison = compare(evil, {evil: "text"}, llm, methods=[Direct()], max_cost_usd=None, expected={evil: evil})
    comparison.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e &amp; \\u001b[2J" in page
    assert "default-src 'none'" in page
