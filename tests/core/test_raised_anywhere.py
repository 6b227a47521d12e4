"""A signal handler may raise at any moment of the thread that waits: what was paid is kept, and nothing goes on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from rlm_integrations import Message, RLMEngine, RLMSession
from rlm_integrations.testing import ScriptedModel

Ask = Callable[[RLMEngine[str], RLMSession[str]], Any]


class RaisedError(BaseException):
    """As by a signal handler, which is none of the run's."""


@contextmanager
def raising_at(moment: int) -> Any:
    """Raises RaisedError where this thread calls its function of that number. Yields a list: whether it was."""
    calls, raised = 0, list[bool]()

    def profile(frame: Any, event: str, argument: object) -> None:
        nonlocal calls
        # Amid a call of Python's own locks it would leave them taken: nobody can do anything about that.
        if event != "call" or "rlm_integrations" not in frame.f_code.co_filename:
            return
        calls += 1
        if calls == moment:
            raised.append(True)
            raise RaisedError

    sys.setprofile(profile)
    try:
        yield raised
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda engine, session: engine.run("?", "a text"), id="run"),
        pytest.param(lambda engine, session: session.ask("?"), id="session"),
        pytest.param(lambda engine, session: engine.map(["?", "!"], "a text"), id="map"),
    ],
)
def test_what_is_raised_at_any_call_of_the_waiting_thread(ask: Ask) -> None:
    def replies(messages: Sequence[Message]) -> str:
        asked.append(True)
        return "done" if messages[-1].content.startswith("Step 1 ") else "```repl\nx = 1\n```"

    asked: list[bool] = []
    engine = RLMEngine(ScriptedModel(always=replies))
    session = engine.session("a text")
    moment = 0
    raised = [True]
    ends: list[BaseException] = []
    while raised:
        moment += 1
        before, others = len(asked), {*threading.enumerate()}
        with raising_at(moment) as raised:
            try:
                ask(engine, session)
                by_then = len(asked)
            except RaisedError as end:
                ends.append(end)
                by_then = len(asked)
                if by_then > before:
                    kept = getattr(end, "result", None) is not None or any(vars(end).get("results", []))
                    assert kept, f"what was paid is lost at {moment}"
        if raised:
            assert session.ask("And?").text == "done", "the session can be asked again"
            for thread in {*threading.enumerate()} - others:
                if thread.ident is not None:
                    thread.join(10)
            # One call may have been on its way to its thread; a run that goes on makes two, as that of "And?" does.
            assert len(asked) - (by_then + 2) in (0, 1), f"the run goes on that was given up at {moment}"
    assert len(ends) > 5
    assert any(vars(end) for end in ends), "some of them came when there was something to keep"
