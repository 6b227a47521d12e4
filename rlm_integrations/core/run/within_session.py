"""A run that is one question of a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.run.asked import with_names
from rlm_integrations.core.run.plan import RunPlan
from rlm_integrations.core.run.tree import RunTree
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.core.trace.result import RLMResult


def check_sessions(plan: RunPlan) -> None:
    """Raises InvalidArgumentError where the plan's runs cannot go on from each other."""
    if plan.journal is not None:
        raise InvalidArgumentError(
            "journal: it keeps single questions, not sessions, whose REPL goes on from one to the next; leave it "
            "out, or ask each question by run() or arun()"
        )
    if plan.twice is not None:
        raise InvalidArgumentError(
            "verify: Twice has blind runs, and a session one REPL, where the second would see what the first left; "
            "ask without a session, or leave Twice out"
        )


async def answer_in(
    session: SessionMemory,
    plan: RunPlan,
    question: str | Sequence[Message],
    context: object,
    *,
    sync: bool,
) -> RLMResult[Any]:
    """The answer, when it is this question's turn. Raises as `SessionMemory.asking` does.

    In a sync run all of it is done in the run's thread, where nothing that a signal handler raises can leave the
    session half asked.
    """
    with session.asking() as asking:
        async with asking.turn():
            session.check()
            session.go_over(context)
            known: object = session.corpus
            if known is None:
                known = await with_names(context, question, plan.limits.message_chars)
            return await RunTree(plan, question, known, sync=sync, session=session).perform()
