"""The variable `answer`: how it ends a run, and when it is refused, in every sandbox."""

from __future__ import annotations

import pytest

from rlm_integrations.wire.calls import HostCall, Reserve
from rlm_integrations.wire.steps import Output, StepDone

ANSWERS = {
    "a text": ("answer['content'] = 'done'\nanswer['ready'] = True", ("done", False)),
    "FINAL": ("FINAL('done')", ("done", False)),
    "FINAL_VAR": ("found = ['a', 1]\nFINAL_VAR('found')", ('["a", 1]', True)),
    "other keys": ("FINAL({1: {2}, 'b': (None,)})", ('{"1": [2], "b": [null]}', True)),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_an_answer_ends_the_step(open_session, case):
    code, expected = ANSWERS[case]
    session = await open_session()
    done = await session.run(code, "print('not reached')")
    assert isinstance(done, StepDone)
    assert (done.answer.ready, done.answer.refused, done.output) == (True, None, Output())
    assert (done.answer.content, done.answer.is_json) == expected


REFUSED = {
    "empty": ("answer['ready'] = True", "is empty"),
    "raised": ("FINAL('x')\n1 / 0", "the block raised"),
    "replaced by a text": ("answer = 'done'", "`answer` was replaced by a str; it is now"),
    "replaced by something else": ("answer = len", "it is an empty dict again"),
    "holding itself": ("loop = []\nloop.append(loop)\nFINAL(loop)", "cannot be written as JSON"),
    "a failed sub-call": ("FINAL(llm_query_batched(['fail'])[0])", "is a sub-call that failed (no luck)"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_an_answer_that_cannot_be_taken_is_refused(open_session, case):
    code, reason = REFUSED[case]
    session = await open_session(answer=lambda call: 1 if isinstance(call, Reserve) else None)
    outcome = None
    async for event in session.repl.step([code]):
        if not isinstance(event, HostCall):
            outcome = event
        elif isinstance(event.call, Reserve):
            session.repl.reply(event.id, 1)
        else:
            session.repl.refuse(event.id, "failed", "no luck")
    assert isinstance(outcome, StepDone)
    assert not outcome.answer.ready
    assert reason in (outcome.answer.refused or "")
    done = await session.run("answer['content'] = 'now'", "answer['ready'] = True")
    assert isinstance(done, StepDone)
    assert (done.answer.ready, done.answer.content) == (True, "now")


@pytest.mark.parametrize("name", ["name", "variable", "value", "lines", "content", "sum", "_hidden", "context", "kind"])
async def test_any_variable_can_be_the_answer_and_is_listed(open_session, name):
    """Also one that is called as something inside of our functions is."""
    session = await open_session()
    await session.run(f"{name} = 'mine'")
    assert (name in await session.value("print(SHOW_VARS())")) == (name[0] != "_")
    done = await session.run(f"FINAL_VAR({name!r})")
    assert done.answer.content == "mine"


@pytest.mark.parametrize("name", ["name", "variable", "value", "sum", "str", "class", "TypeError", "nothing"])
async def test_what_is_no_variable_cannot_be_the_answer(open_session, name):
    session = await open_session()
    assert (
        await session.error(f"FINAL_VAR({name!r})")
        == f"NameError: FINAL_VAR: no variable {name!r}; SHOW_VARS() lists them"
    )
