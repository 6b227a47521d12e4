"""Conversations over real corpora, each replayed through the face that it was played through.

The replies of the root LM and of the sub-LM were written by hand, once, from what the requests say, by players who
had seen neither the corpora nor this package (over the minutes one was the root LM and another the sub-LM); those in
`mistakes/` begin with a mistake that models make, and go on from what the root LM is told of it. The tests do not
measure a model. They hold that the prompts, the REPL's functions and the three faces still carry the same replies to
the same right answers, and that what the root LM is sent stays small.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.prompts import ChatPromptTemplate
from llama_index.core import Document as LlamaDocument
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings.mock_embed_model import MockEmbedding

from rlm_integrations import RLMEngine, RLMTrace
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.language_model import Message
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import install
from rlm_integrations.testing import ReplayingModel
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM
from rlm_integrations.testing.recording import RootRecord, is_sub_call, read_records

HERE = Path(__file__).parent
LICENCES = Path("corpora/licences")
"""Relative, as it was when it was played: documents' ids are their paths."""

MOST_ROOT_CALLS = 10
MOST_ROOT_PROMPT_CHARS = 80_000
OPENING_CHARS = 6_000
"""Room for the system prompt, and for the first message with its sample of one document."""
STATUS_CHARS = 1_000
"""Room for what an observation says besides the output."""
PASSAGE_CHARS = 200
"""A text of the corpus that is longer than any quote in the replies."""

Answer = tuple[str, RLMTrace]


def minutes() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / "corpora/minutes.jsonl").read_text(encoding="utf-8").splitlines()]


def through_engine(llm: ReplayingModel, question: str) -> Answer:
    result = RLMEngine(llm).run(question, [LICENCES])
    return result.answer, result.trace


def through_typed_engine(llm: ReplayingModel, question: str) -> Answer:
    asked = question.partition("\n\nThe answer must be JSON")[0]  # what is recorded is the question with its schema
    result = RLMEngine(llm, answer_type=list[str]).run(asked, [LICENCES])
    return "\n".join(result.answer), result.trace


def through_langchain(llm: ReplayingModel, question: str) -> Answer:
    documents = [LangChainDocument(row["text"], id=row["id"], metadata=row["metadata"]) for row in minutes()]
    rlm = RLMRunnable(llm=ScriptedChatModel.replaying(llm), context=documents, trace="full")
    message = (ChatPromptTemplate.from_messages([("human", "{question}")]) | rlm).invoke({"question": question})
    return str(message.text), RLMTrace.of(message)


def through_llama_index(llm: ReplayingModel, question: str) -> Answer:
    install()
    documents = [LlamaDocument(text=row["text"], doc_id=row["id"], metadata=row["metadata"]) for row in minutes()]
    index = VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(embed_dim=8))
    query_engine: Any = index.as_query_engine(engine="rlm", llm=ScriptedLLM.replaying(llm), trace="full")
    response = query_engine.query(question)
    return response.response, RLMTrace.of(response)


@dataclass(frozen=True)
class Played:
    """A recorded conversation, and what its answer has to say."""

    name: str
    ask: Callable[[ReplayingModel, str], Answer]
    facts: tuple[str, ...]
    """Patterns that the answer holds."""
    cited: frozenset[str]
    """Ids of documents without which the answer has no ground."""
    not_said: tuple[str, ...] = ()
    """Patterns of wrong answers that the corpus invites."""
    told: str = ""
    """What the root LM is told of a mistake that it made."""

    @property
    def path(self) -> Path:
        return HERE / ("mistakes" if self.told else "conversations") / f"{self.name}.jsonl"

    @property
    def question(self) -> str:
        return next(record.question for record in read_records(self.path) if isinstance(record, RootRecord))


@cache
def replay(played: Played) -> tuple[str, RLMTrace, list[tuple[Message, ...]]]:
    """The answer, the trace and the root LM's requests, of one replay for all tests.

    Raises ScriptExhausted for a record that was not used.
    """
    with ReplayingModel.from_file(played.path) as llm:
        answer, trace = played.ask(llm, played.question)
    return answer, trace, [request for request in llm.requests if not is_sub_call(request)]


PLAYED = [
    Played(
        "search",
        through_engine,
        facts=(
            r"^- GPL-3 \(.*\), section 8 \(Termination\)",
            r"^- GFDL-1\.3 \(.*\), section 9 \(Termination\)",
            r"^- MPL-2\.0 \(.*\), section 5\.1 \(Termination\)",
            r"^By reference also LGPL-3 .* no such clause of its own, but .* \"incorporates the terms and conditions",
            r"^Not MPL-1\.1: its section 8\.1 ",
        ),
        cited=frozenset(f"corpora/licences/{name}.txt" for name in ("GPL-3", "GFDL-1.3", "MPL-2.0", "LGPL-3")),
    ),
    Played(
        "exact_quote",
        through_engine,
        facts=(
            r"Artistic License",
            re.escape(
                '"(You will not be required to justify it to the Copyright Holder, but only to the computing '
                'community at large as a market that must bear the fee.)"'
            ),
        ),
        cited=frozenset({"corpora/licences/Artistic.txt"}),
    ),
    Played(
        "counting",
        through_langchain,
        facts=(
            r"on 9 different plots: 5, 6, 8b, 11, 14, 27, 31, 36 and 40\.",
            r"On 2 of them, 31 and 40, .* because the notice was withdrawn",
        ),
        cited=frozenset(
            {"min-2019-10", "let-006", "min-2020-09", "min-2021-06", "em-0209", "min-2022-04", "let-011", "em-0301"}
            | {"min-2024-06"}
        ),
    ),
    Played(
        "contradiction",
        through_langchain,
        facts=(
            r"^36 metres - well supported by the records, but never independently measured",
            r"£2,340\.00 at £65 a metre, which is exactly 36 metres",
            r"^Against it: the summer 2021 newsletter says \"forty-two metres\"",
        ),
        cited=frozenset({"min-2021-06", "tr-2022", "nl-2021-summer"}),
    ),
    Played(
        "meaning",
        through_llama_index,
        facts=(
            r"^Four members",
            r"^- Dilys Marsh: from against .* to for ",
            r"^- Roy Tindall: from against .* to for ",
            r"^- Jean Tindall: from against .* to for ",
            r"^- Ivo Petrak: from for .* to against ",
        ),
        cited=frozenset({"let-002", "agm-2021", "min-2019-09", "agm-2023", "nl-2022-summer", "em-0266"}),
        not_said=(r"(?m)^- (?!Dilys Marsh|Roy Tindall|Jean Tindall|Ivo Petrak)",),
    ),
    Played(
        "plan_fails",
        through_llama_index,
        facts=(r"^£46\.50 for a full plot", r"24 January 2022 lowered it to £45, but was void"),
        cited=frozenset({"agm-2022", "tr-2023"}),
    ),
]
MISTAKEN = [
    Played(
        "not_ready",
        through_engine,
        facts=(r"^GPL-1 is the oldest: its text gives February 1989\.$",),
        cited=frozenset({"corpora/licences/GPL-1.txt"}),
        told='answer["content"] is set, and answer["ready"] is not: ',
    ),
    Played(
        "name_in_quotes",
        through_typed_engine,
        facts=tuple(
            f"^{re.escape(name)}$"
            for name in ("Apache-2.0", "CC0-1.0", "GPL-2", "GPL-3", "LGPL-2", "LGPL-2.1", "MPL-1.1", "MPL-2.0")
        ),
        cited=frozenset(),
        not_said=(r"Artistic|BSD|GFDL|GPL-1$|LGPL-3|names",),
        told="(it is the word names in quotes, which is the name of a variable; `FINAL(names)` gives its value)",
    ),
]
"""Each with a mistake as models make them, and what they do when they are told of it."""


@pytest.fixture(autouse=True)
def beside_the_corpora(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


def corpus_texts(played: Played) -> list[str]:
    if played.ask in (through_engine, through_typed_engine):
        return [document.text for document in Corpus.of([LICENCES]).documents]
    return [row["text"] for row in minutes()]


def passages(text: str) -> Iterator[str]:
    """Every run of PASSAGE_CHARS characters, white space evened out."""
    even = " ".join(text.split())
    return (even[start : start + PASSAGE_CHARS] for start in range(len(even) - PASSAGE_CHARS + 1))


def prompt_chars(request: tuple[Message, ...]) -> int:
    return sum(len(message.content) for message in request)


@pytest.mark.parametrize("played", [*PLAYED, *MISTAKEN], ids=lambda played: played.name)
def test_replies_come_to_the_right_answer_with_its_evidence(played: Played) -> None:
    answer, trace, _ = replay(played)

    assert trace.stop_reason == "answer"
    assert [fact for fact in played.facts if not re.search(fact, answer, re.MULTILINE)] == []
    assert [wrong for wrong in played.not_said if re.search(wrong, answer)] == []
    assert played.cited <= {citation.document_id for citation in trace.citations}


@pytest.mark.parametrize("played", [*PLAYED, *MISTAKEN], ids=lambda played: played.name)
def test_the_root_lm_is_sent_only_what_was_sampled_or_printed(played: Played) -> None:
    _, trace, requests = replay(played)
    in_fences = re.compile(r"<(output|document) (\w+)\b.*?</\1 \2>", re.DOTALL)
    said = set(passages("\n".join(in_fences.sub("", message.content) for message in requests[-1])))

    assert any(in_fences.search(message.content) for message in requests[-1])
    assert said
    assert [passage for text in corpus_texts(played) for passage in passages(text) if passage in said] == []
    assert prompt_chars(requests[0]) <= OPENING_CHARS
    room = trace.limits.max_output_chars + STATUS_CHARS
    for before, after in pairwise(requests):
        reply, observation = after[len(before) :]
        assert after[: len(before)] == before
        assert len(observation.content) <= room
        assert reply.role == "assistant"


@pytest.mark.parametrize("played", MISTAKEN, ids=lambda played: played.name)
def test_a_mistake_is_told_once_and_mended_in_the_next_reply(played: Played) -> None:
    _, _, (_, after) = replay(played)

    assert played.told in after[-1].content


def test_all_together_take_few_root_calls_and_short_prompts() -> None:
    traces = [replay(played)[1] for played in PLAYED]
    calls = [iteration.call for trace in traces for iteration in trace.iterations]

    assert len(calls) <= MOST_ROOT_CALLS
    assert sum(call.prompt_chars for call in calls) <= MOST_ROOT_PROMPT_CHARS


def test_every_conversation_is_replayed() -> None:
    recorded = {*(HERE / "conversations").iterdir(), *(HERE / "mistakes").iterdir()}
    assert recorded == {played.path for played in (*PLAYED, *MISTAKEN)}
