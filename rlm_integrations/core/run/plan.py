"""What an engine decides once, for all of its runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Literal

from rlm_integrations.core.calls.prices import Pricing
from rlm_integrations.core.host.sub_tools import SubTool
from rlm_integrations.core.host.tools import Tool
from rlm_integrations.core.host.wrapped_work import AroundChild, AroundStep, AroundSubCall
from rlm_integrations.core.journal.settings import Journal
from rlm_integrations.core.language_model import CodeProtocol, LanguageModel, ToolCaller
from rlm_integrations.core.limits import RLMLimits, Route
from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.prompts.fences import PROCESS_KEY
from rlm_integrations.core.run.checks import Check, Twice
from rlm_integrations.core.sandbox import Sandbox
from rlm_integrations.core.trace.ends_run import EndsRun
from rlm_integrations.core.trace.events import Event
from rlm_integrations.frozen import frozen

LONG_TEXT_CHARS = 20_000
"""What works on more text than this does so in a thread: it may take longer than an event loop should wait."""

OnEvent = Callable[[Event], Awaitable[None] | None]
"""In a sync run a function is called in the thread that waits for the run; what is async runs on the run's own loop."""


@frozen
class RunPlan:
    """What an engine fixes for all of its runs."""

    root: LanguageModel
    sub: LanguageModel
    root_prices: Pricing | None
    """What the tokens cost, where the user says so."""
    sub_prices: Pricing | None
    limits: RLMLimits
    sandbox: Sandbox
    tools: Mapping[str, Tool]
    sub_tools: Mapping[str, SubTool]
    """Those of the sub-LM, and of the sub-LMs of children."""
    sub_with_tools: ToolCaller | None
    """The sub-LM with them; None where there are none."""
    root_with_tool: ToolCaller | None
    """The root LM with the tool that runs its code; None where it writes code in fences."""
    child_with_tool: ToolCaller | None
    """The same of the root LMs of children."""
    answer_type: AnswerType
    system_prompt: str | None
    instructions: str | None
    on_event: OnEvent | None
    on_limit: Literal["answer", "raise"]
    around_step: AroundStep | None
    around_child: AroundChild | None = None
    around_sub_call: AroundSubCall | None = None
    ends_run: EndsRun | None = None
    journal: Journal | None = None
    checks: tuple[Check, ...] = ()
    """What the user has for answers."""
    twice: Twice | None = None
    """Whether each question has two runs, and how they are reconciled."""
    route: Route = "rlm"
    limits_of_all: RLMLimits | None = None
    """The user's own, where the run is one of several that share some of them."""
    attempt: int = 1
    """Its place among the runs of its question."""
    fence_key: bytes = PROCESS_KEY
    """Equal runs with equal keys have equal prompts."""

    def for_children(self) -> RunPlan:
        """What holds for child RLMs: they answer their parent's code, in words, and know no wishes of the user's."""
        return replace(
            self,
            root=self.sub,
            root_with_tool=self.child_with_tool,
            answer_type=AnswerType(None),
            system_prompt=None,
            instructions=None,
            route="rlm",
            attempt=1,
        )

    @property
    def protocol(self) -> CodeProtocol:
        """How the root LM hands over its code."""
        return "fence" if self.root_with_tool is None else "tool"
