"""Progress is told while a run goes on; a run that nobody waits for any more ends, with its worker and its calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langgraph.graph import START, MessagesState, StateGraph

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

HANG = "import os\nllm_query(str(os.getpid()))"
READY = 'answer["content"] = {0}\nanswer["ready"] = True'


def graph_of(rlm: RLMRunnable) -> Any:
    return StateGraph(MessagesState).add_node("rlm", rlm.as_node()).add_edge(START, "rlm").compile()


def events(rlm: RLMRunnable) -> AsyncIterator[Any]:
    return (rlm | StrOutputParser()).astream_events("q", version="v2")


def chunks(rlm: RLMRunnable) -> AsyncIterator[Any]:
    return (rlm | StrOutputParser()).astream("q")


def graph_parts(rlm: RLMRunnable) -> AsyncIterator[Any]:
    return graph_of(rlm).astream({"messages": [HumanMessage("q")]}, stream_mode=["custom", "messages"])


@pytest.fixture
def rlm_that_hangs(root_model: Callable[..., Any], hanging: Callable[[], Any]) -> RLMRunnable:
    """Its sub-LM never answers, and knows the worker's pid from its prompt."""
    return RLMRunnable(llm=root_model(HANG), sub_llm=hanging(), context="c" * 30_000)


@pytest.mark.parametrize("stream", [events, graph_parts])
@pytest.mark.parametrize("closed", ["aclose", "dropped"])
async def test_a_stream_that_is_left_amid_a_run_ends_its_worker_and_its_calls(
    stream: Callable[[RLMRunnable], Any], closed: str, rlm_that_hangs: RLMRunnable, process_ended: Any
) -> None:
    sub: Any = rlm_that_hangs.sub_llm

    async def watch_a_little() -> None:
        parts = stream(rlm_that_hangs)
        await anext(parts)
        await sub.asked.wait()
        if closed == "aclose":
            await parts.aclose()

    await watch_a_little()
    async with asyncio.timeout(10):
        await sub.given_up.wait()
    await process_ended(int(sub.prompts[0]))


@pytest.mark.parametrize("stream", [chunks, events, graph_parts])
async def test_a_consumer_that_is_cancelled_ends_the_worker_and_the_calls(
    stream: Callable[[RLMRunnable], Any], rlm_that_hangs: RLMRunnable, process_ended: Any
) -> None:
    sub: Any = rlm_that_hangs.sub_llm

    async def consume() -> None:
        async for _ in stream(rlm_that_hangs):
            pass

    task = asyncio.create_task(consume())
    await sub.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        await sub.given_up.wait()
    await process_ended(int(sub.prompts[0]))


async def test_a_timeout_around_a_call_ends_the_run(rlm_that_hangs: RLMRunnable, process_ended: Any) -> None:
    sub: Any = rlm_that_hangs.sub_llm
    task = asyncio.create_task(asyncio.wait_for(rlm_that_hangs.ainvoke("q"), 60))
    await sub.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sub.given_up.is_set()
    await process_ended(int(sub.prompts[0]))


async def test_a_sync_stream_that_is_closed_after_its_first_chunk_has_no_worker_left(
    root_model: Callable[..., Any], process_ended: Callable[[int], Awaitable[None]]
) -> None:
    llm = root_model("import os\n" + READY.format("f'{os.getpid()} ' + 'and so on ' * 100"))
    stream = RLMRunnable(llm=llm, context="c").stream("q")
    assert llm.requests == []  # nothing is done for a stream that nobody reads
    pid = str(next(stream).content).split()[0]
    stream.close()
    await process_ended(int(pid))


class Progress(BaseCallbackHandler):
    """Notes with each event how often the root LM had been asked by then."""

    def __init__(self, llm: ScriptedChatModel) -> None:
        self.llm = llm
        self.asked: list[tuple[int, int]] = []

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.asked.append((data["iteration"], len(self.llm.requests)))


@pytest.mark.parametrize("mode", ["stream", "astream", "invoke", "batch"])
async def test_handlers_are_told_of_an_iteration_when_it_begins(mode: str, root_model: Callable[..., Any]) -> None:
    llm = root_model("x = 1", "x += 1", READY.format("x"))
    progress = Progress(llm)
    rlm, config = RLMRunnable(llm=llm, context="c"), {"callbacks": [progress]}
    if mode == "stream":
        list(rlm.stream("q", config))
    elif mode == "astream":
        [chunk async for chunk in rlm.astream("q", config)]
    elif mode == "invoke":
        rlm.invoke("q", config)
    else:
        rlm.batch(["q"], config)
    assert progress.asked == [(1, 0), (2, 1), (3, 2)]


async def test_event_streams_tell_of_an_iteration_while_the_root_is_thinking(hanging: Callable[[], Any]) -> None:
    llm = hanging()
    stream = events(RLMRunnable(llm=llm, context="c" * 30_000))
    async with asyncio.timeout(10):
        event = await anext(event async for event in stream if event["name"] == "rlm_iteration")
        await llm.asked.wait()
        assert event["data"]["iteration"] == 1
        await stream.aclose()
        await llm.given_up.wait()


def test_a_sync_graph_tells_of_an_iteration_while_the_root_is_thinking() -> None:
    told = threading.Event()

    def think(messages: Any) -> str:
        assert told.wait(10), "the progress did not come before the reply"
        return "done"

    graph = graph_of(RLMRunnable(llm=ScriptedChatModel(always=think)))
    parts = graph.stream({"messages": [HumanMessage("q")]}, stream_mode=["custom", "values"])
    for kind, part in parts:
        if kind == "custom":
            assert part["rlm_iteration"]["iteration"] == 1
            told.set()
    assert part["messages"][-1].content == "done"


WAYS: dict[str, Callable[[RLMRunnable], Awaitable[Any]]] = {
    "ainvoke": lambda rlm: rlm.ainvoke("q"),
    "astream": lambda rlm: anext(rlm.astream("q")),
    "with_sources": lambda rlm: rlm.with_sources().ainvoke("q"),
    "as_tool": lambda rlm: rlm.as_tool().ainvoke("q"),
    "abatch": lambda rlm: rlm.abatch(["q"]),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_run_that_is_cancelled_on_each_turn_of_the_loop_keeps_its_result(
    way: str, rlm_that_hangs: RLMRunnable
) -> None:
    """As cancel scopes of anyio do: while its handlers are told of the end, too."""
    sub: Any = rlm_that_hangs.sub_llm

    async def ask() -> Any:
        return await WAYS[way](rlm_that_hangs)

    task = asyncio.create_task(ask())
    await sub.asked.wait()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    end: Any = caught.value
    [end] = end.results if way == "abatch" else [end]
    assert end.result.trace.error == "the run was cancelled"
