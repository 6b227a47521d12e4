"""The rules of a run: (state, what happened) -> (state, next action). No clock, no await, no I/O.

`core/run/node.py` performs the actions, and says what happened.
"""

from __future__ import annotations

from typing import Any

from rlm_integrations.core.calls.endings import to_its_writer
from rlm_integrations.core.loop.actions import Action, CallRootLM, Fail, Finish, GoOverToCode, RunCode, Verify
from rlm_integrations.core.loop.code_calls import as_message, read_calls, result_of_refused
from rlm_integrations.core.loop.cut_reply import whole_blocks
from rlm_integrations.core.loop.direct import TOO_LONG, on_direct_reply
from rlm_integrations.core.loop.failures import MOST_UNCALLED, never_calls, outgrown, said_nothing
from rlm_integrations.core.loop.folding import fold_again, fold_due, folded, not_folded, summary_in
from rlm_integrations.core.loop.going_on import go_on, last_answer, last_call_for, limit_met, where_it_is, with_shown
from rlm_integrations.core.loop.happenings import (
    BudgetView,
    CodeRan,
    Happening,
    Opened,
    Replied,
    RootCallFailed,
    Verified,
)
from rlm_integrations.core.loop.meant_draft import draft_meant
from rlm_integrations.core.loop.observation import (
    quoted_blocks,
    unfinished_reply,
)
from rlm_integrations.core.loop.on_code import on_code_ran, on_verified
from rlm_integrations.core.loop.quotations import Quotations, as_foreign
from rlm_integrations.core.loop.reply_parser import ParsedReply, parse_reply
from rlm_integrations.core.loop.shortening import SHARES
from rlm_integrations.core.loop.shortening import shortened as shortened_conversation
from rlm_integrations.core.loop.state import Decision, Rules, State
from rlm_integrations.core.loop.unread_code import meant_to_run
from rlm_integrations.core.loop.unresolved import refused_for, unresolved_words
from rlm_integrations.core.loop.window import Window
from rlm_integrations.core.messages import Messages
from rlm_integrations.core.prompts.texts import nudge, observation_part
from rlm_integrations.core.wording import one_line


def decide(rules: Rules, state: State, happening: Happening) -> Decision:
    """The next state and action. Equal arguments give equal decisions.

    An answer is refused while typed maps have unresolved results, as long as something can be done about them; else it
    says so.
    """
    after, action = _decide(rules, state, happening)
    if not isinstance(action, Finish):
        return after, action
    if after.unresolved:
        if isinstance(happening, Replied | CodeRan) and _may_be_mended(rules, after, action, happening.budget):
            if isinstance(happening, CodeRan):
                return on_code_ran(rules, state, happening, refused_for_maps=True)
            return _refused_for_maps(rules, after, happening.budget)
        action = action._replace(unresolved=unresolved_words(after.unresolved))
    if rules.verifies and not isinstance(happening, Verified):
        ran = happening if isinstance(happening, CodeRan) else None
        after = after._replace(to_verify=action, ran=ran, draft=action.text, draft_is_json=action.is_json)
        return after, Verify(action)
    return after, action


def _decide(rules: Rules, state: State, happening: Happening) -> Decision:
    match happening:
        case Replied():
            if state.folding is not None:
                return _on_summary(rules, state, happening)
            if rules.direct and happening.finish != "refusal":
                return on_direct_reply(rules, state, happening)
            return _on_reply(rules, state, happening)
        case CodeRan():
            return on_code_ran(rules, state, happening)
        case RootCallFailed():
            if state.folding is not None:
                return _on_no_summary(rules, state, happening)
            if rules.direct and happening.too_long and not limit_met(rules, state, happening.budget):
                return state, GoOverToCode(TOO_LONG)
            return _on_root_failed(rules, state, happening)
        case Opened():
            messages, window = Messages(happening.messages), Window(rules.window_tokens)
            foreign = (*happening.foreign, *([rules.question] if rules.asked_by_code else []))
            shown = (*messages, *[as_foreign(text, rules.fence_key) for text in foreign])
            state = with_shown(state, shown, messages=messages, opening=len(messages), window=window)
            state = state._replace(head=happening.messages, bare_head=happening.bare)
            return state, CallRootLM(messages, state.iteration)
        case Verified():
            return on_verified(rules, state, happening)


def _on_reply(rules: Rules, state: State, replied: Replied) -> Decision:
    """Code is run, the rest is an answer or is told what was expected. Of a cut reply, only whole code counts."""
    reply, problem, window = replied.text, replied.unfinished, _window_after(state, replied)
    if replied.finish == "refusal":
        return _on_refusal(rules, state._replace(window=window), replied)
    cut = problem is not None and (bool(reply.strip()) or replied.called is not None)
    parsed = _parsed(rules, state, replied, cut=cut)
    changes: dict[str, Any] = {"messages": state.messages.saying(as_message(replied.text, replied.called, parsed))}
    changes |= {"window": window, "reply": reply, "parsed": parsed, "unfinished": problem, "shortenings": 0}
    if parsed.blocks:
        changes |= {"codeless": 0, "empty": 0, "uncalled": 0}
    state = state._replace(**changes)
    if parsed.blocks:
        return state, _answer_with_an_example(rules, state) or RunCode(parsed.blocks)
    said = "" if cut or replied.called else (reply if parsed.final is None else parsed.final).strip()
    unread = parsed.unread or parsed.talk_of_final or (parsed.final is None and _meant_to_run(rules, state, said))
    if unread and not (rules.typed and rules.misfit(said, False) is None):
        said = ""  # code that cannot be made out is no answer, nor is a call of something that is not there
    if state.last_call is not None:
        return state, last_answer(rules, state, said)
    if problem is not None:
        unsaid = 0 if cut and replied.finish == "length" else state.empty + 1
        return _unfinished(rules, state._replace(empty=unsaid), replied.budget)
    spoke = bool(said) or unread or replied.called is not None
    uncalled = state.uncalled + 1 if rules.protocol == "tool" and parsed.unread else 0
    state = state._replace(codeless=state.codeless + 1, empty=0 if spoke else state.empty + 1, uncalled=uncalled)
    if uncalled >= MOST_UNCALLED:
        return state, Fail(never_calls(uncalled), draft=state.draft)
    return _codeless(rules, state, said, replied.budget)


def _parsed(rules: Rules, state: State, replied: Replied, *, cut: bool) -> ParsedReply:
    quotations, last = Quotations(state.quotable, state.fenced), state.last_call is not None
    if rules.protocol == "tool":
        half = replied.unfinished is not None
        return read_calls(replied.text, replied.called, quotations, state.variables, cut=half, last=last)
    if cut:
        return whole_blocks(replied.text, quotations, state.variables)
    return parse_reply(replied.text, quotations, state.variables, last=last)


def _meant_to_run(rules: Rules, state: State, said: str) -> bool:
    return meant_to_run(said, rules.question, Quotations(state.quotable, state.fenced))


def _on_refusal(rules: Rules, state: State, replied: Replied) -> Decision:
    """Asked again it would refuse again, and what it says is no answer."""
    state = state._replace(parsed=ParsedReply(()))
    if state.last_call is not None:
        return state, last_answer(rules, state, problem=f"the last call failed: {replied.unfinished}")
    return state, Fail(f"the root LM failed in iteration {state.iteration}: {replied.unfinished}", draft=state.draft)


def _answer_with_an_example(rules: Rules, state: State) -> Action | None:
    """The whole reply, where its code is not to be run, but to be read by the user in an answer.

    So it is where the root LM was told how to give an example and replies with the same again, or where words go on
    below one in the last call, which wants no code.
    """
    parsed, said = state.parsed, state.reply.strip()
    if not parsed.example or rules.misfit(said, False) is not None:
        return None
    if state.last_call is not None:
        return Finish(said, state.last_call) if parsed.ends_in_words or parsed.blocks == state.example else None
    return Finish(said, "plain_reply") if parsed.blocks == state.example else None


def _may_be_mended(rules: Rules, state: State, finish: Finish, budget: BudgetView) -> bool:
    """Whether the root LM can still do something about an answer."""
    of_itself = state.last_call is None and finish.stop_reason in ("answer", "plain_reply")
    return of_itself and limit_met(rules, state, budget) is None


def _refused_for_maps(rules: Rules, state: State, budget: BudgetView) -> Decision:
    """A reply without code was an answer, and is refused."""
    where = where_it_is(rules, state, "")
    told = nudge("nudge_unresolved", rules.protocol, why=refused_for(state.unresolved), **where)
    return go_on(rules, state, result_of_refused(state.parsed, told), budget)


def _on_root_failed(rules: Rules, state: State, failed: RootCallFailed) -> Decision:
    """Where it was too long, a shorter one follows, and where time was up, the last call; else the run fails."""
    out_of_time = failed.budget.limit == "timeout"
    if failed.too_long:
        state = state._replace(window=state.window.refused(state.chars))
    if failed.too_long and failed.budget.limit is None and (fold := fold_due(rules, state, failed.budget, failed)):
        return fold
    if failed.too_long and not out_of_time and (shorter := _shortened(state)) is not None:
        return shorter
    if failed.too_long and not out_of_time:
        return state, _outgrown(rules, state, failed.problem)
    if state.last_call is not None:
        return state, last_answer(rules, state._replace(parsed=ParsedReply(())), problem=failed.problem)
    if failed.budget.limit is not None:
        return last_call_for(rules, state, "", failed.budget.limit)
    return state, Fail(failed.problem, draft=state.draft)


def _window_after(state: State, replied: Replied) -> Window:
    """What the reply says of it: how many tokens the prompt had, or that no more of it were read."""
    if replied.prompt_cut:
        return state.window.read(replied.prompt_tokens)
    return state.window.counted(replied.prompt_chars, replied.prompt_tokens)


def _on_summary(rules: Rules, state: State, replied: Replied) -> Decision:
    """The summary stands in place of older iterations, and the run goes on."""
    assert state.folding is not None
    summary = summary_in(rules, state, replied)
    if summary is None:
        return _on_no_summary(rules, state, replied)
    iteration, amid = state.folding.iteration, state.folding.refused is not None
    state = folded(state, summary)
    if replied.budget.limit is not None:
        return last_call_for(rules, state._replace(iteration=iteration), "", replied.budget.limit)
    return state, CallRootLM(state.messages, state.iteration, folded=amid)


def _on_no_summary(rules: Rules, state: State, happening: Replied | RootCallFailed) -> Decision:
    """Ask for it once more, or go on without."""
    folding, limit = state.folding, happening.budget.limit
    assert folding is not None
    if isinstance(happening, RootCallFailed) and happening.too_long:
        state = state._replace(window=state.window.refused(folding.chars))
    if limit is None and (again := fold_again(rules, state, happening)) is not None:
        return again
    state = not_folded(state)
    if limit is not None:
        return last_call_for(rules, state._replace(iteration=folding.iteration), "", limit)
    if folding.refused is not None:
        return _on_root_failed(rules, state, folding.refused)
    return state, CallRootLM(state.messages, state.iteration)


def _shortened(state: State) -> Decision | None:
    """Ask the same in fewer characters; None where there is nothing left to try."""
    tries = SHARES[state.shortenings :]
    messages = shortened_conversation(state.messages, state.opening, tries[0]) if tries else None
    if messages is None:
        return None
    state = state._replace(messages=Messages(messages), shortenings=state.shortenings + 1)
    return state, CallRootLM(state.messages, state.iteration, last_call=state.last_call is not None, shortened=True)


def _outgrown(rules: Rules, state: State, problem: str) -> Action:
    """The root LM cannot be asked any more: the draft is the answer, where it is one."""
    draft = state.draft.strip()
    if draft and rules.misfit(draft, state.draft_is_json) is None:
        return Finish(draft, state.last_call or "max_input_tokens", state.draft_is_json, is_draft=True)
    return Fail(outgrown(problem), state.last_call, state.draft)


def _codeless(rules: Rules, state: State, said: str, budget: BudgetView) -> Decision:
    """A reply without code: an answer where FINAL or the rules make it one, else it is told what was expected."""
    misfit = rules.misfit(said, False) if said else None
    final = state.parsed.final is not None
    quoted = quoted_blocks(state.parsed.quoted) if state.parsed.quoted else ""
    plain_reply_answers = rules.plain_reply_answers and not quoted  # what was meant to run is no answer
    if state.parsed.talk_of_final:
        quoted = observation_part("final_talk")
    if said and not final and draft_meant(rules, state, said):
        if state.codeless > 1:
            return state, Finish(state.draft.strip(), "plain_reply", state.draft_is_json)
        said, misfit = "", None  # it may as well say what is to come
    if said and misfit is None and (final or plain_reply_answers or state.codeless > 1):
        nothing_read = state.variables is None and not rules.plain_reply_answers
        return state, Finish(said, "answer" if final else "plain_reply", nothing_read=nothing_read)
    if state.empty > 1:
        return state, Fail(said_nothing(state.unfinished), draft=state.draft)
    last = limit_met(rules, state, budget) is not None
    draft = state.draft.strip()
    if draft and not last and rules.misfit(draft, state.draft_is_json) is None:
        quoted = f"{quoted} {observation_part('answer_not_ready')}".lstrip()
    where = where_it_is(rules, state, quoted)
    if misfit is not None:
        told = nudge("nudge_misfit", rules.protocol, why=one_line(misfit), **where)
    elif last:
        told = quoted  # the last call follows, and wants no code
    else:
        told = nudge("nudge_no_code", rules.protocol, **where)
    return go_on(rules, state, result_of_refused(state.parsed, told), budget)


def _unfinished(rules: Rules, state: State, budget: BudgetView) -> Decision:
    """An empty reply, or one that did not come whole and has no whole code: it is told, and is never an answer."""
    if state.empty > 1:
        return state, Fail(said_nothing(state.unfinished), draft=state.draft)
    why = one_line(to_its_writer(state.unfinished or ""))
    if limit_met(rules, state, budget) is not None:
        return go_on(rules, state, result_of_refused(state.parsed, unfinished_reply(why, rules.protocol)), budget)
    quoted = quoted_blocks(state.parsed.quoted) if state.parsed.quoted else ""
    told = nudge("nudge_unfinished", rules.protocol, why=why, **where_it_is(rules, state, quoted))
    return go_on(rules, state, result_of_refused(state.parsed, told), budget)
