"""OpenAIModel: chat completions of the `openai` SDK as a LanguageModel."""

from __future__ import annotations

import importlib
import math
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import openai

from rlm_integrations.core.calls.call_time import seconds_given
from rlm_integrations.core.calls.prices import Prices
from rlm_integrations.core.calls.token_counts import with_estimates
from rlm_integrations.core.calls.tool_rounds import as_messages
from rlm_integrations.core.language_model import Completion, Message, ToolCaller, ToolRound, ToolSpec
from rlm_integrations.core.run.arguments import check_counts
from rlm_integrations.openai.arguments import check_name, check_number, check_truth, read_fields
from rlm_integrations.openai.credentials import api_key_for, base_url_for, header_value
from rlm_integrations.openai.loop_clients import LoopClients
from rlm_integrations.openai.reply import completion_of
from rlm_integrations.openai.request_time import bounded_async_client, bounded_client
from rlm_integrations.openai.streaming import Folded, Form, Tries
from rlm_integrations.openai.tool_calling import OpenAIToolCaller, round_messages

importlib.import_module("openai.resources.chat.completions")  # else the first call does, on the caller's event loop

_OPENAI_URL = "https://api.openai.com/v1"
"""Said outright: without it the SDK takes an OPENAI_BASE_URL that is empty for a URL."""
_SDK_TIMEOUT_S, _SDK_CONNECT_S = 600.0, 5.0
_A_MOMENT_S = 1.0


class OpenAIModel:
    """A model behind OpenAI's chat completions API, or any server that speaks it.

        OpenAIModel("gpt-5")
        OpenAIModel("qwen3", base_url="http://localhost:8000/v1", max_input_tokens=32_000)

    One object may be used from any number of threads and event loops: it keeps an async client for each
    loop, closed with the loop, and one for sync calls. The SDK's own errors pass through unchanged. A server that
    replies in a stream alone is asked for one, and its chunks are put together.

    Args:
        model: the name that the server knows the model by.
        base_url: where the server is; without it OPENAI_BASE_URL, or else OpenAI's own.
        api_key: without it OPENAI_API_KEY. A server on this machine or network needs none.
        max_retries: how often the SDK repeats a call after 408, 409, 429, 5xx or a lost connection.
        timeout_s: seconds for one request and its whole reply; without it the SDK's own (600), or what a run's
            `call_timeout_s` gives it beyond that.
        temperature: sent when given.
        extra_body: further fields of the request, for instance `{"reasoning_effort": "low"}`.
        extra_headers: further headers of each request.
        input_price, output_price: US dollars per million tokens. With both, usage has a cost, which
            `max_cost_usd` needs; without, it has one where the server reports it, as OpenRouter does.
        cached_input_price: the same for input that the provider had cached; without it, input_price.
        max_input_tokens: the model's window. Prompts of sub-calls and output shown are kept within it.
        sees_images: whether it takes pictures. With False sub-calls with pictures are refused; without it they are
            sent, and what the server says of them is the sub-call's error.

    Raises:
        InvalidArgumentError: an argument is wrong: no key is known, only one of the two prices is given, or key, URL or
            headers hold what no request can (white space around them is dropped), for instance.
        RLMError: from a call, when the server's reply is no chat completion.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        max_retries: int = 2,
        timeout_s: float | None = None,
        temperature: float | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        input_price: float | None = None,
        output_price: float | None = None,
        cached_input_price: float | None = None,
        max_input_tokens: int | None = None,
        sees_images: bool | None = None,
    ) -> None:
        check_name(model)
        check_counts(at_least=0, max_retries=max_retries)
        if max_input_tokens is not None:
            check_counts(max_input_tokens=max_input_tokens)
        if timeout_s is not None:
            check_number(timeout_s, "timeout_s", 0, "seconds above 0")
        if temperature is not None:
            check_number(temperature, "temperature", -math.inf, "a number")
        check_truth(sees_images, "sees_images")
        self.model = model
        self.base_url = base_url_for(base_url)
        self.max_input_tokens = max_input_tokens
        self.sees_images = sees_images
        self._prices = Prices.of(input_price, output_price, cached_input_price)
        self._extra_body = read_fields(extra_body, "extra_body")
        if temperature is not None:
            self._extra_body.setdefault("temperature", temperature)
        self._client: dict[str, Any] = {
            "api_key": api_key_for(self.base_url, api_key),
            "base_url": self.base_url or _OPENAI_URL,
            "max_retries": max_retries,
            "timeout": openai.Timeout(_SDK_TIMEOUT_S, connect=_SDK_CONNECT_S) if timeout_s is None else timeout_s,
            "default_headers": {
                name: header_value(value, f"extra_headers[{name!r}]")
                for name, value in read_fields(extra_headers, "extra_headers").items()
            },
        }
        self._has_own_time = timeout_s is not None
        self._form = Form.STREAM if self._extra_body.get("stream") else Form.WHOLE
        self._async_clients = LoopClients(
            lambda: openai.AsyncOpenAI(**self._client, http_client=bounded_async_client())
        )
        self._sync_client: openai.OpenAI | None = None
        self._lock = threading.Lock()

    @property
    def prices(self) -> Prices | None:
        """What its tokens cost, where that was said."""
        return self._prices

    @property
    def reports_cost(self) -> bool:
        """Whether its usage is sure to have a cost."""
        return self._prices is not None

    def __repr__(self) -> str:
        return f"OpenAIModel({self.model!r}, base_url={self.base_url!r})"

    async def complete(self, messages: Sequence[Message]) -> Completion:
        return await self._ask(messages)

    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        return self._ask_sync(messages)

    def with_tools(self, tools: Sequence[ToolSpec]) -> ToolCaller:
        """The same model with these tools, which it calls by the API's own way. Whether it can, the server knows."""
        return OpenAIToolCaller(tools, self._ask, self._ask_sync)

    async def _ask(
        self, messages: Sequence[Message], rounds: Sequence[ToolRound] = (), tools: Sequence[dict[str, Any]] = ()
    ) -> Completion:
        client = await self._async_clients.of_this_loop()
        create: Any = client.chat.completions.create
        tries = Tries(self._form)
        while tries.goes_on:
            with tries:
                response: Any = await create(**self._request(messages, tries.form, rounds, tools))
                tries.reply = response
                if tries.form is not Form.WHOLE:
                    folded = Folded()
                    async with response:
                        async for chunk in response:
                            folded.add(chunk)
                    tries.reply = folded.completion()
        return self._received(tries, client, as_messages(messages, rounds))

    def _ask_sync(
        self, messages: Sequence[Message], rounds: Sequence[ToolRound] = (), tools: Sequence[dict[str, Any]] = ()
    ) -> Completion:
        with self._lock:
            if self._sync_client is None:
                self._sync_client = openai.OpenAI(**self._client, http_client=bounded_client())
                # Not left to the garbage collector, which may find its sockets first and say that they are unclosed.
                weakref.finalize(self, self._sync_client.close).atexit = False  # a fork would close its parent's
            client = self._sync_client
        create: Any = client.chat.completions.create
        tries = Tries(self._form)
        while tries.goes_on:
            with tries:
                response: Any = create(**self._request(messages, tries.form, rounds, tools))
                tries.reply = response
                if tries.form is not Form.WHOLE:
                    folded = Folded()
                    with response:
                        for chunk in response:
                            folded.add(chunk)
                    tries.reply = folded.completion()
        return self._received(tries, client, as_messages(messages, rounds))

    def _request(
        self, messages: Sequence[Message], form: Form, rounds: Sequence[ToolRound], tools: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        said = [{"role": message.role, "content": _content(message)} for message in messages]
        offered = {"tools": tools} if tools else {}
        sent = [*said, *round_messages(rounds)]
        more = {**offered, **self._more_time(), **form.arguments}
        return {"model": self.model, "messages": sent, "extra_body": self._extra_body, **more}

    def _more_time(self) -> dict[str, openai.Timeout]:
        """What the run gives the call beyond the SDK's own time, and a moment more: the run is to end it."""
        seconds = seconds_given()
        if self._has_own_time or seconds is None or seconds <= _SDK_TIMEOUT_S:
            return {}
        return {"timeout": openai.Timeout(seconds + _A_MOMENT_S, connect=_SDK_CONNECT_S)}

    def _received(
        self, tries: Tries, client: openai.OpenAI | openai.AsyncOpenAI, messages: Sequence[Message]
    ) -> Completion:
        """The reply. From now on it is asked for at once in the form that it came in."""
        completion = completion_of(tries.reply, str(client.base_url))
        self._form = tries.form
        if self._prices is None:
            return completion
        cost = self._prices.cost_usd(with_estimates(completion, messages))
        return replace(completion, usage=completion.usage.model_copy(update={"cost_usd": cost}))


def _content(message: Message) -> str | list[dict[str, Any]]:
    """The text; with pictures, the parts of the API: they stand before it, as providers advise."""
    if not message.images:
        return message.content
    pictures = [{"type": "image_url", "image_url": {"url": image.data_url}} for image in message.images]
    return [*pictures, {"type": "text", "text": message.content}] if message.content else pictures
