"""ScriptedModel: a language model whose replies are written down beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing.own_lock import OwnLock

ReplyFunction = Callable[[Sequence[Message]], str | Completion]
Reply = str | Completion | Exception | ReplyFunction
"""A reply's text, a whole completion, an exception to raise, or a function of the request."""

_SHOWN_CHARS = 600


class ScriptExhausted(AssertionError):  # noqa: N818 - an assertion of the test, named for what happened
    """A scripted or replayed model was asked something that it holds no reply for, or not asked all that it holds."""


class ScriptedModel:
    """A LanguageModel for tests: gives its replies in order, and remembers what it was asked.

        with ScriptedModel(["```repl\\nanswer['content'] = len(context)\\nanswer['ready'] = True\\n```"]) as llm:
            assert RLMEngine(llm).run("How long?", "some text").answer == "9"

    A request after the last reply raises ScriptExhausted. Replies that are left over raise it from
    `assert_exhausted`, which leaving the `with` block calls. Sub-calls run side by side, so the order
    they arrive in is not fixed: give a model for them as one function, `ScriptedModel(always=function)`.

    `usage` is reported for each reply that is not a Completion; without it, a token for every four
    characters. One object may be used from many threads and event loops.
    """

    def __init__(
        self,
        replies: Iterable[Reply] = (),
        *,
        always: ReplyFunction | None = None,
        model: str = "scripted",
        usage: Usage | None = None,
        max_input_tokens: int | None = None,
    ) -> None:
        """Raises InvalidArgumentError for replies that are no replies, and for `replies` and `always` together."""
        self._replies = _checked(replies)
        if always is not None and self._replies:
            raise InvalidArgumentError("always: given with replies; pass either a list of replies or one function")
        self._always = always
        self._usage = usage
        self._own = OwnLock()
        self._unanswered: list[Message | None] = []
        self.model = model
        self.max_input_tokens = max_input_tokens
        self.requests: list[tuple[Message, ...]] = []
        """Every request so far, in the order of arrival."""

    async def complete(self, messages: Sequence[Message]) -> Completion:
        return self.complete_sync(messages)

    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        reply = self._next(tuple(messages))
        if isinstance(reply, Exception):
            raise reply
        said = reply(messages) if callable(reply) else reply
        if isinstance(said, Completion):
            return said
        return Completion(said, self._usage or estimated_usage(messages, said), self.model)

    def _next(self, request: tuple[Message, ...]) -> Reply:
        with self._own.lock:
            self.requests.append(request)
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

    def __enter__(self) -> ScriptedModel:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self.assert_exhausted()


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
    checked = list(replies)
    for place, reply in enumerate(checked, 1):
        if not (isinstance(reply, (str, Completion, Exception)) or callable(reply)):
            raise InvalidArgumentError(
                f"replies: reply {place} is {type(reply).__name__}; "
                "pass a str, a Completion, an exception or a function"
            )
        if isinstance(reply, type):
            raise InvalidArgumentError(f"replies: reply {place} is the class {reply.__name__}; pass an instance")
    return checked
