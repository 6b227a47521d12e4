"""With code by a tool: replies that are cut, results, children, and conversations that strict servers take."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations import Completion, InvalidArgumentError, LimitReachedError, Message, RLMEngine, RLMResult
from rlm_integrations.core.calls.tool_rounds import CallingMessage, as_rounds
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.actions import CallRootLM, Fail, Finish, FoldConversation, RunCode
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import BudgetView, CodeRan, Opened, Replied, RootCallFailed
from rlm_integrations.core.loop.state import Rules, State
from rlm_integrations.testing import PythonCalls, Recorder, ReplayingModel, ScriptedModel
from rlm_integrations.wire.steps import AnswerState, Output, StepDone

from .code_by_tool import DONE, LONG, USAGE, Rounds, calling, code, last_results, run


@pytest.mark.parametrize("finish", ["length", "error", "content_filter"])
def test_of_a_cut_reply_the_last_call_does_not_run_even_where_it_can_be_read(finish: Any) -> None:
    llm = Rounds(calling(code("x = 1"), code("x = 2"), finish=finish), PythonCalls(DONE))
    assert RLMEngine(llm, protocol="tool").run("?", LONG).text == "1"
    first, second = last_results(llm)
    assert "Your reply did not come whole" in first
    assert second == "Nothing ran: the reply was cut in this call or behind it."


def test_a_reply_that_is_cut_in_its_only_call_is_told_as_often_as_it_comes() -> None:
    cut = calling(code("x = 1"), finish="length")
    result, llm = run(cut, cut, cut, PythonCalls("x = 2\n" + DONE))
    assert result.text == "2"
    assert "no answer was taken: the reply was cut at the model's limit" in llm.requests[1][-1].content


def test_a_draft_is_kept_where_the_last_call_says_nothing() -> None:
    broken = calling(("python", "{"))
    with pytest.raises(LimitReachedError, match="the last call gave no answer") as caught:
        run(PythonCalls("x = 1"), broken, limits={"max_iterations": 1})
    assert caught.value.result is not None
    result, _ = run(PythonCalls("answer['content'] = 'so far'"), broken, limits={"max_iterations": 1})
    assert (result.answer, result.stop_reason) == ("so far", "max_iterations")


def test_a_misfit_is_told_with_a_call_to_send() -> None:
    result, llm = run("many", PythonCalls("x = 3\n" + DONE), context={"a": "one two three"}, answer_type=int)
    assert result.answer == 3
    nudge = llm.requests[1][-1].content
    assert "does not fit the schema" in nudge
    assert "Send it with this as its `code`:\n    answer[" in nudge
    assert "```" not in nudge


def test_prose_between_calls_keeps_its_place() -> None:
    llm = Rounds(
        "Hm.", PythonCalls("x = 1"), Completion("Let me think.", USAGE), PythonCalls("x += 1"), PythonCalls(DONE)
    )
    assert RLMEngine(llm, protocol="tool").run("?", LONG).text == "2"
    messages, rounds = llm.sent[-1]
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert [[message.role for message in each.then] for each in rounds] == [["assistant", "user"], []]
    for (before, earlier), (now, later) in pairwise(llm.sent):  # it only grows, so that prompt caches hit
        assert now[: len(before)] == before
        assert [each.reply for each in later[: len(earlier)]] == [each.reply for each in earlier]


class TooLongError(Exception):
    """context_length_exceeded"""

    code = "context_length_exceeded"


def test_results_are_shortened_in_their_place() -> None:
    noisy = "print('n' * 5_000)"
    llm = Rounds(PythonCalls("pass", noisy), PythonCalls(noisy), TooLongError(), PythonCalls("x = 1\n" + DONE))
    result = RLMEngine(llm, protocol="tool").run("?", LONG)
    assert result.text == "1"
    (messages, long), (kept, short) = llm.sent[-2:]
    assert kept == messages
    assert [each.reply for each in short] == [each.reply for each in long]
    assert [[result.call for result in each.results] for each in short] == [
        [result.call for result in each.results] for each in long
    ]
    assert len(short[0].results[1].text) < len(long[0].results[1].text) / 2
    assert "cut here, since the conversation has grown too long" in short[0].results[1].text


def test_children_use_the_tool_where_their_model_can_and_fences_where_not() -> None:
    class NoTools:
        def __init__(self, *replies: str) -> None:
            self.script = ScriptedModel(replies)

        async def complete(self, messages: Sequence[Message]) -> Completion:
            return await self.script.complete(messages)

    ask = "x = rlm_query('How many?', 'a b c')\n" + DONE
    can = ScriptedModel([PythonCalls("x = 3\n" + DONE)])
    cannot = NoTools("```repl\nx = 4\n" + DONE + "\n```")
    for sub, answer in ((can, "3"), (cannot, "4")):
        result, _ = run(PythonCalls(ask), sub_llm=sub, limits={"max_depth": 2})
        assert result.text == answer
    assert [tool.name for tool in can.offered[0]] == ["python"]
    assert "the tool `python`" in can.requests[0][0].content
    assert "```repl" in cannot.script.requests[0][0].content


def test_sub_calls_are_offered_nothing_and_their_calls_are_no_code() -> None:
    sub = ScriptedModel(["fine"])
    result, _ = run(PythonCalls("x = llm_query('well?')\n" + DONE), sub_llm=sub)
    assert result.answer == "fine"
    assert sub.offered == [()]


def test_what_the_root_is_told_speaks_of_the_tool_and_of_no_fence() -> None:
    _, llm = run(PythonCalls("x = 1\n" + DONE), limits={"max_depth": 2}, instructions="Count well.")
    system = llm.requests[0][0].content
    assert "Call the tool `python`" in system
    assert "    hits = search(" in system
    assert system.endswith("Count well.")
    for request in llm.requests:
        for message in request:
            assert "fence" not in message.content
            assert "```" not in message.content


@pytest.mark.parametrize("sync", [True, False])
async def test_a_recorded_conversation_is_replayed_with_its_calls(tmp_path: Any, sync: bool) -> None:
    path = tmp_path / "calls.jsonl"
    llm = ScriptedModel([PythonCalls("x = 1", text="Look."), "Hm.", PythonCalls("x += 1", DONE)])
    first = await asked(RLMEngine(Recorder(llm, path), protocol="tool"), sync)
    with ReplayingModel.from_file(path) as replaying:
        again = await asked(RLMEngine(replaying, protocol="tool"), sync)
    assert first.text == again.text == "2"
    blocks = [each.blocks for each in first.trace.executions]
    assert [each.blocks for each in again.trace.executions] == blocks == [["x = 1"], ["x += 1", DONE]]
    assert again.trace.iterations[0].reply == "Look."


async def asked(engine: RLMEngine[str], sync: bool) -> RLMResult[str]:
    return engine.run("?", LONG) if sync else await engine.arun("?", LONG)


class PlainModel:
    async def complete(self, messages: Sequence[Message]) -> Completion:
        raise AssertionError("never asked")


def test_a_model_that_calls_no_tools_is_refused_by_name() -> None:
    with pytest.raises(InvalidArgumentError, match=r'protocol: "tool" needs .* PlainModel cannot call tools .*"fence"'):
        RLMEngine(PlainModel(), protocol="tool")
    with pytest.raises(InvalidArgumentError, match='protocol: \'json\' is unknown; pass "fence" or "tool"'):
        RLMEngine(PlainModel(), protocol="json")  # type: ignore[arg-type]


CALLS = st.lists(st.sampled_from([code("x = 1"), code("y"), ("python", "{"), ("sh", "{}")]), max_size=3)
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["", "Hm.", "```repl\nx\n```"]), CALLS, st.sampled_from([None, "length"])),
        st.just("too long"),
    ),
    max_size=8,
)


@given(HAPPENINGS)
def test_every_conversation_is_one_that_strict_servers_take(happenings: list[Any]) -> None:
    rules = Rules(RLMLimits(max_iterations=5), "how many?", 1, False, lambda text, is_json: None, b"k", protocol="tool")
    opening = (Message("system", "You answer."), Message("user", "How many?"))
    state, action = decide(rules, State(), Opened(opening))
    budget = BudgetView(sub_calls_left=9)
    for happening in happenings:
        if isinstance(action, RunCode):
            done = StepDone(Output("n" * 3_000), None, AnswerState())
            state, action = decide(rules, state, CodeRan(done, budget=budget))
        if isinstance(action, (Finish, Fail)):
            return
        assert isinstance(action, (CallRootLM, FoldConversation))
        assert_valid(action.messages)
        if happening == "too long":
            state, action = decide(rules, state, RootCallFailed("too long", budget, too_long=True))
            continue
        text, calls, finish = happening
        reply = calling(*calls, text=text, finish=finish)
        problem = "it was cut" if finish else None if text or calls else "the reply is empty"
        replied = Replied(text, budget, finish, problem, reply if calls else None)
        state, action = decide(rules, state, replied)


def assert_valid(messages: Sequence[Message]) -> None:
    before, rounds = as_rounds(messages)
    assert [message.role for message in before][:2] == ["system", "user"]
    turns = [message.role for message in before[1:]]
    for each in rounds:
        assert [result.call.id for result in each.results] == [call.id for call in each.reply.tool_calls]
        assert all(result.text.strip() for result in each.results)
        turns += ["assistant", "user", *(message.role for message in each.then)]
        assert all(message.content.strip() for message in each.then)
    assert turns == ["user" if place % 2 == 0 else "assistant" for place in range(len(turns))]
    assert turns[-1] == "user"
    assert sum(isinstance(message, CallingMessage) for message in messages) == len(rounds)
