from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.calls.model_path import ModelPath, check_model
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel

ASKED = (Message("user", "How many?"),)
FOREVER = float("inf")


class AsyncOnly:
    """A model without complete_sync; `reply` may be anything, or an exception to raise."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply
        self.threads: list[threading.Thread] = []

    async def complete(self, messages: Sequence[Message]) -> Completion:
        self.threads.append(threading.current_thread())
        if isinstance(self.reply, BaseException):
            raise self.reply
        return self.reply


class Both(AsyncOnly):
    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        self.threads.append(threading.current_thread())
        return Completion("sync")


class Hangs:
    def __init__(self) -> None:
        self.released = threading.Event()
        self.cancelled = False

    async def complete(self, messages: Sequence[Message]) -> Completion:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return Completion("never")

    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        self.released.wait(20)
        return Completion("late")


@pytest.fixture
def threads() -> Iterator[RunThreads]:
    started = RunThreads()
    yield started
    started.close()


async def test_on_the_async_path_complete_is_awaited_on_the_loop() -> None:
    model = Both(Completion("async", Usage(input_tokens=1), "m"))
    assert await ModelPath(model, "llm", None).call(ASKED, FOREVER) == Completion("async", Usage(input_tokens=1), "m")
    assert model.threads == [threading.current_thread()]


async def test_on_the_sync_path_complete_sync_runs_in_a_thread(threads: RunThreads) -> None:
    model = Both(Completion("async"))
    assert (await ModelPath(model, "llm", threads).call(ASKED, 5.0)).text == "sync"
    assert model.threads != [threading.current_thread()]


async def test_on_the_sync_path_a_model_without_complete_sync_is_awaited(threads: RunThreads) -> None:
    assert (await ModelPath(AsyncOnly(Completion("async")), "llm", threads).call(ASKED, 5.0)).text == "async"


@pytest.mark.parametrize("sync", [False, True])
async def test_a_model_that_hangs_is_given_up(threads: RunThreads, sync: bool) -> None:
    model = Hangs()
    caller = ModelPath(model, "llm", threads if sync else None)
    with pytest.raises(TimeoutError, match=r"^no reply within 0\.02 s$"):
        await caller.call(ASKED, 0.02)
    model.released.set()
    assert model.cancelled is not sync


async def test_without_time_nothing_is_waited_for() -> None:
    with pytest.raises(TimeoutError, match="no reply within 0 s"):
        await ModelPath(Hangs(), "llm", None).call(ASKED, 0.0)


@pytest.mark.parametrize("error", [TimeoutError("the provider's own"), ConnectionError("gone")])
async def test_what_the_model_raises_is_raised(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await ModelPath(AsyncOnly(error), "llm", None).call(ASKED, 5.0)
    assert caught.value is error


@pytest.mark.parametrize("reply", ["text", None, {"text": "x"}])
async def test_what_is_no_completion_is_named(reply: object) -> None:
    with pytest.raises(TypeError) as caught:
        await ModelPath(AsyncOnly(reply), "sub_llm", None).call(ASKED, 5.0)
    assert str(caught.value) == (
        f"sub_llm: complete() returned {type(reply).__name__}; it must return a Completion(text, usage, model)"
    )


async def test_a_completion_without_text_is_an_empty_reply() -> None:
    nothing: Any = None
    completion = Completion(nothing, Usage(output_tokens=7), "m")
    assert await ModelPath(AsyncOnly(completion), "llm", None).call(ASKED, 5.0) == Completion(
        "", Usage(output_tokens=7), "m"
    )


async def test_what_is_sent_can_be_encoded() -> None:
    model = ScriptedModel(["ok"])
    await ModelPath(model, "llm", None).call([Message("user", "a\ud800b é \U0001f600\r\n\0")], 5.0)
    assert model.requests == [(Message("user", "a\ufffdb é \U0001f600\r\n\0"),)]


@given(st.text(st.characters()))
def test_only_lone_surrogates_are_replaced(text: str) -> None:
    made = without_lone_surrogates(text)
    made.encode()
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert made is text


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (None, "llm: no model given; pass one, for instance OpenAIModel('gpt-5')"),
        ("gpt-5", "llm: 'gpt-5' is not a LanguageModel (no async complete(messages)); pass OpenAIModel(...), "),
        (AsyncOnly, "llm: <class "),
    ],
)
def test_what_is_no_model_is_refused(model: object, problem: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_model(model, "llm")
    assert str(caught.value).startswith(problem)


class LikeLlamaIndex:
    def complete(self, prompt: str) -> str:
        return prompt

    async def acomplete(self, prompt: str) -> str:
        return prompt


def test_an_llm_of_llama_index_is_refused_before_it_is_asked() -> None:
    with pytest.raises(InvalidArgumentError, match="RLMQueryEngine for LlamaIndex LLMs"):
        check_model(LikeLlamaIndex(), "llm")


async def test_a_reply_that_cannot_be_awaited_says_what_to_write() -> None:
    class NotAsync:
        def complete(self, messages: object) -> Completion:
            return Completion("yes")

    with pytest.raises(TypeError, match=r"sub_llm: complete\(\) returned Completion, .* `async def complete"):
        await ModelPath(NotAsync(), "sub_llm", None).call(ASKED, 5.0)  # type: ignore[arg-type]


def test_a_model_is_known_by_its_method() -> None:
    check_model(AsyncOnly("x"), "llm")
    check_model(ScriptedModel([]), "llm")


async def test_a_growing_conversation_and_another_one_are_each_sent_as_they_are() -> None:
    llm = ScriptedModel(always=lambda messages: "ok")
    caller = ModelPath(llm, "llm", None)
    opening = (Message("system", "be \ud800 brief"), Message("user", "one"))
    grown = (*opening, Message("assistant", "ok"), Message("user", "two \udfff"))
    for conversation in (opening, grown, (Message("user", "other \ud800"),), grown[:2], grown):
        await caller.call(conversation, FOREVER)
        assert [message.content for message in llm.requests[-1]] == [
            without_lone_surrogates(message.content) for message in conversation
        ]
