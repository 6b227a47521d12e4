"""Batches: how many runs are open at once, and what becomes of them when nobody waits any more."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from rlm_integrations import Message, Usage, collect_rlm_traces
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel


class Counting(BaseChatModel):
    """Answers when `at_once` of its calls are open, so fewer would hang, and keeps how many ever were."""

    at_once: int
    most: int = 0
    _open: int = 0
    _waiting: Any = None

    @property
    def _llm_type(self) -> str:
        return "counting"

    def _enter(self) -> None:
        with LOCK:
            self._open += 1
            self.most = max(self.most, self._open)

    def _leave(self) -> ChatResult:
        with LOCK:
            self._open -= 1
        return ChatResult(generations=[ChatGeneration(message=AIMessage("ok"))])

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with LOCK:
            self._waiting = self._waiting or threading.Barrier(self.at_once)
        self._enter()
        self._waiting.wait(60)
        return self._leave()

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self._waiting = self._waiting or asyncio.Barrier(self.at_once)
        self._enter()
        await self._waiting.wait()
        return self._leave()


LOCK = threading.Lock()


async def _batch(rlm: Any, inputs: list[str], config: Any) -> list[Any]:
    return await asyncio.to_thread(rlm.batch, inputs, config)


async def _batch_as_completed(rlm: Any, inputs: list[str], config: Any) -> list[Any]:
    answers = dict(await asyncio.to_thread(lambda: list(rlm.batch_as_completed(inputs, config))))
    return [answers[place] for place in range(len(inputs))]


async def _abatch(rlm: Any, inputs: list[str], config: Any) -> list[Any]:
    return await rlm.abatch(inputs, config)


async def _abatch_as_completed(rlm: Any, inputs: list[str], config: Any) -> list[Any]:
    answers = {place: answer async for place, answer in rlm.abatch_as_completed(inputs, config)}
    return [answers[place] for place in range(len(inputs))]


@pytest.mark.parametrize("kind", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize("call", [_batch, _batch_as_completed, _abatch, _abatch_as_completed])
@pytest.mark.parametrize(("config", "at_once"), [(None, 8), ({"max_concurrency": 3}, 3)])
async def test_so_many_runs_are_open_at_once_and_no_more(kind: Any, call: Any, config: Any, at_once: int) -> None:
    llm = Counting(at_once=at_once)
    inputs = [f"q{n}" for n in range(2 * at_once)]
    answers = await call(kind(llm=llm), inputs, config)
    assert [answer.content for answer in answers] == ["ok"] * len(inputs)
    assert llm.most == at_once


@pytest.mark.parametrize("call", ["batch", "batch_as_completed", "abatch", "abatch_as_completed"])
async def test_a_failed_input_is_raised_or_stands_in_its_place(root_model: Any, call: str) -> None:
    async def answers(**options: Any) -> dict[int, Any]:
        rlm, inputs = RLMRunnable(llm=root_model("say:one", "say:two")), ["q", "", "q"]
        if call == "batch":
            return dict(enumerate(rlm.batch(inputs, {"max_concurrency": 1}, **options)))
        if call == "batch_as_completed":
            return dict(rlm.batch_as_completed(inputs, {"max_concurrency": 1}, **options))
        if call == "abatch":
            return dict(enumerate(await rlm.abatch(inputs, {"max_concurrency": 1}, **options)))
        return {n: answer async for n, answer in rlm.abatch_as_completed(inputs, {"max_concurrency": 1}, **options)}

    given = await answers(return_exceptions=True)
    assert {given[0].content, given[2].content} == {"one", "two"}
    assert isinstance(given[1], InvalidArgumentError)
    with pytest.raises(InvalidArgumentError, match="question: is empty"):
        await answers()


async def test_no_inputs_give_no_outputs(root_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model())
    assert rlm.batch([]) == await rlm.abatch([]) == list(rlm.batch_as_completed([])) == []
    assert [answer async for answer in rlm.abatch_as_completed([])] == []


class Slow(BaseChatModel):
    """Says that it was asked, and answers when `go_on` is set."""

    asked: list[str]
    go_on: Any
    begun: Callable[[], object]

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        with LOCK:
            self.asked.append(str(messages[-1].text))
        self.begun()
        self.go_on.wait(60)
        return ChatResult(generations=[ChatGeneration(message=AIMessage("```repl\nprint(1)\n```"))])


@pytest.fixture
def out_of_time(handle_signal: Callable[..., None]) -> Callable[[], None]:
    """Sends the signal of a soft time limit to the process; its handler raises TimeoutError in the main thread."""

    def handle(number: int, frame: object) -> None:
        raise TimeoutError("soft time limit")

    handle_signal(signal.SIGALRM, handle)
    return lambda: os.kill(os.getpid(), signal.SIGALRM)


@pytest.mark.parametrize("end", ["a signal", "a failed input", "the consumer stops"])
def test_runs_of_a_batch_that_ended_early_spend_no_more(end: str, out_of_time: Callable[[], None]) -> None:
    open_calls = threading.Barrier(3, out_of_time if end == "a signal" else None)
    llm = Slow(asked=[], go_on=threading.Event(), begun=lambda: open_calls.wait(20))
    rlm = RLMRunnable(llm=llm, context="a line\n" * 20_000)
    others = {*threading.enumerate()}

    def context() -> Iterator[str]:
        """Documents that turn out to be none when the other runs are at their models."""
        open_calls.wait(20)
        raise ValueError("no such table")
        yield ""

    third = "slow" if end == "a signal" else {"question": "q", "context": context()}
    inputs: list[Any] = ["slow", "slow", third]
    with collect_rlm_traces() as traces:
        if end == "the consumer stops":
            completed = rlm.batch_as_completed(inputs, return_exceptions=True)
            assert next(completed)[0] == 2
            completed.close()
        else:
            with pytest.raises(TimeoutError if end == "a signal" else ValueError):
                rlm.batch(inputs)
    asked = len(llm.asked)
    llm.go_on.set()
    for thread in {*threading.enumerate()} - others:
        thread.join(10)
        assert not thread.is_alive(), thread
    assert len(llm.asked) == asked == len(traces)
    assert {trace.error for trace in traces} == {"the run was cancelled"}


def _of_the_batch(thread: threading.Thread, *places: int) -> bool:
    return thread.name.startswith("ThreadPoolExecutor-") and int(thread.name.rpartition("_")[2]) in places


class Watched(BaseCallbackHandler):
    """Says that a run has begun. The end of the last one waits for the others' threads."""

    run_inline = True

    def __init__(self, begun: threading.Barrier, place: int) -> None:
        self._begun, self._place = begun, place

    def on_chain_start(self, *_: Any, parent_run_id: Any = None, **__: Any) -> None:
        if parent_run_id is None:
            self._begun.wait(20)

    def on_chain_error(self, *_: Any, **__: Any) -> None:
        for thread in threading.enumerate() if self._place == 2 else ():
            if _of_the_batch(thread, 0, 1):
                thread.join(20)


def test_a_signal_amid_the_start_of_a_thread_loses_nothing_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its handler raises there, an executor knows nothing of the thread."""
    begun = threading.Barrier(4)

    def start(thread: threading.Thread, original: Callable[[Any], None] = threading.Thread.start) -> None:
        original(thread)
        if _of_the_batch(thread, 2):
            begun.wait(20)
            raise TimeoutError("soft time limit")

    monkeypatch.setattr(threading.Thread, "start", start)
    llm = Slow(asked=[], go_on=threading.Event(), begun=lambda: None)
    configs: list[Any] = [{"callbacks": [Watched(begun, place)]} for place in range(3)]
    with pytest.raises(TimeoutError, match="soft time limit") as caught:
        RLMRunnable(llm=llm, context="a line\n" * 20_000).batch(["slow"] * 3, configs)
    llm.go_on.set()
    results: list[Any] = caught.value.results  # type: ignore[attr-defined]
    assert [type(result) for result in results] == [CancelledError] * 3
    assert [result.result.trace.error for result in results] == ["the run was cancelled"] * 3


@pytest.mark.parametrize("end", [TimeoutError, KeyboardInterrupt])
def test_a_batch_that_ended_early_hands_back_what_was_paid(
    end: type[BaseException], handle_signal: Callable[..., None]
) -> None:
    """What was answered, and of the others how far they had come."""
    over = threading.Event()

    def handle(number: int, frame: object) -> None:
        raise end("out of time")

    def reply(messages: Sequence[Message]) -> str:
        if any("Alpha?" in str(message.content) for message in messages):
            return "```repl\nFINAL('one')\n```"
        if len(messages) > 2:
            os.kill(os.getpid(), signal.SIGALRM)
            over.wait(20)
        return "```repl\nanswer['content'] = 'a draft'\n```"

    handle_signal(signal.SIGALRM, handle)
    rlm = RLMRunnable(llm=ScriptedChatModel(always=reply, usage=Usage(input_tokens=7)), context="a line\n" * 20_000)
    try:
        with pytest.raises(end, match="out of time") as caught:
            rlm.batch(["Alpha?", "Beta?", "Gamma?"], {"max_concurrency": 1})
    finally:
        over.set()
    done, cut_off, not_begun = caught.value.results  # type: ignore[attr-defined]
    assert done.content == "one"
    assert isinstance(cut_off, CancelledError)
    assert (cut_off.result.answer, cut_off.result.usage.input_tokens) == ("a draft", 7)  # type: ignore[attr-defined]
    assert not_begun is None


async def test_an_async_batch_that_ended_early_hands_back_what_was_paid(root_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model("say:one", "say:two"))
    with pytest.raises(InvalidArgumentError, match="question: is empty") as caught:
        await rlm.abatch(["q", "", "q"], {"max_concurrency": 1})
    done, failed, _ = caught.value.results  # type: ignore[attr-defined]
    assert done.content == "one"
    assert failed is caught.value


async def test_async_runs_of_a_batch_that_ended_early_are_ended(hanging: Any) -> None:
    llm = hanging()
    rlm = RLMRunnable(llm=llm, context="a line\n" * 20_000)

    async def wrong() -> None:
        async for _, answer in rlm.abatch_as_completed(["q", ""], return_exceptions=True):
            assert isinstance(answer, InvalidArgumentError)
            await llm.asked.wait()
            break

    batch = asyncio.create_task(wrong())
    await batch
    await llm.given_up.wait()
