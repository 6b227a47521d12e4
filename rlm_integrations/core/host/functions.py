"""Answers what the code in one REPL asks of the host: sub-calls, child RLMs, retrieval, citations, tools.

Every request is hostile. Each is answered once, whatever happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from rlm_integrations.core.calls.budget import BudgetError
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.slots import STEP_OVER
from rlm_integrations.core.host.answers import Refusal, RefusedCallError, Reply
from rlm_integrations.core.host.child_runs import ChildRuns
from rlm_integrations.core.host.citations import Citations
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.retrieval import Retrieval
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.sub_calls import SubCalls
from rlm_integrations.core.host.tool_calls import ToolCalls
from rlm_integrations.core.host.typed_maps import TypedMaps
from rlm_integrations.core.trace.ends_run import EndsRunError
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.core.wording import error_words
from rlm_integrations.wire.calls import Call, CallTool, Cite, LlmMap, LlmQuery, MapLeft, Reserve, Retrieve, RlmQuery

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import CallJournal, NodeJournal


class HostFunctions:
    """The host's side of one node's REPL."""

    def __init__(
        self,
        calls: ModelCalls,
        reservations: Reservations,
        sub_calls: SubCalls,
        maps: TypedMaps,
        children: ChildRuns,
        retrieval: Retrieval,
        citations: Citations,
        tools: ToolCalls,
        journal: NodeJournal | None = None,
    ) -> None:
        self._calls = calls
        self._reservations = reservations
        self._maps = maps
        self._children = children
        self._sub_calls = sub_calls
        self._retrieval = retrieval
        self._citations = citations
        self._tools = tools
        self._journal = journal
        self.fatal: RunError | None = None
        """An error that the run must end with."""

    @property
    def interrupted(self) -> bool:
        """Whether the run ends since the user wants out: then no open call is waited for."""
        return isinstance(self.fatal, EndsRunError) and isinstance(self.fatal.end, KeyboardInterrupt)

    def take_fatal(self) -> RunError | None:
        """The error that the run must end with, to be raised. Not kept, for its traceback holds this object."""
        fatal, self.fatal = self.fatal, None
        return fatal

    async def answer(self, call: Call, step: StepRecord) -> Reply | Refusal:
        """Do what the call asks."""
        if self.fatal is not None:
            return Refusal("failed", "the run is ending")
        if step.over:  # what it had reserved is given back by now
            return Refusal("failed", STEP_OVER)
        kept = None if self._journal is None else self._journal.call(step.iteration, call)
        if kept is not None and kept.is_long:
            await kept.hash_long()
        try:
            if kept is not None and kept.is_resumed:
                _refuse_again(kept)
            return Reply(await self._do(call, step, kept))
        except asyncio.CancelledError:
            if kept is not None:
                kept.refuse({"kind": "failed", "message": STEP_OVER, "why": STEP_OVER})
            raise
        except RefusedCallError as error:
            refusal, why = Refusal(error.kind, str(error)), error.why
        except BudgetError as error:
            refusal, why = Refusal("budget", str(error)), str(error)
        except RunError as error:
            self.fatal = error
            self._calls.close()
            return Refusal("failed", str(error))
        except Exception as error:  # a call that is not answered would hang the code for ever
            refusal = Refusal("failed", error_words(error))
            why = refusal.message
        if isinstance(call, LlmQuery | RlmQuery):
            step.sub_call_failed(call.batch, call.index, why)
        if kept is not None:
            kept.refuse({"kind": refusal.kind, "message": refusal.message, "why": why})
        return refusal

    def _do(self, call: Call, step: StepRecord, kept: CallJournal | None) -> Awaitable[Any]:
        match call:
            case Reserve():
                return self._reservations.reserve(call, step)
            case LlmQuery():
                return self._sub_calls.query(call, step, kept)
            case RlmQuery():
                return self._children.query(call, step, kept)
            case LlmMap():
                return self._maps.ask(call, step, kept)
            case MapLeft():
                return self._maps.set_left(call)
            case Retrieve():
                return self._retrieval.fetch(call, step, kept)
            case Cite():
                return self._citations.add(call, step)
            case CallTool():
                return self._tools.call(call, step, kept)


def _refuse_again(kept: CallJournal) -> None:
    """Raises what a call was refused with, and came to nothing else, when the run was first made."""
    refused = kept.refused
    if refused is not None:
        error = RefusedCallError(refused["kind"], refused["message"])
        error.why = refused["why"]
        raise error
