"""Whatever happens, a run ends and its conversation only grows."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.actions import Fail, Finish, RunCode
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import BudgetView, CodeRan, Opened, Replied
from rlm_integrations.core.loop.state import State
from rlm_integrations.wire.steps import CodeError, ReplLost

from .decisions import (
    CODE,
    EXAMPLE,
    LIMITS,
    OPEN,
    OPENING,
    TIME_UP,
    on_code_ran,
    on_root_failed,
    ran,
    rules,
    wants_json,
)

REPLIES = st.sampled_from(
    [
        "FINAL(x)",
        EXAMPLE,
        f"{CODE}\nFINAL(3)",
        "<tool_call>x</tool_call>",
        "",
        "prose",
        CODE,
        "FINAL(3)",
        "FINAL_VAR(x)",
        "```repl\nx",
        "FINAL()",
        '{"n": 3}',
    ]
)
ENDINGS = st.sampled_from(
    [(), (), (), ("length", "cut"), ("content_filter", "withheld"), ("error", "broken"), ("refusal", "refused")]
)
VIEWS = st.sampled_from([OPEN, OPEN, OPEN, TIME_UP, BudgetView(limit="max_cost"), BudgetView(tokens_left_share=0.1)])
OUTCOMES = st.sampled_from(
    [
        ran("42"),
        ran(content="draft"),
        ran(ready=True, content="three"),
        ran(ready=True, content="[3]", is_json=True),
        ran(error=CodeError(1, 1, "x", "E: x"), refused="the block raised"),
        CodeRan(ReplLost("it ended its own process")),
    ]
)


@given(st.data(), st.integers(1, 4), st.booleans(), st.booleans())
def test_any_run_ends_and_its_conversation_only_grows(
    data: st.DataObject, max_iterations: int, whole: bool, typed: bool
) -> None:
    told = rules(
        limits=RLMLimits(max_iterations=max_iterations, max_cost_usd=1, timeout_s=1),
        plain_reply_answers=whole,
        misfit=wants_json if typed else lambda text, is_json: None,
    )
    now, action = decide(told, State(), Opened(OPENING))
    calls = 0
    while not isinstance(action, (Finish, Fail)):
        before = now.messages
        view = data.draw(VIEWS)
        if isinstance(action, RunCode):
            now, action = on_code_ran(told, now, data.draw(OUTCOMES), view)
        else:
            calls += 1
            assert action.messages == now.messages
            assert action.iteration == now.iteration == calls
            assert action.messages[-1].role == "user"
            if data.draw(st.booleans()) and data.draw(st.booleans()):
                now, action = on_root_failed(told, now, "it failed", view)
            else:
                ended = data.draw(ENDINGS)
                now, action = decide(told, now, Replied(data.draw(REPLIES), view, *ended))
        kept, last = len(before) - 1, before[-1]
        assert now.messages[:kept] == before[:kept]
        assert now.messages[kept].role == last.role
        assert now.messages[kept].content.startswith(last.content)
        assert all(pair != ("user", "user") for pair in pairwise(message.role for message in now.messages))
    assert calls <= max_iterations + 1
    if isinstance(action, Finish):
        assert action.text.strip()
        assert told.misfit(action.text, action.is_json) is None
        assert (action.stop_reason in LIMITS) == (now.last_call is not None)
    else:
        assert action.stop_reason == now.last_call
