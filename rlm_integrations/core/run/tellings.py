"""Tells of what a node decided: of a call that failed for good, of a fold, and of what the root LM is shown next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rlm_integrations.core.loop.actions import Action, CallRootLM, FoldConversation, RunCode
from rlm_integrations.core.loop.state import Decision, State
from rlm_integrations.core.trace.events import Event, Folded, IterationEnded, PromptShortened, RootFailed


class Tellings:
    """Those of one node, in the order of its decisions."""

    def __init__(self, emit: Callable[[Event], Awaitable[None]]) -> None:
        self._emit = emit
        self._refusal: RootFailed | None = None
        """How the root LM refused a conversation as too long, while it may be asked the same in fewer characters."""
        self._shown = 0
        """The last iteration of which it was told what the root LM is shown."""

    def replied(self) -> None:
        """The root LM has answered: nothing that it refused before is told as a failure."""
        self._refusal = None

    async def decided(self, before: State, decision: Decision, failure: RootFailed | None) -> None:
        """`before` is the state that was decided from, and `failure` that of the call, where one is what happened."""
        state, action = decision
        self._refusal = failure or self._refusal
        if before.folding is not None and state.folds > before.folds:
            await self._emit(Folded(before.folding.iteration, state.folded, state.chars))
        if self._refusal is not None or not isinstance(action, RunCode):
            await self._next(action, state)

    async def _next(self, action: Action, state: State) -> None:
        match action:
            case FoldConversation(amid=True) | CallRootLM(folded=True):
                return  # its call goes on
            case CallRootLM(shortened=True):
                assert self._refusal is not None
                await self._emit(PromptShortened(action.iteration, self._refusal.error, state.chars))
                return
            case _:
                refusal, self._refusal = self._refusal, None
        if refusal is not None:
            await self._emit(refusal)
        if isinstance(action, (CallRootLM, FoldConversation)):
            ended = action.iteration - isinstance(action, CallRootLM)
            if ended > self._shown:
                self._shown = ended
                await self._emit(IterationEnded(ended, state.messages[-1].content))
