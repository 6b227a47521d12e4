"""ScriptedModel: a language model whose replies are written down beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from rlm_integrations.core.calls.tool_rounds import as_messages
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Completion, Message, ToolCall, ToolRound, ToolSpec
from rlm_integrations.core.prompts.texts import PYTHON_TOOL
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing.exhaustible import Exhaustible
from rlm_integrations.testing.own_lock import OwnLock


class PythonCalls:
    """A reply of a root LM that hands over code by calling its tool (`protocol="tool"`), once for each of `codes`.

        ScriptedModel([PythonCalls("answer['content'] = len(context)", "answer['ready'] = True")])

    `text` is what it writes beside them.
    """

    def __init__(self, *codes: str, text: str = "") -> None:
        self.codes = codes
        self.text = text

    def completion(self, usage: Usage, model: str) -> Completion:
        calls = [
            ToolCall(PYTHON_TOOL.name, json.dumps({"code": code}), f"call_{n}") for n, code in enumerate(self.codes, 1)
        ]
        return Completion(self.text, usage, model, tool_calls=tuple(calls))


ReplyFunction = Callable[[Sequence[Message]], str | Completion | PythonCalls]
Reply = str | Completion | PythonCalls | Exception | ReplyFunction
"""A reply's text, calls of the root LM's tool, a whole completion, an exception to raise, or a function of the
request."""

_SHOWN_CHARS = 600


class ScriptExhausted(AssertionError):  # noqa: N818 - an assertion of the test, named for what happened
    """A scripted or replayed model was asked something that it holds no reply for, or not asked all that it holds."""


class ScriptedModel(Exhaustible):
    """A LanguageModel for tests: gives its replies in order, and remembers what it was asked.

        with ScriptedModel(["```repl\\nanswer['content'] = len(context)\\nanswer['ready'] = True\\n```"]) as llm:
            assert RLMEngine(llm).run("How long?", "some text").answer == "9"

    A request after the last reply raises ScriptExhausted. Replies that are left over raise it from
    `assert_exhausted`, which leaving the `with` block calls. Sub-calls run side by side, so the order
    they arrive in is not fixed: give a model for them as one function, `ScriptedModel(always=function)`.

    One object may be used from many threads and event loops.

    Args:
        replies: Texts, Completions, PythonCalls, exceptions to raise, or functions of the request that return one of
            the first three.
        always: The function that gives every reply. Not with `replies`.
        model: What its completions name as their model.
        usage: Reported for each reply that is not a Completion; without it, a token for every four characters.
        max_input_tokens: Its window, as of LanguageModel; nothing longer is refused.
        sees_images: Whether it takes pictures, as of LanguageModel.

    Raises:
        InvalidArgumentError: A reply is none, or `always` is given with `replies`.
    """

    def __init__(
        self,
        replies: Iterable[Reply] = (),
        *,
        always: ReplyFunction | None = None,
        model: str = "scripted",
        usage: Usage | None = None,
        max_input_tokens: int | None = None,
        sees_images: bool | None = None,
    ) -> None:
        self._replies = _checked(replies)
        if always is not None and self._replies:
            raise InvalidArgumentError("always: given with replies; pass either a list of replies or one function")
        self._always = always
        self._usage = usage
        self._own = OwnLock()
        self._unanswered: list[Message | None] = []
        self.model = model
        self.max_input_tokens = max_input_tokens
        self.sees_images = sees_images
        self.requests: list[tuple[Message, ...]] = []
        """Every request so far, in the order of arrival. Calls of tools and their results stand in it as messages."""
        self.offered: list[tuple[ToolSpec, ...]] = []
        """The tools that each request offered."""

    async def complete(self, messages: Sequence[Message]) -> Completion:
        return self.complete_sync(messages)

    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        return self.reply(messages)

    def with_tools(self, tools: Sequence[ToolSpec]) -> ScriptedToolCaller:
        """The model with tools, which a reply calls that is a Completion with `tool_calls`."""
        return ScriptedToolCaller(self, tools)

    def reply(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> Completion:
        """The next reply, to a request that offers these tools."""
        reply = self._next(tuple(messages), tuple(tools))
        if isinstance(reply, Exception):
            raise reply
        said = reply(messages) if callable(reply) else reply
        if isinstance(said, Completion):
            return said
        if isinstance(said, PythonCalls):
            usage = self._usage or estimated_usage(messages, "".join((said.text, *said.codes)))
            return said.completion(usage, self.model)
        return Completion(said, self._usage or estimated_usage(messages, said), self.model)

    def _next(self, request: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Reply:
        with self._own.lock:
            self.requests.append(request)
            self.offered.append(tools)
            if self._always is not None:
                return self._always
            place = len(self.requests) - 1
            if place < len(self._replies):
                return self._replies[place]
            self._unanswered.append(request[-1] if request else None)
        raise ScriptExhausted(
            f"request {place + 1} has no reply: the script holds {len(self._replies)}. "
            f"The last message of the request was:\n{shown(request)}"
        )

    def assert_exhausted(self) -> None:
        """Raise ScriptExhausted if a reply was not used, or if a request found none, its error caught or not."""
        with self._own.lock:
            left, unanswered = self._replies[len(self.requests) :], len(self._unanswered)
        if unanswered:
            raise ScriptExhausted(
                f"{unanswered} of {len(self.requests)} requests came after the last reply; "
                f"the first of them ended with:\n{shown([m for m in self._unanswered[:1] if m])}"
            )
        if left:
            raise ScriptExhausted(
                f"{len(left)} of {len(self._replies)} replies were not used; the first of them:\n"
                f"{str(left[0])[:_SHOWN_CHARS]}"
            )


class ScriptedToolCaller:
    """A ScriptedModel to which tools are offered: a ToolCaller."""

    def __init__(self, model: ScriptedModel, tools: Sequence[ToolSpec]) -> None:
        self._model = model
        self._tools = tools

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        return self.complete_sync(messages, rounds)

    def complete_sync(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        return self._model.reply(as_messages(messages, rounds), self._tools)


def estimated_usage(messages: Sequence[Message], reply: str) -> Usage:
    """A token for every four characters, rounded up."""
    asked = sum(len(message.content) for message in messages)
    return Usage(input_tokens=-(-asked // 4), output_tokens=-(-len(reply) // 4))


def shown(messages: Sequence[Message]) -> str:
    """The last message of a request, for an error: head and tail where it is long."""
    if not messages:
        return "(no message)"
    last = messages[-1]
    text = last.content
    if len(text) > 2 * _SHOWN_CHARS:
        text = f"{text[:_SHOWN_CHARS]}\n[… {len(text) - 2 * _SHOWN_CHARS:,} characters …]\n{text[-_SHOWN_CHARS:]}"
    return f"[{last.role}] {text}"


def _checked(replies: Iterable[Reply]) -> list[Reply]:
    if isinstance(replies, str):
        raise InvalidArgumentError(
            "replies: a str given, which would be a reply for each character; pass a list of replies"
        )
    if callable(replies):
        raise InvalidArgumentError("replies: a function given; pass it as always=, or in a list to be called once")
    if not isinstance(replies, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(f"replies: {type(replies).__name__} given; pass a list of replies")
    checked = list(replies)
    for place, reply in enumerate(checked, 1):
        if not (isinstance(reply, (str, Completion, PythonCalls, Exception)) or callable(reply)):
            raise InvalidArgumentError(
                f"replies: reply {place} is {type(reply).__name__}; "
                "pass a str, a Completion, PythonCalls, an exception or a function"
            )
        if isinstance(reply, type):
            raise InvalidArgumentError(f"replies: reply {place} is the class {reply.__name__}; pass an instance")
    return checked
