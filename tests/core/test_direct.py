"""`route="auto"`: what is short is answered by one call of the root LM, end to end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from rlm_integrations import (
    Event,
    InvalidArgumentError,
    IterationStarted,
    LimitReachedError,
    Message,
    RLMEngine,
    RLMLimits,
    RLMResult,
    RLMTrace,
    Routed,
    RunError,
)
from rlm_integrations.core.language_model import Completion, ToolCall
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel

QUESTION = "Who closed the bridge?"
LETTERS = {
    f"letter-{n}": f"Letter {n}. {'The mayor' if n == 7 else 'Nobody'} closed the\nbridge over arch {n}. "
    + "Regards. " * 100
    for n in range(12)
}
"""More than is shown to a root LM unasked."""
SAYS = "The mayor.\n\n<evidence>\n[letter-7] The mayor closed the bridge over arch 7.\n</evidence>"
CALLS = Completion("I look first.", Usage(), "m", "stop", tool_calls=(ToolCall("python", '{"code": "print(1)"}'),))
CODE = '```repl\nanswer["content"] = search("mayor")[0].id\nanswer["ready"] = True\n```'


def engine(llm: ScriptedModel, **options: Any) -> RLMEngine[Any]:
    return RLMEngine(llm, route="auto", **options)


def wide(replies: Sequence[Any]) -> ScriptedModel:
    return ScriptedModel(replies, max_input_tokens=128_000)


def test_short_documents_are_answered_in_one_call_with_citations_and_sources() -> None:
    with wide([SAYS]) as llm:
        result = engine(llm).run(QUESTION, LETTERS)
    assert (result.answer, result.stop_reason) == ("The mayor.", "answer")
    [cited] = result.citations
    assert cited.document_id == "letter-7"
    assert LETTERS["letter-7"][cited.start_index : cited.end_index] == "The mayor closed the\nbridge over arch 7."
    assert result.sources[0] == "letter-7"
    assert set(result.sources) == set(LETTERS)
    trace = result.trace
    assert (trace.route, trace.shown_whole, trace.sandbox, trace.iteration_count) == ("direct", True, "", 1)
    assert trace.route_why.endswith("at most 16,000 (where texts are short)")
    [system, asked] = llm.requests[0]
    assert "```repl" not in system.content
    assert all(text in asked.content for text in LETTERS.values())
    assert result.report()["route"] == "direct"
    assert RLMTrace.model_validate_json(trace.model_dump_json()) == trace


def test_the_default_is_code() -> None:
    with ScriptedModel([CODE]) as llm:
        result = RLMEngine(llm).run(QUESTION, LETTERS)
    assert (result.answer, result.trace.route, result.trace.route_why) == ("letter-7", "rlm", "")
    assert "route" not in result.report()


@pytest.mark.parametrize(
    ("question", "context", "options", "why"),
    [
        ("How many letters are there?", LETTERS, {}, "exact figure over 12 documents"),
        (QUESTION, "mayor " * 20_000, {}, "more than 16,000"),
        (QUESTION, LETTERS, {"limits": {"direct_tokens": 100}}, "more than 100 (direct_tokens)"),
        (QUESTION, LETTERS, {"limits": {"max_input_tokens": 4_000}}, "half of the root LM's window"),
        (QUESTION, LETTERS, {"tools": [math.hypot]}, "tools"),
        (QUESTION, LETTERS, {"system_prompt": "Write code. {sub_calls}"}, "system_prompt tells of code"),
    ],
)
def test_what_needs_code_gets_it_and_the_trace_says_why(
    question: str, context: object, options: dict[str, Any], why: str
) -> None:
    with wide(['```repl\nanswer["content"] = search("mayor")[0].text\nanswer["ready"] = True\n```']) as llm:
        result = engine(llm, **options).run(question, context)
    assert (result.answer, result.trace.route) == ("mayor", "rlm")
    assert why in result.trace.route_why


def test_one_text_has_quotes_without_ids() -> None:
    text = "The tide was high. " * 600 + "The mayor closed the bridge."
    with wide(["The mayor.\n<evidence>\n“The mayor closed the bridge.”\n</evidence>"]) as llm:
        result = engine(llm).run(QUESTION, text)
    assert [(each.document_id, each.cited_text) for each in result.citations] == [("", "The mayor closed the bridge.")]


def test_without_a_corpus_it_is_one_question() -> None:
    with ScriptedModel(["Paris"]) as llm:
        result = engine(llm).run("What is the capital of France?")
    assert (result.answer, result.trace.route, result.citations) == ("Paris", "direct", ())
    assert "evidence" not in llm.requests[0][0].content


def test_a_quote_that_stands_nowhere_is_no_citation_and_is_told_of() -> None:
    with wide(["Bo.\n<evidence>\n[letter-7] Bo closed it\n[nobody] Letter 3.\n</evidence>"]) as llm:
        result = engine(llm).run(QUESTION, LETTERS)
    assert [each.document_id for each in result.citations] == ["letter-3"]
    assert "1 quote of the direct answer do" in result.trace.warnings[0]


def test_quotes_are_citations_in_their_order_from_the_document_they_name_or_else_from_any() -> None:
    quotes = "[letter-9] arch 9\nLetter 3.\n[letter-5 | year: 1] arch 5\n[letter-5] over arch 7"
    with wide([f"Many.\n<evidence>\n{quotes}\n</evidence>"]) as llm:
        result = engine(llm).run(QUESTION, LETTERS)
    assert [each.document_id for each in result.citations] == ["letter-9", "letter-3", "letter-5", "letter-7"]


def test_a_conversation_keeps_its_roles() -> None:
    asked = [Message("user", "Hello"), Message("assistant", "Yes?"), Message("user", QUESTION)]
    with wide([SAYS]) as llm:
        engine(llm, instructions="Be brief.").run(asked, LETTERS)
    assert [message.role for message in llm.requests[0]] == ["system", "user", "assistant", "user"]
    assert "Be brief." in llm.requests[0][0].content


class Closed(BaseModel):
    by: str
    arch: int


TYPED = '{"by": "the mayor", "arch": 7}\n<evidence>\n[letter-7] over arch 7\n</evidence>'


def test_a_typed_answer_is_told_of_once_and_comes_with_its_citations() -> None:
    with wide(['{"by": "the mayor"}', TYPED]) as llm:
        result = engine(llm, answer_type=Closed).run(QUESTION, LETTERS)
    assert result.answer == Closed(by="the mayor", arch=7)
    assert [each.cited_text for each in result.citations] == ["over arch 7"]
    assert "does not fit its schema" in llm.requests[1][-1].content
    assert '"arch"' in llm.requests[0][1].content


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        (['{"by": 1}', "the mayor"], "gave no answer that holds in 2 replies (its answer did not fit"),
        (["", " "], "gave no answer that holds in 2 replies (no"),
        ([CALLS, CALLS], "(no whole reply: the reply is empty: it calls a tool, and no tools are offered)"),
        ([RuntimeError("maximum context length is 4096 tokens"), None], "refused the texts as too long"),
    ],
)
def test_a_direct_answer_that_comes_to_nothing_is_given_up_for_code(replies: list[Any], why: str) -> None:
    code = '```repl\nanswer["content"] = {"by": "code", "arch": 7}\nanswer["ready"] = True\n```'
    told: list[Event] = []
    with wide([each for each in replies if each is not None] + [code]) as llm:
        result = engine(llm, answer_type=Closed, on_event=told.append).run(QUESTION, LETTERS)
    assert result.answer == Closed(by="code", arch=7)
    assert [event.way for event in told if isinstance(event, Routed)] == ["direct", "rlm"]
    assert (result.trace.route, result.trace.iteration_count) == ("rlm", len(llm.requests))
    assert why in result.trace.route_why
    assert llm.requests[-1][0].role == "system"
    assert "```repl" in llm.requests[-1][0].content
    assert [iteration.number for iteration in result.trace.iterations] == [*range(1, len(llm.requests) + 1)]


def test_texts_that_the_server_cut_are_read_by_code() -> None:
    cut = Completion("Nobody.", Usage(input_tokens=2_048, output_tokens=4), "small")
    letters = {name: text * 3 for name, text in LETTERS.items()}
    with wide([cut, CODE]) as llm:
        result = engine(llm).run(QUESTION, letters)
    assert (result.answer, result.trace.route) == ("letter-7", "rlm")
    assert "read only a part" in result.trace.route_why


def test_a_check_sees_citations_and_what_it_says_goes_back() -> None:
    seen: list[int] = []

    def quoted(_answer: str, result: RLMResult[Any]) -> str | None:
        seen.append(len(result.citations))
        return None if result.citations else "quote what proves it"

    with wide(["The mayor.", SAYS]) as llm:
        result = engine(llm, verify=quoted).run(QUESTION, LETTERS)
    assert (result.answer, result.verified, result.trace.route, seen) == ("The mayor.", True, "direct", [0, 1])
    assert "quote what proves it" in llm.requests[1][-1].content


def test_a_check_that_refuses_twice_has_code_answer() -> None:
    with wide(["Bo.", "Ada.", CODE]) as llm:
        result = engine(llm, verify=lambda answer, _: None if "letter" in answer else "wrong").run(QUESTION, LETTERS)
    assert (result.answer, result.verified, result.trace.route) == ("letter-7", True, "rlm")
    assert "verify refused: wrong" in result.trace.route_why


def test_limits_hold() -> None:
    with wide(["", "The mayor."]) as llm:
        result = engine(llm, limits=RLMLimits(max_iterations=1)).run(QUESTION, LETTERS)
    assert (result.answer, result.stop_reason, result.trace.route) == ("The mayor.", "max_iterations", "direct")
    with wide(["", "The mayor."]) as llm, pytest.raises(LimitReachedError) as raised:
        engine(llm, limits={"max_iterations": 1}, on_limit="raise").run(QUESTION, LETTERS)
    assert raised.value.result is not None
    assert raised.value.result.answer == "The mayor."


def test_a_model_that_fails_is_an_error_and_no_reason_for_code() -> None:
    with wide([ConnectionError("no route to host")]) as llm, pytest.raises(RunError, match="no route to host"):
        engine(llm).run(QUESTION, LETTERS)


def test_the_tool_protocol_offers_no_tool_to_a_direct_answer() -> None:
    with wide([SAYS]) as llm:
        engine(llm, protocol="tool").run(QUESTION, LETTERS)
    assert llm.offered == [()]


async def test_a_session_goes_on_in_its_repl() -> None:
    with wide([CODE]) as llm:
        async with engine(llm).session(LETTERS) as session:
            result = await session.aask(QUESTION)
    assert (result.trace.route, result.trace.route_why) == ("rlm", "a session goes on in a REPL")


def test_a_journal_answers_the_same_question_again_and_tells_the_ways_apart(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with wide([SAYS]) as llm:
        first = engine(llm, journal=path).run(QUESTION, LETTERS)
        again = engine(llm, journal=path).run(QUESTION, LETTERS)
    assert (again.answer, again.citations, again.trace.journal) == (first.answer, first.citations, "finished")
    assert again.trace.route == "direct"
    assert again.trace.paid_usage.total_tokens == 0
    with wide([CODE]) as llm:
        assert RLMEngine(llm, journal=path).run(QUESTION, LETTERS).answer == "letter-7"


async def test_a_direct_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    task = asyncio.current_task()
    assert task is not None

    def kill(event: Event) -> None:
        if isinstance(event, IterationStarted) and event.iteration == 2:
            task.cancel()

    llm = wide(['{"by": 1}', TYPED])
    killed = engine(llm, journal=path, answer_type=Closed, on_event=kill)
    with pytest.raises(asyncio.CancelledError):
        await killed.arun(QUESTION, LETTERS)
    task.uncancel()
    with wide([]) as llm:
        result = await engine(llm, journal=path, answer_type=Closed).arun(QUESTION, LETTERS)
    assert (result.answer.arch, result.trace.journal, result.trace.route) == (7, "resumed", "direct")
    assert [iteration.call.replayed for iteration in result.trace.iterations] == [True, True]
    assert [each.document_id for each in result.citations] == ["letter-7"]


def test_an_unknown_route_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r'route: .fast. is unknown; pass "rlm" or "auto"'):
        RLMEngine(ScriptedModel([]), route="fast")  # pyright: ignore[reportArgumentType]
