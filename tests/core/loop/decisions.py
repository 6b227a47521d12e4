"""Rules, states and happenings, as tests of decisions begin with them."""

from __future__ import annotations

import json
from typing import Any

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.limits import RLMLimits, StopReason
from rlm_integrations.core.loop.actions import Action, CallRootLM, RunCode
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import BudgetView, CodeRan, Replied, RootCallFailed
from rlm_integrations.core.loop.state import Decision, Rules, State
from rlm_integrations.core.messages import Messages
from rlm_integrations.wire.steps import AnswerState, CodeError, Output, StepDone

OPENING = (Message("system", "You answer."), Message("user", "Question: how many?"))
OPEN = BudgetView(sub_calls_left=1_000)
NO_ANSWER = "the run reached the limit of 90 s (timeout_s), and the last call gave no answer"
TIME_UP = BudgetView(limit="timeout", seconds_left=0)
KEY = b"key"
NOT_READY = 'answer["content"] is set, and answer["ready"] is not: it is the answer once code sets that to True.'
CODE = "Look.\n```repl\nx = 1\n```"
EXAMPLE = "Like so:\n```python\nimport acme\nacme.run()\n```\nIt takes a minute."
LIMITS: tuple[StopReason, ...] = ("max_iterations", "max_sub_calls", "max_total_tokens", "max_cost", "timeout")


def rules(**changes: Any) -> Rules:
    usual: dict[str, Any] = {
        "limits": RLMLimits(max_iterations=20, max_cost_usd=2.5, timeout_s=90),
        "question": "how many?",
        "depth": 1,
        "plain_reply_answers": False,
        "misfit": lambda text, is_json: None,
        "typed": False,
        "fence_key": KEY,
    }
    return Rules(**(usual | changes))


def wants_json(text: str, is_json: bool) -> str | None:
    """An answer's type: any JSON."""
    try:
        json.loads(text)
    except ValueError:
        return "answer: Invalid JSON"
    return None


def state(**changes: Any) -> State:
    return State(Messages(OPENING))._replace(**changes)


def ran(printed: str = "", *, error: CodeError | None = None, **answer: Any) -> CodeRan:
    return CodeRan(StepDone(Output(printed), error, AnswerState(**answer)))


def on_reply(rules: Rules, before: State, reply: str, budget: BudgetView) -> Decision:
    return decide(rules, before, Replied(reply, budget))


def on_code_ran(rules: Rules, before: State, code: CodeRan, budget: BudgetView) -> Decision:
    return decide(rules, before, code._replace(budget=budget))


def on_root_failed(rules: Rules, before: State, problem: str, budget: BudgetView) -> Decision:
    return decide(rules, before, RootCallFailed(problem, budget))


def after_code(before: State | None = None) -> State:
    after, action = on_reply(rules(), before or state(), CODE, OPEN)
    assert action == RunCode(("x = 1",))
    return after


def last_message(action: Action) -> str:
    assert isinstance(action, CallRootLM)
    assert action.messages[-1].role == "user"
    return action.messages[-1].content


LAST = state(last_call="timeout", iteration=21, draft="the draft")
