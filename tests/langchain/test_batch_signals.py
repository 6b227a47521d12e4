"""A batch that a signal ends waits for its runs, whatever further signals raise meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any

import pytest

from rlm_integrations import Event, Message, RunFailed, Usage
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel


class TimeUpError(Exception):
    """As job queues raise it, in a signal handler."""


def test_each_signal_of_several_finds_the_batch_waiting(handle_signal: Callable[..., None]) -> None:
    over, both = threading.Event(), threading.Barrier(2)
    came = threading.Semaphore(0)
    at_once = threading.Lock()

    def handle(number: int, frame: object) -> None:
        came.release()
        raise TimeUpError("out of time")

    def send() -> None:
        """Returns when the handler of the main thread has raised."""
        with at_once:
            os.kill(os.getpid(), signal.SIGALRM)
            assert came.acquire(timeout=20)

    def reply(messages: Sequence[Message]) -> str:
        if len(messages) == 2:
            return "```repl\nanswer['content'] = 'a draft'\n```"
        if both.wait(20) == 0:
            send()
        over.wait(20)
        return "too late"

    def on_event(event: Event) -> None:
        if isinstance(event, RunFailed):  # in the thread that waits for the run, while the batch waits for that
            send()

    handle_signal(signal.SIGALRM, handle)
    llm = ScriptedChatModel(always=reply, usage=Usage(input_tokens=7))
    rlm = RLMRunnable(llm=llm, context="a line\n" * 20_000, on_event=on_event)
    try:
        with pytest.raises(TimeUpError) as caught:
            rlm.batch(["Alpha?", "Beta?"])
    finally:
        over.set()
    results: list[Any] = caught.value.results  # type: ignore[attr-defined]
    assert [type(result) for result in results] == [CancelledError] * 2
    assert [(result.result.answer, result.result.usage.input_tokens) for result in results] == [("a draft", 7)] * 2
