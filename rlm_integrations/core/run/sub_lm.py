"""The sub-LM of a node, with its tools where it has some."""

from __future__ import annotations

from rlm_integrations.core.host.answers import Emit
from rlm_integrations.core.host.foreign_calls import ForeignCalls
from rlm_integrations.core.host.pictures import Pictures
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.retrieval import Retrieval
from rlm_integrations.core.host.sub_calls import SubCalls
from rlm_integrations.core.host.sub_tool_calls import SubToolCalls
from rlm_integrations.core.host.tool_loop import ToolLoop
from rlm_integrations.core.language_model import sees_images
from rlm_integrations.core.run.shared import Shared


def sub_calls_of(
    shared: Shared,
    retrieval: Retrieval,
    reservations: Reservations,
    foreign: ForeignCalls,
    emit: Emit,
    prompt_chars: int,
) -> SubCalls:
    """What answers `llm_query` in one node, for prompts of so many characters."""
    calls, model, plan = shared.calls, shared.sub, shared.plan
    loop: ToolLoop | None = None
    if plan.sub_tools:
        tools = SubToolCalls(plan.sub_tools, shared.threads, foreign)
        loop = ToolLoop(calls, model, tools, reservations, emit, prompt_chars, plan.fence_key)
    pictures = Pictures(retrieval.corpus, lambda: retrieval.added, sees_images(plan.sub))
    return SubCalls(calls, model, prompt_chars, reservations, emit, plan.ends_run, loop, plan.around_sub_call, pictures)
