"""What is said of an answer that came after a limit."""

from __future__ import annotations

from rlm_integrations.core.calls.budget import limit_with_its_name
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.core.wording import one_line

LIMIT_WARNING = "a limit was met"
"""How each such warning begins."""

_QUESTION_CHARS = 80


def limit_warning(action: Finish, question: str, limits: RLMLimits, of_all: RLMLimits | None = None) -> str | None:
    """What limit it was, and what the answer is; None for one that the root LM gave of itself."""
    if action.stop_reason in ("answer", "plain_reply"):
        return None
    reached = limit_with_its_name(action.stop_reason, limits, of_all)
    what = "the unfinished draft that stood in the REPL" if action.is_draft else "the root LM's word in one last call"
    if action.unchecked:
        what = "the one that verify had not done with"
    asked = one_line(question, _QUESTION_CHARS)
    return (
        f"{LIMIT_WARNING}: the run for “{asked}” reached {reached}, and its answer is {what}; "
        'pass on_limit="raise" to have LimitReachedError in its place'
    )


def unverified_warning(objection: str, question: str) -> str:
    """That the answer is handed back though a check refused it, and what the check says."""
    asked = one_line(question, _QUESTION_CHARS)
    return (
        f"the answer to “{asked}” is not verified: verify refused it when a limit was met ({one_line(objection)}); "
        'see result.verified and result.objection, or pass on_limit="raise" to have LimitReachedError in its place'
    )
