"""A LangChain model as the core's LanguageModel."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from langchain_core.language_models import BaseLanguageModel, LanguageModelLike
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import BasePromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSequence, ensure_config

from rlm_integrations.core.calls.missing_key import with_key_remedy
from rlm_integrations.core.calls.reply_fields import (
    calls_in,
    cost_of,
    count_of,
    finish_of,
    refusal_in,
    text_in,
    thoughts_in,
    thoughts_of,
)
from rlm_integrations.core.errors import InvalidArgumentError, MissingExtraError
from rlm_integrations.core.language_model import Completion, Message, ToolCaller, ToolRound, ToolSpec
from rlm_integrations.core.usage import Usage
from rlm_integrations.core.wording import error_words
from rlm_integrations.langchain.cache_hits import came_from_cache
from rlm_integrations.langchain.empty_replies import broke_off, empty_replies_named
from rlm_integrations.langchain.tool_calling import bind_tools, round_messages, with_calls

NO_STREAM_TAG = "nostream"
"""Keeps a model call's messages out of LangGraph's `stream_mode="messages"`: they are REPL code, not the answer."""


def resolve_model(value: object, name: str) -> LanguageModelLike:
    """The model behind an argument: a LangChain model, or one that `init_chat_model` makes from a str.

    Raises InvalidArgumentError for anything else and where no provider or OpenAI's key is known, MissingExtraError
    where a str needs the `langchain` package.
    """
    if isinstance(value, str):
        try:
            chat_models = importlib.import_module("langchain.chat_models")
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"{name}: {value!r} is looked up by init_chat_model of the langchain package, which is not installed; "
                "run: pip install langchain, or pass a model object such as ChatOpenAI(...)"
            ) from error
        try:
            return chat_models.init_chat_model(value)
        except Exception as error:
            said = f"{name}: {value!r} cannot be used: {error_words(error)}"
            if with_key_remedy(said) != said:
                raise InvalidArgumentError(with_key_remedy(said)) from error
            if not isinstance(error, ValueError):
                raise
            said = said.partition("\n")[0]  # below it stand all providers
            remedy = "name its provider, as 'openai:gpt-5', or pass a model object"
            raise InvalidArgumentError(f"{said}; {remedy}") from error
    if isinstance(value, RunnableSequence) and _has_no_place_for_messages(cast(Any, value).first):
        raise InvalidArgumentError(
            f"{name}: a chain that begins with a prompt of one text, into which the whole conversation would go as "
            "Python shows it; pass the model alone, and what the prompt says as instructions="
        )
    if isinstance(value, Runnable):
        return cast(LanguageModelLike, value)
    given = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    raise InvalidArgumentError(
        f"{name}: {given} is not a LangChain model; pass one, for instance ChatOpenAI(model=...), "
        "or a str for init_chat_model, for instance 'openai:gpt-5'"
    )


def _has_no_place_for_messages(first: object) -> bool:
    if not isinstance(first, BasePromptTemplate):
        return False
    parts: Sequence[object] = getattr(cast(object, first), "messages", ())
    return not any(isinstance(part, MessagesPlaceholder) for part in parts)


class LangChainModel:
    """Calls the user's own model, as a child of the LangChain run that is going on.

    The config comes from LangChain's context variable at the time of the call: within a step of the REPL
    that is the step's tool run, elsewhere the runnable's own.
    """

    reports_cost = False
    """Few servers do, and none is known to before it is asked."""

    def __init__(self, model: LanguageModelLike, role: Literal["root", "sub"]) -> None:
        self.served_by = model
        self._tags = (NO_STREAM_TAG, f"rlm:{role}")

    @property
    def name(self) -> str:
        return model_name(self.served_by)

    @property
    def max_input_tokens(self) -> int | None:
        """The smallest window among the models that may answer, where it is known."""
        return min(_windows(self.served_by), default=None)

    @property
    def sees_images(self) -> bool | None:
        """Whether the models that may answer take pictures, where their profiles say so of all."""
        said = set(_sees_images(self.served_by))
        return said.pop() if len(said) == 1 else None

    async def complete(self, messages: Sequence[Message]) -> Completion:
        with empty_replies_named():
            return self.completion(await self.served_by.ainvoke(to_langchain(messages), self.config()))

    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        with empty_replies_named():
            return self.completion(self.served_by.invoke(to_langchain(messages), self.config()))

    def with_tools(self, tools: Sequence[ToolSpec]) -> ToolCaller:
        """The model with the tools. Raises InvalidArgumentError where it cannot call any."""
        return LangChainToolCaller(self, bind_tools(self.served_by, tools))

    def completion(self, reply: object) -> Completion:
        """What the model replied."""
        completion = completion_of(reply)
        if isinstance(reply, AIMessage) and broke_off(reply, token_counter(self.served_by)):
            completion = replace(completion, finish="error")
        return replace(completion, cached=came_from_cache(reply, self.served_by))

    def config(self) -> RunnableConfig:
        """That of a call which is made now."""
        config = ensure_config()
        config["tags"] = [*config.get("tags", ()), *self._tags]
        return config


class LangChainToolCaller:
    """The user's model with tools bound to it."""

    def __init__(self, model: LangChainModel, bound: Runnable[Any, Any]) -> None:
        self._model = model
        self._bound = bound

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        sent = [*to_langchain(messages), *round_messages(rounds)]
        with empty_replies_named():
            return self._completion(await self._bound.ainvoke(sent, self._model.config()))

    def complete_sync(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        sent = [*to_langchain(messages), *round_messages(rounds)]
        with empty_replies_named():
            return self._completion(self._bound.invoke(sent, self._model.config()))

    def _completion(self, reply: object) -> Completion:
        return with_calls(self._model.completion(reply), reply)


def to_langchain(messages: Sequence[Message]) -> list[BaseMessage]:
    kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [kinds[message.role](content=_content(message)) for message in messages]


def _content(message: Message) -> str | list[str | dict[Any, Any]]:
    """The text; with pictures blocks, these first, as providers advise.

    OpenAI's form of blocks, which the packages of all providers take: not all take LangChain's own.
    """
    if not message.images:
        return message.content
    pictures: list[str | dict[Any, Any]] = [
        {"type": "image_url", "image_url": {"url": image.data_url}} for image in message.images
    ]
    return [*pictures, {"type": "text", "text": message.content}] if message.content else pictures


def completion_of(reply: object) -> Completion:
    """A model's reply: its text (no reasoning, no tool calls), usage, model name, thoughts and end.

    Raises InvalidArgumentError where it is neither a message nor a str.
    """
    if isinstance(reply, str):
        return Completion(reply)
    if not isinstance(reply, BaseMessage):
        raise InvalidArgumentError(
            f"llm: returned {type(reply).__name__} instead of a message; pass the model itself, not a chain that "
            "parses its output (for a typed answer: RLMRunnable(...).with_structured_output(...))"
        )
    metadata: dict[str, Any] = reply.response_metadata
    name = metadata.get("model_name") or metadata.get("model")
    usage = _usage(reply) if isinstance(reply, AIMessage) else Usage()
    extra = cast(Mapping[str, Any], reply.additional_kwargs)  # pyright: ignore[reportUnknownMemberType]
    content: object = reply.content
    refusal = str(extra.get("refusal") or refusal_in(content))
    return Completion(
        str(reply.text) or text_in(content) or refusal,
        usage,
        name if isinstance(name, str) else None,
        "refusal" if refusal else finish_of(metadata),
        thoughts_in(content) or thoughts_of(extra),
        tool_calls=calls_in(reply) or calls_in(extra),
    )


def model_name(model: object) -> str:
    """The name of the model inside .bind(), .with_retry() and .with_fallbacks(); its class where it has none."""
    inner = getattr(model, "runnable", None) or getattr(model, "bound", None)
    if isinstance(inner, Runnable):
        return model_name(cast(object, inner))
    names = (getattr(model, field, None) for field in ("model_name", "model", "model_id"))
    return next((name for name in names if isinstance(name, str) and name), type(model).__name__)


def token_counter(model: object) -> BaseLanguageModel[Any] | None:
    """The model inside .bind(), .with_retry() and .with_fallbacks(), which knows how its tokens are counted."""
    inner = getattr(model, "runnable", None) or getattr(model, "bound", None)
    if isinstance(inner, Runnable):
        return token_counter(cast(object, inner))
    return cast("BaseLanguageModel[Any]", model) if isinstance(model, BaseLanguageModel) else None


def _usage(reply: AIMessage) -> Usage:
    counts = reply.usage_metadata
    if counts is None or "input_tokens" not in counts:  # a cache hit's may say its cost alone
        return Usage()
    return Usage(
        input_tokens=count_of(counts["input_tokens"]),
        output_tokens=count_of(counts["output_tokens"]),
        cached_tokens=count_of(counts.get("input_token_details", {}).get("cache_read")),
        reasoning_tokens=count_of(counts.get("output_token_details", {}).get("reasoning")),
        cost_usd=cost_of(reply.response_metadata.get("token_usage")),
    )


def _windows(model: object) -> list[int]:
    """The windows of the models that may answer, as far as they are known."""
    windows = [profile.get("max_input_tokens") for profile in _profiles(model)]
    return [window for window in windows if isinstance(window, int)]


def _sees_images(model: object) -> list[bool | None]:
    """Of each model that may answer whether it takes pictures; None where its profile does not say."""
    said = [profile.get("image_inputs") for profile in _profiles(model)]
    return [sees if isinstance(sees, bool) else None for sees in said]


def _profiles(model: object) -> list[Mapping[str, Any]]:
    """Those of the models inside .bind(), .with_retry() and .with_fallbacks(); empty where a model has none."""
    fallbacks = getattr(model, "fallbacks", None)
    if isinstance(fallbacks, Sequence):
        chosen = [getattr(model, "runnable", None), *cast(Sequence[object], fallbacks)]
        return [profile for each in chosen for profile in _profiles(each)]
    bound = getattr(model, "bound", None)
    if isinstance(bound, Runnable):
        return _profiles(cast(object, bound))
    profile = getattr(model, "profile", None)
    return [cast("Mapping[str, Any]", profile) if isinstance(profile, Mapping) else {}]
