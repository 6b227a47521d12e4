"""Every example in the prompts runs, in order, in one real session, on any corpus."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from rlm_integrations import Message, RLMEngine, RLMResult
from rlm_integrations.core.prompts.texts import root_system
from rlm_integrations.testing import ScriptedModel

FENCE = re.compile(r"^```repl\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WITH_HITS = "On 3 May 1987 the deadline was moved.\nPayment is due on 1 June 2021.\n"
WITHOUT = "Nothing of the kind stands here.\n"


CORPORA = [
    (WITH_HITS * 500, True),
    ({"a": WITH_HITS * 300, "b": WITHOUT * 300}, True),
    (WITHOUT * 500, False),
    ([WITHOUT * 300, WITHOUT * 300], False),
]


def examples_over(context: object, depth: int, sub: Callable[[Sequence[Message]], str], *more: str) -> RLMResult:
    kind = "str" if isinstance(context, str) else "docs"
    system = root_system(context_kind=kind, depth=depth, max_output_chars=8192, sub_call_chars=100_000)
    examples = FENCE.findall(system)
    assert len(examples) == 2 + depth
    with ScriptedModel([*(f"```repl\n{example}```" for example in examples), *more]) as llm:
        return RLMEngine(llm, sub_llm=ScriptedModel(always=sub), limits={"max_depth": depth}).run("?", context)


def errors_in(result: RLMResult) -> list[str | None]:
    return [execution.error for execution in result.trace.executions]


def nothing_found(messages: Sequence[Message]) -> str:
    return "none"


@pytest.mark.parametrize(("context", "holds_a_year"), CORPORA)
def test_the_examples_run_without_sub_calls(context: object, holds_a_year: bool) -> None:
    result = examples_over(context, 0, nothing_found, *([] if holds_a_year else ["FINAL(no year)"]))
    first, last = errors_in(result)
    assert first is None
    if holds_a_year:
        assert last is None
        assert result.answer == "The earliest year named is 1987."
        assert [citation.cited_text for citation in result.citations] == ["1987"]
    else:
        assert last is not None
        assert "no year found" in last


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(("context", "holds_a_deadline"), CORPORA)
def test_the_examples_run_with_sub_calls(context: object, holds_a_deadline: bool, depth: int) -> None:
    id = "a" if isinstance(context, dict) else "context"

    def sub(messages: Sequence[Message]) -> str:
        return f'{id} | 2021-06-01 | "Payment is due on 1 June 2021."' if holds_a_deadline else "None."

    result = examples_over(context, depth, sub, *([] if holds_a_deadline else ["FINAL(no deadline)"]))
    *before, last = errors_in(result)
    assert before == [None] * (1 + depth)
    if holds_a_deadline:
        assert last is None
        assert result.answer == "2021-06-01: Payment is due on 1 June 2021."
        assert [citation.cited_text for citation in result.citations] == ["Payment is due on 1 June 2021."]
    else:
        assert last is not None
        assert "look at the notes" in last


def test_the_nudge_shows_a_reply_that_finishes() -> None:
    with ScriptedModel(["Thinking.", lambda messages: FENCE.findall(messages[-1].content)[0]]) as llm:
        reply = RLMEngine(llm, limits={"max_iterations": 2}).run("?", WITHOUT * 500)
    assert (reply.answer, reply.stop_reason) == ("...", "answer")
    nudge = llm.requests[1][-1].content
    [code] = FENCE.findall(nudge)
    assert code == 'answer["content"] = "..."\nanswer["ready"] = True\n'
