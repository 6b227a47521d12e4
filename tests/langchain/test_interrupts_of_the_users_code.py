"""A KeyboardInterrupt that comes of the user's own code ends an async call as it ends `RLMEngine.arun`.

LangChain calls what it calls in tasks, and asyncio ends its loop where a task raises one.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from rlm_integrations import RLMResult, SubCallEnded
from rlm_integrations.langchain import ChatRLM, RLMRunnable

CONTEXT = "a line\n" * 5_000
WORDS = "the run was ended by KeyboardInterrupt"


async def lookup() -> str:
    """Raises."""
    raise KeyboardInterrupt


async def check(answer: object, result: object) -> None:
    raise KeyboardInterrupt


def on_sub_call(event: object) -> None:
    if isinstance(event, SubCallEnded):
        raise KeyboardInterrupt


class Search(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> Any:
        raise NotImplementedError

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> Any:
        raise KeyboardInterrupt


class Inline(AsyncCallbackHandler):
    """LangChain calls others in tasks of its own."""

    run_inline = True

    async def on_tool_start(self, *args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt


CODES: dict[str, tuple[str, dict[str, Any]]] = {
    "tool": ("lookup()", {"tools": [lookup]}),
    "check": ("FINAL(1)", {"verify": check}),
    "on_event": ("llm_query('a')", {"on_event": on_sub_call}),
    "retriever": ("x = 1", {"context": Search()}),
    "handler": ("x = 1", {}),
}


async def streamed(pieces: Any) -> list[Any]:
    return [piece async for piece in pieces]


WAYS: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
    "ainvoke": lambda rlm, config: rlm.ainvoke("q?", config),
    "astream": lambda rlm, config: streamed(rlm.astream("q?", config)),
    "abatch": lambda rlm, config: rlm.abatch(["q?", "p?"], config),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("face", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize("place", CODES)
def test_it_is_raised_where_the_run_was_called(
    place: str, face: Any, way: str, root_model: Any, sub_model: Any
) -> None:
    async def asked() -> object:
        """Whatever the caller does at its end (`finally`, closing of clients) comes before the loop's own."""
        try:
            return await WAYS[way](rlm, config)
        except KeyboardInterrupt as end:
            await asyncio.sleep(0)
            return end.result  # type: ignore[attr-defined]

    code, options = CODES[place]
    rlm = face(llm=root_model(code, code), sub_llm=sub_model, **{"context": CONTEXT, **options})
    config: Any = {"callbacks": [Inline()]} if place == "handler" else None
    try:
        result = asyncio.run(asked())
    except KeyboardInterrupt:
        pytest.fail("it ended the event loop")
    assert isinstance(result, RLMResult)
    assert result.trace.error == WORDS


async def test_a_batch_hands_back_what_came_of_its_inputs(root_model: Any, sub_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model("FINAL('ok')", "lookup()"), tools=[lookup], context=CONTEXT)
    with pytest.raises(KeyboardInterrupt) as caught:
        await rlm.abatch(["q?", "p?"], {"max_concurrency": 1})
    first, second = caught.value.results  # type: ignore[attr-defined]
    assert first.content == "ok"
    assert second is caught.value


class Letter(Document):
    """One that a weak reference may be of."""


@pytest.mark.parametrize("way", ["ainvoke", "astream"])
async def test_it_leaves_nothing_to_a_search_for_garbage(way: str, root_model: Any, until: Any) -> None:
    letter = Letter(CONTEXT)
    left = weakref.ref(letter)
    rlm = RLMRunnable(llm=root_model("lookup()"), tools=[lookup], context=[letter])
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            await WAYS[way](rlm, None)
        del caught, rlm, letter
        await until(lambda: left() is None)
    finally:
        gc.enable()
