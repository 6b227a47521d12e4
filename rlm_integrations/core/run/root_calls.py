"""Asks the root LM of one node, and tells of what came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from rlm_integrations.core.calls.failure_words import failure_words
from rlm_integrations.core.calls.missing_key import with_key_remedy
from rlm_integrations.core.calls.model_calls import TooLongReplyError
from rlm_integrations.core.calls.overflow import is_overflow
from rlm_integrations.core.calls.threads import off_loop
from rlm_integrations.core.calls.token_counts import USAGE_ESTIMATED, WINDOW_ADVICE, counts_too_few, silently_cut
from rlm_integrations.core.language_model import CodeProtocol, Completion
from rlm_integrations.core.loop.actions import CallRootLM
from rlm_integrations.core.loop.happenings import Replied, RootCallFailed
from rlm_integrations.core.run.as_replied import as_replied, called_by
from rlm_integrations.core.run.children import AskRootLM
from rlm_integrations.core.run.shared import Shared
from rlm_integrations.core.trace.ends_run import let_through
from rlm_integrations.core.trace.events import Event, IterationStarted, RootFailed, RootReplied, Warned
from rlm_integrations.core.trace.run_errors import JournalError

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import RootRequest


class RootOutcome(NamedTuple):
    """What came of a call of the root LM. Whether it failed is told once it is clear that it is not asked again."""

    happening: Replied | RootCallFailed
    failed: RootFailed | None = None


class RootCalls:
    """Those of one node."""

    def __init__(
        self,
        shared: Shared,
        emit: Callable[[Event], Awaitable[None]],
        ask: AskRootLM,
        protocol: CodeProtocol,
    ) -> None:
        self._shared, self._emit, self._ask = shared, emit, ask
        self._protocol: CodeProtocol = protocol
        self._cause: Exception | None = None
        self._warned = False
        """Whether the user was told that tokens are estimated."""

    def take_cause(self) -> Exception | None:
        """What the root LM raised last, where nothing came after it. Not kept, for its traceback holds this object."""
        cause, self._cause = self._cause, None
        return cause

    async def ask(self, action: CallRootLM, chars: int, kept: RootRequest | None) -> RootOutcome:
        """Its reply, or how it failed. `chars` are those of all messages.

        Raises what `ends_run` lets through, and JournalError.
        """
        iteration = action.iteration
        if not action.shortened and not action.folded:
            limit = self._shared.plan.limits.max_iterations
            await self._emit(IterationStarted(iteration, limit, chars, action.last_call, self._shared.root.name))
        self._shared.calls.last_call |= action.last_call
        try:
            completion = await self._ask(action.messages, kept)
        except JournalError as error:
            if error.unkept is not None:
                await self._emit(RootReplied(iteration, error.unkept.text, error.unkept.usage, error.unkept.model))
            raise
        except Exception as error:
            let_through(error, self._shared.plan.ends_run)
            if isinstance(error, TooLongReplyError):
                await self._tell(iteration, error.reply, None)
            self._cause, words = error, with_key_remedy(failure_words(error))
            where = "the last call failed" if action.last_call else f"the root LM failed in iteration {iteration}"
            problem = f"{where}: {words}"
            came = RootCallFailed(problem, self._shared.budget_view(), is_overflow(error))
            return RootOutcome(came, RootFailed(iteration, words))
        self._cause = None
        await self._tell(iteration, completion, called_by(completion, self._protocol))
        cut = None
        if counts_too_few(completion, chars):
            cut = await off_loop(chars, silently_cut, action.messages, chars, completion)
        if cut is not None:
            await self._emit(Warned("prompt_cut", f"llm: in iteration {iteration} {cut}; {WINDOW_ADVICE}"))
        counted = not completion.cached and not completion.usage.estimated_tokens
        replied = as_replied(completion, self._protocol, self._shared.budget_view())
        return RootOutcome(
            replied._replace(
                prompt_tokens=completion.usage.input_tokens if counted else 0,
                prompt_chars=chars,
                prompt_cut=cut is not None,
            )
        )

    async def _tell(self, iteration: int, completion: Completion, called: Completion | None) -> None:
        await self._emit(
            RootReplied(
                iteration,
                completion.text,
                completion.usage,
                completion.model,
                completion.thoughts,
                completion.finish,
                completion.cached,
                () if called is None else called.tool_calls,
                completion.replayed,
            )
        )
        if completion.usage.estimated_tokens and not self._warned:
            self._warned = True
            await self._emit(Warned("usage_estimated", USAGE_ESTIMATED))
        if (unknown := self._shared.root.unpriced(completion)) is not None:
            await self._emit(Warned("cost_unknown", unknown))
