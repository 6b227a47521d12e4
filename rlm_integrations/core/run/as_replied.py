"""A whole completion of a root LM, as the rules are told of it."""

from __future__ import annotations

from rlm_integrations.core.calls.endings import too_long_to_read, unfinished
from rlm_integrations.core.language_model import CodeProtocol, Completion
from rlm_integrations.core.loop.happenings import BudgetView, Replied


def called_by(completion: Completion, protocol: CodeProtocol) -> Completion | None:
    """The completion, where it calls tools that were offered."""
    return completion if completion.tool_calls and protocol == "tool" else None


def as_replied(completion: Completion, protocol: CodeProtocol, budget: BudgetView) -> Replied:
    """What it says, unless that is too long to be read: then it is as one that did not come."""
    if (problem := too_long_to_read(completion)) is not None:
        return Replied("", budget, completion.finish, problem)
    called = called_by(completion, protocol)
    problem = unfinished(completion, called=called is not None)
    return Replied(completion.text, budget, completion.finish, problem, called)
