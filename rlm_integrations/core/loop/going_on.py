"""How a run goes on after something was told: the root LM is asked again, or for the last time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_integrations.core.calls.budget import limit_with_its_name, limit_words
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.limits import StopReason
from rlm_integrations.core.loop.actions import Action, CallRootLM, Fail, Finish
from rlm_integrations.core.loop.doubts import unfilled
from rlm_integrations.core.loop.folding import fold_due
from rlm_integrations.core.loop.happenings import (
    BudgetView,
)
from rlm_integrations.core.loop.meant_draft import draft_meant
from rlm_integrations.core.loop.outcomes import failed_steps
from rlm_integrations.core.loop.quotations import fenced, quotable
from rlm_integrations.core.loop.state import Decision, Rules, State
from rlm_integrations.core.messages import Messages
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.core.prompts.texts import fill
from rlm_integrations.core.wording import one_line, shortened

_LAST_CALL_QUESTION_CHARS = 600
_LAST_CALL_DRAFT_CHARS = 4_000


def where_it_is(rules: Rules, state: State, quoted: str) -> dict[str, object]:
    """What every nudge begins with."""
    return {
        "step": state.iteration,
        "max_iterations": rules.limits.max_iterations,
        "quoted": f" {quoted}" if quoted else "",
    }


def go_on(rules: Rules, state: State, observation: str, budget: BudgetView, **changes: Any) -> Decision:
    """Show the observation and ask again, or for the last time where a limit is met. `changes`: what else changes."""
    limit = limit_met(rules, state, budget)
    if limit is not None:
        return last_call_for(rules, state._replace(**changes), observation, limit)
    shown = Message("user", observation)
    state = with_shown(state, [shown], **changes, messages=state.messages.saying(shown), iteration=state.iteration + 1)
    return fold_due(rules, state, budget) or (state, CallRootLM(state.messages, state.iteration))


def with_shown(state: State, said: Sequence[Message], **changes: Any) -> State:
    """The state with these changes, and with what code may be quoted from in further messages to the root LM."""
    shown = quotable(said)
    if shown:
        changes |= {"quotable": state.quotable.saying(*shown), "fenced": state.fenced.saying(*fenced(shown))}
    return state._replace(**changes)


def limit_met(rules: Rules, state: State, budget: BudgetView) -> StopReason | None:
    if budget.limit is not None:
        return budget.limit
    if state.iteration >= rules.limits.max_iterations:
        return "max_iterations"
    if not rules.has_last_call and budget.sub_calls_left < 1:  # its own calls are sub-calls
        return "max_sub_calls"
    return None


def last_call_for(rules: Rules, state: State, observation: str, limit: StopReason) -> Decision:
    if not rules.has_last_call:
        return state, last_answer(rules, state._replace(last_call=limit), problem="no answer was set")
    draft = shortened(state.draft, _LAST_CALL_DRAFT_CHARS) or "(empty)"
    closing = fill(
        "last_call",
        limit=limit_words(limit, rules.limits),
        question=one_line(rules.question, _LAST_CALL_QUESTION_CHARS),
        draft=draft,
        tag=fence_tag(rules.fence_key, "draft", draft),
    )
    content = f"{observation}\n\n{closing}" if observation else closing
    messages = _said_to_root(state.messages, content)
    shown = [Message("user", content)]
    state = with_shown(state, shown, messages=messages, iteration=state.iteration + 1, last_call=limit)
    return state, CallRootLM(state.messages, state.iteration, last_call=True)


def _said_to_root(messages: Messages, content: str) -> Messages:
    """The conversation with this as its end. A call that failed has no reply: its message goes on, for some APIs refuse
    two user messages in a row."""
    if messages[-1].role != "user":
        return messages.saying(Message("user", content))
    return Messages((*messages[:-1], Message("user", f"{messages[-1].content}\n\n{content}")))


def last_answer(rules: Rules, state: State, said: str = "", problem: str | None = None) -> Action:
    """What the run ends with after the last call: what it said, else the draft in the REPL. Words beside code are none.

    `problem` is what the run fails with where neither is an answer.
    """
    assert state.last_call is not None
    misfits: list[str] = []
    said_is_json = False
    if draft_meant(rules, state, said):
        said, said_is_json = state.draft, state.draft_is_json
    for content, is_json, is_draft in ((said, said_is_json, False), (state.draft, state.draft_is_json, True)):
        misfit = rules.misfit(content.strip(), is_json) if content.strip() else None
        if misfit is None and not is_draft and not rules.typed:
            misfit = unfilled(content, state.variables or (), rules.question)
        if misfit is not None:
            misfits.append(one_line(misfit))
        elif content.strip():
            return Finish(content.strip(), state.last_call, is_json, is_draft)
    if problem is None:
        why = "; ".join(dict.fromkeys([state.unfinished, *misfits] if state.unfinished else misfits))
        fits = " that fits the type asked for" if rules.typed else ""
        problem = f"the last call gave no answer{fits}{f' ({why})' if why else ''}"
    reached = limit_with_its_name(state.last_call, rules.limits, rules.limits_of_all)
    failed = failed_steps(state.failure, state.failures)
    return Fail(f"the run reached {reached}, and {problem}{failed}", state.last_call, state.draft)
