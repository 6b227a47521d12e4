"""The texts of a decision: how much it looks at, and what it comes to."""

from __future__ import annotations

from rlm_integrations.core.loop.actions import Fail, Finish, Verify
from rlm_integrations.core.loop.happenings import CodeRan, Happening, Replied
from rlm_integrations.core.loop.state import Decision, State
from rlm_integrations.wire.steps import StepDone


def chars_looked_at(state: State, happening: Happening) -> int:
    """Of the text that a decision on it looks at."""
    kept = 0 if state.last_call is None else len(state.draft)
    match happening:
        case Replied():
            shown = state.fenced if _all_for_the_repl(happening.text) else state.quotable
            calls = () if happening.called is None else happening.called.tool_calls
            written = len(happening.text) + sum([len(call.arguments) for call in calls])
            return kept + written + shown.chars
        case CodeRan():
            answer = happening.outcome.answer.content if isinstance(happening.outcome, StepDone) else ""
            return kept + len(answer)
        case _:
            return kept


def _all_for_the_repl(reply: str) -> bool:
    """Whether each fence is marked for the REPL: code in others is looked for in all that the root LM was shown."""
    marked = reply.count("```repl")
    return bool(marked) and reply.count("```") <= 2 * marked and "~~~" not in reply


def shown_by(decision: Decision) -> str:
    """What a step comes to, for whoever wraps it: what the root LM is shown, or what the run ends with."""
    state, action = decision
    match action:
        case Finish():
            return action.text
        case Verify():
            return action.finish.text
        case Fail():
            return action.message
        case _:
            return state.messages[-1].content
