"""What follows when code ran, and when what it set as the answer was checked."""

from __future__ import annotations

from typing import Any

from rlm_integrations.core.loop import direct
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.core.loop.code_calls import result_of_refused
from rlm_integrations.core.loop.doubts import doubt_of, named_variable, touches_answer
from rlm_integrations.core.loop.going_on import go_on, last_answer, limit_met, where_it_is
from rlm_integrations.core.loop.happenings import (
    CodeRan,
    Verified,
)
from rlm_integrations.core.loop.observation import (
    StepContext,
    objected_answer,
    observe,
    output_text,
)
from rlm_integrations.core.loop.outcomes import (
    failure,
    looked_up_in_vain,
    may_be_example,
    names_set,
    word_for_no_variable,
)
from rlm_integrations.core.loop.state import Decision, Rules, State
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.core.prompts.texts import nudge, observation_part
from rlm_integrations.wire.steps import StepDone


def on_code_ran(rules: Rules, state: State, ran: CodeRan, *, refused_for_maps: bool = False) -> Decision:
    """An answer ends the run, unless it is `refused_for_maps` or hardly meant; else there is something to show."""
    outcome, misfit, doubt = ran.outcome, None, None
    changes = _failed_so(state, failure(outcome)) | {"unresolved": ran.unresolved}
    if isinstance(outcome, StepDone):
        answer = outcome.answer
        variables = (state.variables or frozenset()) | names_set(outcome)
        changes |= {"draft": answer.content, "draft_is_json": answer.is_json, "variables": variables}
        if answer.ready:
            misfit = rules.misfit(answer.content, answer.is_json)
            if misfit is not None:  # that a name is no JSON would say less
                misfit = named_variable(answer.content, state.parsed.blocks, variables) or misfit
            taken = misfit is None and not refused_for_maps
            if taken and state.last_call is None:
                doubt = _doubt(state, outcome, variables)
                taken = doubt is None and (not state.doubted or touches_answer(state.parsed.blocks))
            if taken:
                finish = Finish(answer.content, state.last_call or "answer", answer.is_json)
                return state._replace(example=(), **changes), finish
    elif state.last_call is None:
        changes |= {"draft": "", "draft_is_json": False, "variables": frozenset()}
    if doubt is not None:
        changes["doubted"] = state.parsed.blocks
    example = state.parsed.example and may_be_example(outcome, state.parsed.ends_in_words)
    changes["example"] = state.parsed.blocks if example else ()
    if state.last_call is not None:
        state = state._replace(**changes)
        return state, last_answer(rules, state, word_for_no_variable(state.parsed, outcome) or "")
    told = _observation(rules, state, ran, misfit, example, doubt=doubt, refused_for_maps=refused_for_maps)
    return go_on(rules, state, told, ran.budget, **changes)


def on_verified(rules: Rules, state: State, verified: Verified) -> Decision:
    """What was refused goes back with the words why, while there is somebody to mend it."""
    finish, why = state.to_verify, verified.objection
    assert finish is not None
    if why is None:
        return state, finish._replace(verified=True)
    refused = finish._replace(verified=False, objection=why)
    if verified.out_of_time:
        return state, refused._replace(stop_reason=state.last_call or "timeout", unchecked=True)
    if state.last_call is not None or finish.stop_reason not in ("answer", "plain_reply"):
        return state, refused
    objected = objected_answer(why, fence_tag(rules.fence_key, str(state.iteration), why))
    if rules.direct:
        return direct.objected(rules, state, objected, why, verified.budget)
    if state.ran is not None:
        told = _observation(rules, state, state.ran, objected=objected)
    elif limit_met(rules, state, verified.budget) is not None:
        told = result_of_refused(state.parsed, objected)  # the last call follows, and wants no code
    else:
        where = where_it_is(rules, state, "")
        told = nudge("nudge_objected", rules.protocol, objected=objected, **where)
        told = result_of_refused(state.parsed, told)
    return go_on(rules, state, told, verified.budget)


def _doubt(state: State, done: StepDone, variables: frozenset[str]) -> str | None:
    """Why the answer is hardly meant, unless the root LM was told of it and sends the same again."""
    blocks = state.parsed.blocks
    if blocks == state.doubted:
        return None
    taken_back = observation_part("answer_taken_back") if state.parsed.taken_back else None
    shown = state.quotable if state.variables is None else None
    return doubt_of(blocks, done, variables, shown=shown) or taken_back


def _observation(
    rules: Rules,
    state: State,
    ran: CodeRan,
    misfit: str | None = None,
    example: bool = False,
    objected: str | None = None,
    *,
    doubt: str | None = None,
    refused_for_maps: bool = False,
) -> str:
    """What the root LM is shown of the code of its last reply."""
    context = StepContext(
        step=state.iteration,
        max_iterations=rules.limits.max_iterations,
        question=rules.question,
        depth=rules.depth,
        blocks=len(state.parsed.blocks),
        fence_open=state.parsed.fence_open,
        quoted=state.parsed.quoted,
        unseen=state.parsed.unseen,
        drafts=state.parsed.drafts,
        unfinished=state.unfinished,
        tag=fence_tag(rules.fence_key, str(state.iteration), output_text(ran.outcome.output)),
        misfit=misfit,
        refused_for_maps=refused_for_maps,
        doubt=doubt,
        objected=objected,
        unseen_final=state.parsed.talk_of_final or (state.parsed.final is not None and not state.parsed.looked_up),
        no_variable=looked_up_in_vain(state.parsed, ran.outcome),
        unmarked=state.parsed.unmarked,
        example=example,
        protocol=rules.protocol,
        draft=state.draft,
    )
    return observe(ran, context)


def _failed_so(state: State, why: str) -> dict[str, Any]:
    """What that changes of the state."""
    again = why == state.failure
    return {"failure": why, "failures": (state.failures if again else 0) + bool(why)}
