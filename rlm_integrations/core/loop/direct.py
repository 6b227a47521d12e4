"""The rules of a run whose root LM sees all there is, and answers without code."""

from __future__ import annotations

from rlm_integrations.core.calls.endings import to_its_writer
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop.actions import CallRootLM, Finish, GoOverToCode
from rlm_integrations.core.loop.code_calls import as_message
from rlm_integrations.core.loop.direct_reply import read_direct
from rlm_integrations.core.loop.going_on import last_answer, last_call_for, limit_met
from rlm_integrations.core.loop.happenings import BudgetView, Replied
from rlm_integrations.core.loop.reply_parser import ParsedReply
from rlm_integrations.core.loop.state import Decision, Rules, State
from rlm_integrations.core.prompts.texts import direct_part
from rlm_integrations.core.wording import one_line

_MOST_REPLIES = 2
"""Of which none was an answer: code may do better."""
TOO_LONG = "the root LM refused the texts as too long"
_CUT = "the root LM's server read only a part of the texts"


def on_direct_reply(rules: Rules, state: State, replied: Replied) -> Decision:
    """It is the answer, or is told once what is wrong with it; after that, code has its turn."""
    reply, parsed = read_direct(replied.text), ParsedReply(())
    messages = state.messages.saying(as_message(replied.text, None, parsed))
    state = state._replace(messages=messages, reply=replied.text, parsed=parsed, unfinished=replied.unfinished)
    said = "" if replied.unfinished else reply.answer
    if state.last_call is not None:
        return state, last_answer(rules, state, said)
    if replied.prompt_cut and limit_met(rules, state, replied.budget) is None:
        return state, GoOverToCode(_CUT)
    if replied.unfinished is not None:
        why = one_line(replied.unfinished)
        told = direct_part("unfinished", why=one_line(to_its_writer(replied.unfinished)))
        return again(rules, state, told, replied.budget, f"no whole reply: {why}")
    if not said:
        return again(rules, state, direct_part("empty"), replied.budget, "no answer in its reply")
    misfit = rules.misfit(said, False)
    if misfit is not None:
        why = one_line(misfit)
        return again(rules, state, direct_part("misfit", why=why), replied.budget, f"its answer did not fit: {why}")
    return state, Finish(said, "answer")


def objected(rules: Rules, state: State, words: str, why: str, budget: BudgetView) -> Decision:
    """One of the user's checks refused the answer, with these words."""
    return again(rules, state, direct_part("objected", objected=words), budget, f"verify refused: {one_line(why)}")


def again(rules: Rules, state: State, told: str, budget: BudgetView, why: str) -> Decision:
    """Ask again, or for the last time where a limit is met, or leave it to code."""
    limit = limit_met(rules, state, budget)
    if limit is not None:
        return last_call_for(rules, state, told, limit)
    if state.iteration >= _MOST_REPLIES:
        return state, GoOverToCode(
            f"asked directly, the root LM gave no answer that holds in {_MOST_REPLIES} replies ({why})"
        )
    state = state._replace(messages=state.messages.saying(Message("user", told)), iteration=state.iteration + 1)
    return state, CallRootLM(state.messages, state.iteration)
