"""Asks a root LM for a summary of its older iterations, and tells of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rlm_integrations.core.calls.failure_words import failure_words
from rlm_integrations.core.calls.kept_request import KeptRequest
from rlm_integrations.core.calls.model_calls import TooLongReplyError
from rlm_integrations.core.calls.overflow import is_overflow
from rlm_integrations.core.calls.token_counts import prompt_chars
from rlm_integrations.core.language_model import CodeProtocol, Completion
from rlm_integrations.core.loop.actions import FoldConversation
from rlm_integrations.core.loop.happenings import BudgetView, Replied, RootCallFailed
from rlm_integrations.core.run.as_replied import as_replied
from rlm_integrations.core.run.children import AskRootLM
from rlm_integrations.core.trace.call_records import Fold, ModelCall
from rlm_integrations.core.trace.ends_run import EndsRun, let_through
from rlm_integrations.core.trace.events import Event, FoldEnded, FoldStarted
from rlm_integrations.core.trace.run_errors import JournalError


class Folds:
    """Those of one node. `clock` gives the run's seconds, `view` what is left of its budget, and `model` is what the
    root LM is called."""

    def __init__(
        self,
        ask: AskRootLM,
        emit: Callable[[Event], Awaitable[None]],
        clock: Callable[[], float],
        view: Callable[[], BudgetView],
        ends_run: EndsRun | None,
        model: str | None,
    ) -> None:
        self._model = model
        self._ask, self._emit, self._clock, self._view, self._ends_run = ask, emit, clock, view, ends_run

    async def ask(
        self, action: FoldConversation, protocol: CodeProtocol, kept: KeptRequest | None = None
    ) -> Replied | RootCallFailed:
        """What came of it. A failure ends nothing: the run can go on without. Raises what `ends_run` lets through."""
        iteration = action.iteration
        call = ModelCall(prompt_chars=prompt_chars(action.messages), model=self._model, start=self._clock())
        fold = Fold(call=call, up_to=action.up_to)
        await self._emit(FoldStarted(iteration, action.up_to, call.prompt_chars, self._model))
        try:
            completion = await self._ask(action.messages, kept)
        except JournalError as error:
            if error.unkept is not None:
                _take(error.unkept, fold)
            await self._emit(FoldEnded(iteration, fold))
            raise
        except Exception as error:
            let_through(error, self._ends_run)
            if isinstance(error, TooLongReplyError):
                _take(error.reply, fold)
            call.error, call.seconds = failure_words(error), self._clock() - call.start
            await self._emit(FoldEnded(iteration, fold))
            return RootCallFailed(call.error, self._view(), is_overflow(error))
        _take(completion, fold)
        call.seconds = self._clock() - call.start
        await self._emit(FoldEnded(iteration, fold))
        return as_replied(completion, protocol, self._view())


def _take(completion: Completion, fold: Fold) -> None:
    fold.call.note(
        model=completion.model or fold.call.model,
        usage=completion.usage,
        thoughts=completion.thoughts,
        finish=completion.finish,
        cached=completion.cached,
        replayed=completion.replayed,
    )
    fold.reply = completion.text
