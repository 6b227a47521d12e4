"""Every example in the prompts runs, in order, in one real session, on any corpus."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from rlm_integrations import Message, RLMEngine
from rlm_integrations.core.prompts.texts import root_system
from rlm_integrations.testing import PythonCalls, ScriptedModel

FENCE = re.compile(r"^```repl\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WITH_HITS = "On 3 May 1987 the deadline was moved.\nPayment is due on 1 June 2021.\n"
WITHOUT = "Nothing of the kind stands here.\n"


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize(
    ("context", "holds_a_year"),
    [
        (WITH_HITS * 500, True),
        ({"a": WITH_HITS * 300, "b": WITHOUT * 300}, True),
        (WITHOUT * 500, False),
        ([WITHOUT * 300, WITHOUT * 300], False),
    ],
)
def test_the_examples_of_the_system_message_run(depth: int, context: object, holds_a_year: bool) -> None:
    kind = "str" if isinstance(context, str) else "docs"
    system = root_system(context_kind=kind, depth=depth, max_output_chars=8192, sub_call_chars=100_000)
    examples = FENCE.findall(system)
    assert len(examples) == 2 + depth

    def sub(messages: Sequence[Message]) -> str:
        return "none"

    replies = [f"```repl\n{example}```" for example in examples]
    if not holds_a_year:
        replies.append("FINAL(no year)")
    with ScriptedModel(replies) as llm:
        result = RLMEngine(llm, sub_llm=ScriptedModel(always=sub), limits={"max_depth": depth}).run("?", context)
    *before, last = [execution.error for execution in result.trace.executions]
    assert before == [None] * len(before)
    if holds_a_year:
        assert last is None
        assert result.answer == "The earliest year named is 1987."
        assert [citation.cited_text for citation in result.citations] == ["1987"]
    else:
        assert last is not None
        assert "no year found" in last


def test_the_nudge_shows_a_call_that_finishes() -> None:
    def as_shown(messages: Sequence[Message]) -> PythonCalls:
        shown = re.findall(r"^    (.*)$", messages[-1].content, re.MULTILINE)
        assert len(shown) == 2
        return PythonCalls("\n".join(shown).replace("...", "Three."))

    with ScriptedModel(["Thinking.", as_shown]) as llm:
        reply = RLMEngine(llm, limits={"max_iterations": 2}, protocol="tool").run("?", WITHOUT * 500)
    assert (reply.answer, reply.stop_reason) == ("Three.", "answer")


def test_the_nudge_shows_a_reply_that_finishes() -> None:
    def filled_in(messages: Sequence[Message]) -> str:
        return FENCE.findall(messages[-1].content)[0].replace("...", "Three.")

    with ScriptedModel(["Thinking.", filled_in]) as llm:
        reply = RLMEngine(llm, limits={"max_iterations": 2}).run("?", WITHOUT * 500)
    assert (reply.answer, reply.stop_reason) == ("Three.", "answer")
    nudge = llm.requests[1][-1].content
    [code] = FENCE.findall(nudge)
    assert code == 'answer["content"] = "..."\nanswer["ready"] = True\n'
