"""The gate: every model call of a run goes through here, root calls and sub-calls alike, and so do calls of tools.

It gives a call its slot and its time, sends it, and spends what it cost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from rlm_integrations.core.calls.budget import Budget, BudgetError
from rlm_integrations.core.calls.kept_request import KeptRequest
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.prices import unknown_cost
from rlm_integrations.core.calls.reply_fields import as_text, without_calls
from rlm_integrations.core.calls.slots import Slot, Slots, Waiting
from rlm_integrations.core.calls.thoughts import split_thoughts
from rlm_integrations.core.calls.threads import off_loop
from rlm_integrations.core.calls.token_counts import with_estimates
from rlm_integrations.core.calls.tool_rounds import as_messages, as_rounds
from rlm_integrations.core.language_model import Completion, Message, ToolRound
from rlm_integrations.core.usage import Usage

MAX_REPLY_CHARS = 10_000_000
"""Of one reply of a model, its text, its thoughts and its calls of tools together: some millions of tokens, which no
model writes at once.
"""
_MAX_CALLS = 1_000
"""Of tools in one reply."""


class TooLongReplyError(ValueError):
    """There is more of a reply than is taken. It was paid for: `reply` is what came, without its text."""

    def __init__(self, why: str, completion: Completion, usage: Usage) -> None:
        super().__init__(why)
        self.reply = Completion("", usage, completion.model, cached=completion.cached)


class ModelCalls:
    """The calls of one run's whole tree, on the run's event loop."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.last_call = False
        """Whether the run is in its last call, for which time was kept back."""
        self._slots = Slots(budget.limits.max_concurrency)
        self._closed = False

    def close(self) -> None:
        """The run is ending: code may go on for a moment, but nothing more is sent for it."""
        self._closed = True

    def slot(self, waiting: Waiting) -> Slot:
        """Hold one of `max_concurrency` slots for what the code calls: a sub-call, a tool or `retrieve`.

        A root LM takes none: it is one call at a time, and calls that an earlier step left open must not hold it up.
        Entering it raises BudgetError where the run is ending, and where the step is over: it may have ended before the
        call came to wait here, while the user was told of it.
        """
        return Slot(self._slots, waiting, self._check_open)

    def _check_open(self) -> None:
        if self._closed:
            raise BudgetError("the run is ending; nothing was sent")

    def seconds(self) -> float:
        """How long a call that begins now may take."""
        return self.budget.call_seconds(last_call=self.last_call)

    async def root_call(
        self,
        model: ModelPath,
        messages: Sequence[Message],
        kept: KeptRequest | None = None,
        *,
        with_tool: bool = False,
        directly: bool = False,
    ) -> Completion:
        """The root LM's reply, which is never refused: a run asks only while it may, and then for the last time.

        `with_tool`: whether its tool is offered to it. Else what it calls is taken as text, which may ask for code to
        be run; `directly`: unless it is to answer without code. Raises what `ModelPath.call` raises.
        """
        if with_tool:
            return await self._send(model, *as_rounds(messages), kept)
        completion = await self._send(model, messages, None, kept)
        return without_calls(completion) if directly else as_text(completion)

    async def sub_call(
        self,
        model: ModelPath,
        messages: Sequence[Message],
        waiting: Waiting,
        started: Callable[[], Awaitable[None]],
        rounds: Sequence[ToolRound] | None = None,
        kept: KeptRequest | None = None,
    ) -> Completion:
        """The sub-LM's reply to a call that was reserved. `started` is awaited when it is about to be sent.

        With `rounds` of calls of tools so far, which may be none, it may call tools. `kept` is what a journal
        has of it.

        Raises BudgetError, with nothing sent, where calls before it met a limit or its step is over; and what
        `ModelPath.call` raises.
        """
        async with self.slot(waiting):
            self.budget.check()
            await started()
            return await self._send(model, messages, rounds, kept)

    def _send(
        self,
        model: ModelPath,
        messages: Sequence[Message],
        rounds: Sequence[ToolRound] | None,
        kept: KeptRequest | None,
    ) -> Awaitable[Completion]:
        if kept is None:
            return self._reply(model, messages, rounds)
        return self._kept_reply(model, messages, rounds, kept)

    async def _kept_reply(
        self, model: ModelPath, messages: Sequence[Message], rounds: Sequence[ToolRound] | None, kept: KeptRequest
    ) -> Completion:
        """The reply that the journal has, or else one that is sent for, and kept before it is used."""
        before = await kept.reply(messages if rounds is None else None)
        if before is not None:
            if not before.cached:
                self.budget.spend(before.usage)
            return before
        try:
            completion = await self._reply(model, messages, rounds)
        except Exception as error:
            kept.failed(error)
            raise
        await kept.keep(completion)
        return completion

    async def _reply(
        self, model: ModelPath, messages: Sequence[Message], rounds: Sequence[ToolRound] | None
    ) -> Completion:
        if rounds is None:
            completion = await model.call(messages, self.seconds())
        else:
            completion = await model.call_with_tools(messages, rounds, self.seconds())
            messages = as_messages(messages, rounds)
        usage = Usage() if completion.cached else with_estimates(completion, messages)
        if model.prices is not None and not completion.cached:
            cost = model.prices.cost_usd(usage, completion.model)
            if cost is not None:  # else what the server says, if anything
                usage = usage.model_copy(update={"cost_usd": cost})
        if not completion.cached:
            unknown = None if model.prices is None else unknown_cost(model.prices, completion.model)
            self.budget.spend(usage, unknown)
            model.estimates.see(usage, completion.model)
        _check_size(completion, usage)
        text, thoughts = await off_loop(len(completion.text), split_thoughts, completion.text)
        if usage is completion.usage and text == completion.text:
            return completion
        thoughts = "\n\n".join(filter(None, (completion.thoughts, thoughts)))
        if type(completion) is not Completion:  # a model's own class, which may hold more
            return replace(completion, text=text, usage=usage, thoughts=thoughts)
        return Completion(  # not by `replace`, which takes over twice as long: of some models each reply comes here
            text,
            usage,
            completion.model,
            completion.finish,
            thoughts,
            completion.cached,
            completion.tool_calls,
            completion.native,
            completion.replayed,
        )


def _check_size(reply: Completion, usage: Usage) -> None:
    """Raises TooLongReplyError where there is more of it than a model writes."""
    calls, chars, why = reply.tool_calls, len(reply.text) + len(reply.thoughts), None
    if calls:
        chars += sum([len(call.name) + len(call.arguments) + len(call.id) for call in calls])
    if chars > MAX_REPLY_CHARS:
        why = f"the reply has {chars:,} characters, and at most {MAX_REPLY_CHARS:,} are taken"
    elif len(calls) > _MAX_CALLS:
        why = f"the reply calls {len(calls):,} tools, and at most {_MAX_CALLS:,} are taken"
    if why is not None:
        raise TooLongReplyError(why, reply, usage)
