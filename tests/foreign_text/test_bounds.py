"""What is kept of foreign texts and looked at is bounded."""

from __future__ import annotations

import json
import struct
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from pydantic import BaseModel, BeforeValidator, Field

from rlm_integrations import Completion, RLMEngine, RLMLimits
from rlm_integrations.core.calls.model_calls import MAX_REPLY_CHARS
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import describe
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.language_model import ToolCall
from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.citations import Citation, that_fit
from rlm_integrations.core.trace.events import (
    CodeStarted,
    HostCallStarted,
    IterationStarted,
    RootReplied,
    SubCallStarted,
)
from rlm_integrations.core.trace.recorder import Recorder
from rlm_integrations.core.usage import Usage
from rlm_integrations.langchain.graph_node import state_update
from rlm_integrations.sandboxes.channel.inbound import Messages
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.wire.inbound import ProtocolError

from .work import LIMITS, Counted, Work, result_of, trace_of

CHARS = 100_000


def with_open_calls(count: int) -> Recorder:
    """Of a run that ends while so many sub-calls, and a call of a tool by each of them, are open."""
    recorder = Recorder("?", RLMLimits())
    recorder.record(IterationStarted(1, 20, model="root"))
    recorder.record(RootReplied(1, "code", Usage()))
    recorder.record(CodeStarted(1, ("llm_query_batched(prompts)",)))
    for number in range(1, count + 1):
        recorder.record(SubCallStarted(1, number, "?", model="sub"))
        recorder.record(HostCallStarted(1, number, "tool", "()", sub_call=number))
    return recorder


def test_the_ends_of_calls_that_are_cut_off_take_work_in_proportion_to_them() -> None:
    done: dict[int, int] = {}
    for count in (250, 1_000):
        recorder = with_open_calls(count)
        with Work() as work:
            for end in recorder.cut_off(1.0):
                recorder.record(end)
        done[count] = work.done
        assert all(call.tool_calls for call in recorder.trace.executions[0].sub_calls)
    assert done[1_000] <= 1.1 * 4 * done[250]


def test_citations_that_do_not_fit_are_not_written_to_see_that() -> None:
    citations = [{"cited_text": Counted("x" * 20_000), "start_index": n} for n in range(100)]
    written: list[str] = []

    class Seen(dict[str, Any]):
        def items(self) -> Any:
            written.append("x")
            return super().items()

    assert len(that_fit([Seen(each) for each in citations], 50_000)) == 2
    assert len(written) <= 3


def test_of_metadata_no_more_is_looked_at_than_is_shown() -> None:
    looked: list[object] = []

    class Odd:
        def __str__(self) -> str:
            looked.append(self)
            return "odd"

    document = Document("a", "x" * 9_000, {f"key {n}": Odd() for n in range(10_000)})
    corpus = Corpus([document, Document("b", "y")])
    told = describe(corpus, LIMITS, b"key")
    assert 'metadata {"key 0": "odd", "key 1": "odd"' in told
    assert len(looked) < 2_000


def test_the_message_of_a_node_is_bounded_whatever_was_cited() -> None:
    trace = trace_of("x")
    trace.citations = [
        Citation(cited_text="é" * 20_000, start_index=n, end_index=n + 20_000, document_id="d") for n in range(1_000)
    ]
    update = state_update(AIMessage("a"), result_of(trace))
    assert len(update["messages"][0].model_dump_json()) < 16_384


def test_of_a_long_answer_with_wrong_items_no_more_than_the_first_are_read() -> None:
    read: list[object] = []

    def note(value: object) -> object:
        read.append(value)
        return value

    class Row(BaseModel):
        place: Annotated[int, BeforeValidator(note)]
        more: list[Annotated[int, BeforeValidator(note)]] = Field(default=[])

    class Table(BaseModel):
        rows: list[Row]

    rows = ",".join(['{"place": "x", "more": ["x", "y", "z"]}'] * (CHARS // 40))
    why = AnswerType(Table).misfit(f'{{"rows": [{rows}]}}', True)
    assert why is not None
    assert why.startswith("rows.0.place: Input should be a valid integer")
    assert why.endswith("; maybe others")
    assert len(read) == 2
    assert AnswerType(Table).misfit('{"rows": [' + ",".join(['{"place": 1}'] * (CHARS // 13)) + "]}", True) is None


def test_an_answer_that_would_take_long_to_read_is_a_misfit() -> None:
    why = AnswerType(list[int]).misfit(f"[{'1,' * 2_000_000}1]", True)
    assert why == "answer: over 4,000,000 characters; no more are read, so answer with less"


@pytest.mark.parametrize("wrong", ["[{}]", "{}"])
def test_of_an_answer_with_thousands_of_problems_they_are_not_listed_to_show_three(wrong: str) -> None:
    class Wide(BaseModel):
        a: int
        b: int
        c: int

    answer_type: Any = dict[str, list[Wide]] if wrong == "[{}]" else list[Wide]
    entries = (f'"{n}":{wrong}' for n in range(15_000)) if wrong == "[{}]" else (wrong for _ in range(1_500))
    brackets = "{}" if wrong == "[{}]" else "[]"
    text = brackets[0] + ",".join(entries) + brackets[1]
    why = AnswerType(answer_type).misfit(text, True)
    assert why is not None
    if wrong == "{}":
        assert why == "0.a: Field required; 0.b: Field required; 0.c: Field required; maybe others"
    else:
        assert why == "answer: 45,000 problems; it has another form than the schema"


@given(st.text(st.sampled_from("a\ud800\udbff\udc00\udfff😀é"), max_size=12), st.integers(0, 3))
def test_every_half_of_a_character_that_is_alone_is_replaced_wherever_the_text_is_cut(text: str, shift: int) -> None:
    whole = "x" * ((1 << 16) - shift) + text
    expected = whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert without_lone_surrogates(whole) == expected


def test_pieces_without_number_are_refused() -> None:
    body = json.dumps({"t": "texts", "texts": ["x"] * 30_000}).encode()
    with pytest.raises(ProtocolError, match="too many pieces"):
        list(Messages().feed((struct.pack(">I", len(body)) + body) * 3))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            Completion("x" * (MAX_REPLY_CHARS + 1), Usage(output_tokens=7)),
            "the reply has 10,000,001 characters, and at most 10,000,000 are taken",
        ),
        (
            Completion(
                "x" * 9, Usage(output_tokens=7), thoughts="x" * 9_000_000, tool_calls=(ToolCall("f", " " * 1_000_000),)
            ),
            "the reply has 10,000,010 characters, and at most 10,000,000 are taken",
        ),
        (
            Completion("x", Usage(output_tokens=7), tool_calls=(ToolCall("f"),) * 1_001),
            "the reply calls 1,001 tools, and at most 1,000 are taken",
        ),
    ],
    ids=["text", "text, thoughts and calls", "calls"],
)
async def test_a_reply_that_no_model_writes_is_refused_before_it_is_kept(reply: Completion, words: str) -> None:
    sub = ScriptedModel(always=lambda messages: reply)
    code = "try: llm_query('q')\nexcept Exception as e: answer['content'] = str(e)\nanswer['ready'] = True"
    result = await RLMEngine(ScriptedModel([f"```repl\n{code}\n```"]), sub_llm=sub).arun("?", "x" * 9_000)
    assert words in result.text
    assert result.trace.executions[0].sub_calls[0].reply is None
    assert result.trace.usage.output_tokens >= 7
