"""Calls a model on the run's path, sync or async, and answers for what goes out and what comes back."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rlm_integrations.core.calls.call_time import giving
from rlm_integrations.core.calls.conversation import continued, conversation
from rlm_integrations.core.calls.estimates import Estimates
from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.calls.prices import Pricing, unknown_cost
from rlm_integrations.core.calls.system_role import (
    has_refused,
    refuses_system_messages,
    remember_refusal,
    without_system,
)
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Completion, LanguageModel, Message, ToolCaller, ToolRound
from rlm_integrations.core.messages import Messages
from rlm_integrations.core.surrogates import without_lone_surrogates


class ModelPath:
    """On the sync path a model's `complete_sync` runs in a thread of the run; else `complete` on the loop.

    What is sent has the form that `conversation` gives. A model that refuses the system message is asked again with its
    text at the head of the user's first message, and so from then on.
    """

    def __init__(
        self,
        model: LanguageModel,
        argument: str,
        threads: RunThreads | None,
        prices: Pricing | None = None,
        with_tools: ToolCaller | None = None,
    ) -> None:
        """`with_tools` is the same model with tools offered to it."""
        self.prices = prices
        """What its tokens cost, where the user says so."""
        self.name = _name_of(model)
        """What the model is called before it has replied; None where it does not say."""
        self.estimates = Estimates(prices or getattr(model, "prices", None), self.name)
        """What its calls will cost, about."""
        self._model = model
        self._argument = argument
        self._threads = threads
        self._with_tools = with_tools
        self._served_by: object = getattr(model, "served_by", model)
        self._takes_system = True
        self._last = Messages()
        """The last conversation that may go on."""
        self._form: tuple[Message, ...] = ()
        """The same in the form in which it was sent."""

    def unpriced(self, completion: Completion) -> str | None:
        """That what this reply cost is unknown, and why, where the user said how to know it."""
        if self.prices is None or completion.cached or completion.usage.cost_usd is not None:
            return None
        return f"{unknown_cost(self.prices, completion.model)}: what a run cost is without them"

    def call(self, messages: Sequence[Message], seconds: float) -> Awaitable[Completion]:
        """The model's reply.

        Raises TimeoutError, TypeError for something that is no reply, and what the model raises.
        """
        return self._within(seconds, self._asked(self._model, self._sendable(messages)))

    def call_with_tools(
        self, messages: Sequence[Message], rounds: Sequence[ToolRound], seconds: float
    ) -> Awaitable[Completion]:
        """The reply after these rounds of calls of tools, which may call some again. Raises as `call` does."""
        assert self._with_tools is not None, "tools are offered to a model that was given none"
        sent = self._sendable(messages)
        return self._within(seconds, self._asked(self._with_tools, sent, tuple(rounds)))

    async def _within(self, seconds: float, reply: Awaitable[Any]) -> Completion:
        deadline = asyncio.timeout(seconds if seconds != float("inf") else None)
        try:
            async with deadline:
                with giving(seconds):
                    completion = await reply
        except TimeoutError as error:
            if deadline.expired():
                raise TimeoutError(f"no reply within {seconds:.3g} s") from error
            raise
        finally:
            del deadline  # it holds the task, which may come to hold what is raised, whose traceback holds this frame
        if not isinstance(completion, Completion):
            got = type(completion).__name__
            raise TypeError(
                f"{self._argument}: complete() returned {got}; it must return a Completion(text, usage, model)"
            )
        if not isinstance(completion.text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            return Completion("", completion.usage, completion.model)
        return completion

    async def _asked(self, model: LanguageModel | ToolCaller, messages: tuple[Message, ...], *rounds: object) -> Any:
        takes_system = self._takes_system and not has_refused(self._served_by)
        try:
            return await self._complete(model, messages if takes_system else without_system(messages), *rounds)
        except Exception as error:
            if not takes_system or messages[0].role != "system" or not refuses_system_messages(error):
                raise
        self._takes_system = False
        remember_refusal(self._served_by)
        return await self._complete(model, without_system(messages), *rounds)

    def _complete(self, model: Any, *asked: object) -> Awaitable[Any]:
        if self._threads is not None:
            complete_sync: Callable[..., Completion] | None = getattr(model, "complete_sync", None)
            if complete_sync is not None:
                return self._threads.run(complete_sync, *asked)
        reply = model.complete(*asked)
        if not inspect.isawaitable(reply):
            raise TypeError(
                f"{self._argument}: complete() returned {type(reply).__name__}, which cannot be awaited; it must be "
                "`async def complete(...)`, and what is not async is `complete_sync`"
            )
        return contained(reply)

    def _sendable(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """In the form that all servers take, without lone surrogates.

        What a conversation went on from is not looked through again.
        """
        if type(messages) is not Messages:
            return conversation(_encodable(messages))
        form = None
        if messages.goes_on_from(self._last):
            form = continued(self._form, _encodable(messages[len(self._last) :]))
        self._last, self._form = messages, conversation(_encodable(messages)) if form is None else form
        return self._form


def _encodable(messages: Sequence[Message]) -> list[Message]:
    return [
        message
        if (text := without_lone_surrogates(message.content)) is message.content
        else Message(message.role, text, images=message.images)
        for message in messages
    ]


def _name_of(model: object) -> str | None:
    for field in ("name", "model"):
        name = getattr(model, field, None)
        if isinstance(name, str) and name:
            return name
    return None


def check_model(model: object, argument: str) -> None:
    """Raises InvalidArgumentError where the argument is not a LanguageModel."""
    if model is None:
        raise InvalidArgumentError(f"{argument}: no model given; pass one, for instance OpenAIModel('gpt-5')")
    complete = getattr(model, "complete", None)
    of_llama_index = callable(getattr(model, "acomplete", None)) and not inspect.iscoroutinefunction(complete)
    if not callable(complete) or isinstance(model, type) or of_llama_index:
        raise InvalidArgumentError(
            f"{argument}: {model!r:.80} is not a LanguageModel (no async complete(messages)); pass OpenAIModel(...), "
            "or use RLMRunnable for LangChain models and RLMQueryEngine for LlamaIndex LLMs"
        )
