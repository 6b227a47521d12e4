"""A conversation that nears the root LM's window -> the same, its older iterations as a summary by the root LM. Pure.

What stays: the opening, which holds the question, the summary as the root LM's own words, what became of the variables,
and the last steps as they were. What the root LM was shown is known as ever (`State.quotable`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rlm_integrations.core.calls.token_counts import prompt_chars
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop.actions import FoldConversation
from rlm_integrations.core.loop.happenings import BudgetView, Replied, RootCallFailed
from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.reply_parser import parse_reply
from rlm_integrations.core.loop.shortening import shortened as shortened_conversation
from rlm_integrations.core.loop.state import Folding, Rules, State
from rlm_integrations.core.messages import Messages
from rlm_integrations.core.prompts.texts import fold_part
from rlm_integrations.core.wording import number, one_line, shortened

FULL = 0.75
"""Of the window: beyond that older iterations are folded. The rest has room for replies, and for the summary."""
SIZES = (0.95, 0.7, 0.5, 0.3)
"""Of the window: what may be sent to have the summary written, at first and where that is refused as too long."""

_KEPT_STEPS = (2, 1)
_AFTERWARDS = 0.6
"""Of the window: two steps stay where no more than that is full afterwards."""
_LEAST_FOLDED = 2
"""Steps. A summary counts as one; of a single step what it printed is cut, which asks for no call."""
_LEAST_GAIN = 1 / 8
_MOST_HEAD = 0.9
"""Of the window. An opening that leaves less room leaves none for anything."""
_EARLIER_SHARE = 1 / 8
"""Of the window: what was said before the question is folded too where it takes more."""
_SUMMARY_SHARE = 1 / 16
_SUMMARY_CHARS = (1_000, 12_000)
_OVERRUN = 1.5
"""Of the characters asked for, how many are taken: models do not count them."""
_LEAST_PROSE = 200
"""Characters of prose beside code that may be a summary. Less announces what the code is to do."""
_MOST_FAILED = 2
_VARIABLES_CHARS = 4_000
_QUESTION_CHARS = 600


class Fold(NamedTuple):
    """What the root LM is to be asked, and the state in which it is."""

    state: State
    action: FoldConversation


def fold_due(rules: Rules, state: State, budget: BudgetView, refused: RootCallFailed | None = None) -> Fold | None:
    """How to begin to fold, before the next call or after this one was refused as too long; None where that is no use.

    It is none where the window is unknown or has room, where little would be gained, and where it failed before: then
    the conversation goes on as it is, until it is refused and shortened.
    """
    if not state.window.known or state.last_call is not None or state.failed_folds >= _MOST_FAILED:
        return None
    if state.unfolded == state.iteration or (not rules.has_last_call and budget.sub_calls_left < 2):
        return None  # its own calls are sub-calls, and it needs one to go on
    if refused is None and state.window.share(state.chars) <= FULL:
        return None
    folding = _begun(state, refused)
    return None if folding is None else _asked(rules, state, folding)


def fold_again(rules: Rules, state: State, failed: Replied | RootCallFailed) -> Fold | None:
    """Ask for the summary once more: in fewer characters, or where the reply was none; None where neither is left."""
    folding = state.folding
    assert folding is not None
    if isinstance(failed, Replied):
        return None if folding.again else _asked(rules, state, folding._replace(again=True))
    if not failed.too_long or folding.size + 1 >= len(SIZES):
        return None
    return _asked(rules, state, folding._replace(size=folding.size + 1))


def summary_in(rules: Rules, state: State, replied: Replied) -> str | None:
    """What the reply says, without its code; None where that is no summary. One that was cut is one."""
    if replied.finish not in ("stop", "length", None):
        return None
    said, code = replied.text, replied.called is not None
    if rules.protocol == "fence":
        parsed = parse_reply(said, Quotations(state.quotable, state.fenced), state.variables)
        said, code = (parsed.prose, True) if parsed.blocks else (said, False)
    said = said.strip()
    if not said or (code and len(said) < _LEAST_PROSE):
        return None
    return shortened(said, _most_summary(state))


def folded(state: State, summary: str) -> State:
    """The conversation with the summary in place of what it stands for."""
    folding = state.folding
    assert folding is not None
    note = fold_part("note", folded=_left_out(state, folding), variables=_variables(state))
    begins = (*folding.head, Message("assistant", summary), Message("user", note))
    return state._replace(
        messages=Messages((*begins, *state.messages[len(state.messages) - folding.kept :])),
        opening=len(begins),
        head=folding.head,
        bare_head=() if _earlier_goes(state, folding) else state.bare_head,
        folding=None,
        folded=folding.up_to,
        folds=state.folds + 1,
        unfolded=0,
        failed_folds=0,
        shortenings=0,
    )


def not_folded(state: State) -> State:
    """The conversation as it was, which is not to be folded before the next reply."""
    return state._replace(folding=None, unfolded=state.iteration, failed_folds=state.failed_folds + 1)


def _begun(state: State, refused: RootCallFailed | None) -> Folding | None:
    messages, size, most = state.messages, state.window.chars, _most_summary(state)
    head = _head(state)
    head_chars = prompt_chars(head)
    if head_chars + most > _MOST_HEAD * size:
        return None
    steps = [place for place in range(state.opening, len(messages)) if messages[place].role == "assistant"]
    for kept in _KEPT_STEPS:
        if len(steps) - kept + bool(state.folds) < _LEAST_FOLDED:
            continue
        stays = head_chars + prompt_chars(messages[steps[-kept] :])
        if state.chars - stays - most < _LEAST_GAIN * size:
            continue
        if kept == 1 or stays + most <= _AFTERWARDS * size:
            done = state.iteration - 1
            iteration = done if refused is None else state.iteration
            tried = 0 if refused is None else 1
            return Folding(iteration, head, len(messages) - steps[-kept], done - kept, refused, tried)
    return None


def _asked(rules: Rules, state: State, folding: Folding) -> Fold:
    steps = sum(message.role == "assistant" for message in state.messages[len(state.messages) - folding.kept :])
    request = fold_part(
        "request",
        folded=_left_out(state, folding),
        kept=fold_part("last_step") if steps == 1 else fold_part("last_steps", n=steps),
        chars=number(_summary_chars(state)),
        variables=_variables(state),
        earlier=fold_part("earlier_too") if _earlier_goes(state, folding) else "",
        question=one_line(rules.question, _QUESTION_CHARS),
    )
    if folding.again:
        request = f"{request}\n{fold_part('again')}"
    messages: Sequence[Message] = state.messages
    room = int(SIZES[folding.size] * state.window.chars) - len(request)
    if state.chars > room:
        messages = shortened_conversation(messages, state.opening, max(room, 0) / state.chars) or messages
    last = Message("user", f"{messages[-1].content}\n\n{request}")
    messages = (*messages[:-1], last)
    asked = folding._replace(chars=prompt_chars(messages))
    return Fold(
        state._replace(folding=asked),
        FoldConversation(messages, folding.iteration, folding.up_to, folding.refused is not None),
    )


def _head(state: State) -> tuple[Message, ...]:
    """The opening, without what was said before the question where that takes much."""
    earlier = prompt_chars(state.head) - prompt_chars(state.bare_head) if state.bare_head else 0
    return state.bare_head if earlier > _EARLIER_SHARE * state.window.chars else state.head


def _left_out(state: State, folding: Folding) -> str:
    return fold_part("earlier" if _earlier_goes(state, folding) else "steps", last=folding.up_to)


def _earlier_goes(state: State, folding: Folding) -> bool:
    return bool(state.bare_head) and folding.head == state.bare_head


def _variables(state: State) -> str:
    names = ", ".join(sorted(state.variables or ()))
    return one_line(names, _VARIABLES_CHARS) or fold_part("no_variables")


def _summary_chars(state: State) -> int:
    least, most = _SUMMARY_CHARS
    return max(least, min(most, int(_SUMMARY_SHARE * state.window.chars) // 100 * 100))


def _most_summary(state: State) -> int:
    return int(_OVERRUN * _summary_chars(state))
