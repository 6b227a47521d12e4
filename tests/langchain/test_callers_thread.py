"""Callback handlers of a sync run are called in the thread that asked, as a model alone would call them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    UsageMetadataCallbackHandler,
    dispatch_custom_event,
    get_usage_metadata_callback,
)
from langchain_core.runnables import RunnableConfig, RunnableLambda

from rlm_integrations.core.trace.events import Event
from rlm_integrations.langchain import ChatRLM, RLMRunnable

CODE = "answer['content'] = lookup('x') + llm_query('y')\nanswer['ready'] = True"


class OfOneThread(BaseCallbackHandler):
    """Refuses other threads, as Streamlit's does."""

    raise_error = True

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.heard: list[str] = []

    def _hear(self, what: str) -> None:
        assert threading.get_ident() == self.thread, "another thread"
        self.heard.append(what)

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        self._hear("chain")

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self._hear("model")

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        self._hear("model end")

    def on_tool_start(self, serialized: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        self._hear(str(serialized["name"]))

    def on_custom_event(self, name: str, *args: Any, **kwargs: Any) -> None:
        self._hear(name)


def lookup(name: str) -> str:
    """Look a name up."""
    dispatch_custom_event("looked up", name)
    return f"{name}: "


Ask = Callable[[Any, RunnableConfig], Any]


@pytest.fixture
def options(root_model: Callable[..., Any], sub_model: Any) -> dict[str, Any]:
    return {"llm": root_model(CODE), "sub_llm": sub_model, "tools": [lookup], "context": "a line\n" * 20_000}


class BreaksAtTheEnd(BaseCallbackHandler):
    raise_error = True

    def on_chain_end(self, outputs: Any, *, parent_run_id: UUID | None = None, **more: Any) -> None:
        if parent_run_id is None:
            raise LookupError("broken handler")


class BreaksAtTheEndOfAModel(BaseCallbackHandler):
    raise_error = True
    own: UUID | None = None

    def on_chat_model_start(self, *given: Any, run_id: UUID, tags: list[str] | None = None, **more: Any) -> None:
        self.own = self.own or run_id

    def on_llm_end(self, response: Any, *, run_id: UUID, **more: Any) -> None:
        if run_id == self.own:
            raise LookupError("broken handler")


async def _ainvoke(rlm: Any, config: RunnableConfig) -> None:
    await rlm.ainvoke("q", config)


async def _astream(rlm: Any, config: RunnableConfig) -> None:
    async for _ in rlm.astream("q", config):
        pass


@pytest.mark.parametrize(
    "ask",
    [
        lambda rlm, c: rlm.invoke("q", c),
        lambda rlm, c: list(rlm.stream("q", c)),
        lambda rlm, c: asyncio.run(_ainvoke(rlm, c)),
        lambda rlm, c: asyncio.run(_astream(rlm, c)),
    ],
)
@pytest.mark.parametrize(
    ("face", "handler"), [(RLMRunnable, BreaksAtTheEnd), (ChatRLM, BreaksAtTheEndOfAModel)], ids=["runnable", "model"]
)
def test_a_handler_that_raises_when_all_is_done_loses_no_answer(
    ask: Ask, face: Any, handler: Any, options: dict[str, Any]
) -> None:
    with pytest.raises(LookupError, match="broken handler") as caught:
        ask(face(**options), {"callbacks": [handler()]})
    assert caught.value.result.answer.startswith("x: len=")  # type: ignore[attr-defined]


@pytest.mark.parametrize("face", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize("ask", [lambda rlm, c: rlm.invoke("q", c), lambda rlm, c: list(rlm.stream("q", c))])
@pytest.mark.parametrize("in_loop", [True, False])
async def test_a_handler_that_belongs_to_a_thread(face: Any, ask: Ask, in_loop: bool, options: dict[str, Any]) -> None:
    events: list[int] = []

    def told(event: Event) -> None:
        events.append(threading.get_ident())

    def run() -> OfOneThread:
        handler = OfOneThread()
        ask(face(**options, on_event=told), {"callbacks": [handler]})
        assert set(events) == {handler.thread}
        return handler

    found: list[OfOneThread] = [run()] if in_loop else []
    if not in_loop:
        thread = threading.Thread(target=lambda: found.append(run()))
        thread.start()
        thread.join()
    heard = found[0].heard
    assert [heard.count(what) for what in ("rlm_iteration", "python_repl", "looked up", "model end")][:3] == [1, 1, 1]
    assert heard.count("model end") >= 2


def test_an_error_of_such_a_handler_is_what_it_was(options: dict[str, Any], logged: list[str]) -> None:
    class Failing(BaseCallbackHandler):
        def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            raise LookupError("broken handler")

    answer = RLMRunnable(**options).invoke("q", {"callbacks": [Failing()]})
    assert answer.text == "x: len=1"
    assert "Error in Failing.on_llm_end callback: LookupError('broken handler')" in logged


def test_what_a_handler_raises_to_leave_ends_the_run(options: dict[str, Any]) -> None:
    class StopScript(BaseException):
        """As Streamlit raises it where the user pressed something."""

    class Leaving(BaseCallbackHandler):
        def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            raise StopScript

    with pytest.raises(StopScript) as caught:
        RLMRunnable(**options).invoke("q", {"callbacks": [Leaving()]})
    assert caught.value.result.trace.iteration_count == 1  # type: ignore[attr-defined]


def test_tokens_are_counted_once_and_handlers_of_models_are_told_once(options: dict[str, Any]) -> None:
    class Counting(BaseCallbackHandler):
        runs: list[UUID]

        def __init__(self) -> None:
            self.runs = []

        def on_llm_end(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
            self.runs.append(run_id)

    counting = Counting()
    options["llm"].callbacks = [counting]
    given = UsageMetadataCallbackHandler()
    with get_usage_metadata_callback() as found:
        message = RLMRunnable(**options).invoke("q", {"callbacks": [counting, given]})
    assert message.usage_metadata is not None
    for usage in (found.usage_metadata, given.usage_metadata):
        assert sum(each["total_tokens"] for each in usage.values()) == message.usage_metadata["total_tokens"]
    assert len(set(counting.runs)) == len(counting.runs) == 2


def test_handlers_that_are_made_for_other_threads_stay_where_the_event_is(options: dict[str, Any], tracer: Any) -> None:
    class Inline(BaseCallbackHandler):
        run_inline = True
        threads: list[int]

        def __init__(self) -> None:
            self.threads = []

        def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            self.threads.append(threading.get_ident())

    class Later(AsyncCallbackHandler):
        ends = 0

        async def on_tool_end(self, *args: Any, **kwargs: Any) -> None:
            self.ends += 1

    inline, later = Inline(), Later()
    RLMRunnable(**options).invoke("q", {"callbacks": [tracer, inline, later]})
    assert threading.get_ident() not in inline.threads
    assert later.ends == 1
    assert len(tracer.named("python_repl")) == 1


def test_a_runnable_within_a_tool_of_another_reaches_the_same_thread(
    options: dict[str, Any], root_model: Callable[..., Any]
) -> None:
    def ask_inner(question: str) -> str:
        """Ask another."""
        return inner.invoke(question).text

    inner = RLMRunnable(**options)
    code = "answer['content'] = ask_inner('q')\nanswer['ready'] = True"
    outer = RLMRunnable(llm=root_model(code), tools=[ask_inner]) | RunnableLambda(lambda message: message.text)
    handler = OfOneThread()
    assert outer.invoke("q", {"callbacks": [handler]}) == "x: len=1"
    assert handler.heard.count("python_repl") == 2
