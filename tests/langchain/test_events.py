"""The run tree is the same in every way to call the runnable, in tracers and in event streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig

from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.langchain import RLMRunnable

LOOK = "print(len(context))"
ASK = """
parts = llm_query_batched([context[:50], context[50:90]])
answer["content"] = " ".join(parts) + " " + llm_query("why")
answer["ready"] = True
"""
TREE = [
    "RLMRunnable [chain]",
    "  RootModel [chat_model]",
    "  python_repl [tool]",
    "  RootModel [chat_model]",
    "  python_repl [tool]",
    "    SubModel [chat_model]",
    "    SubModel [chat_model]",
    "    SubModel [chat_model]",
]

Call = Callable[[RLMRunnable, RunnableConfig], Awaitable[AIMessage]]


async def _invoke_in_a_thread(rlm: RLMRunnable, config: RunnableConfig) -> Any:
    return await asyncio.to_thread(rlm.invoke, "How long?", config)


async def _invoke_inside_a_running_loop(rlm: RLMRunnable, config: RunnableConfig) -> Any:
    return rlm.invoke("How long?", config)


async def _ainvoke(rlm: RLMRunnable, config: RunnableConfig) -> Any:
    return await rlm.ainvoke("How long?", config)


async def _batch(rlm: RLMRunnable, config: RunnableConfig) -> Any:
    return rlm.batch(["How long?"], config)[0]


async def _abatch(rlm: RLMRunnable, config: RunnableConfig) -> Any:
    return (await rlm.abatch(["How long?"], config))[0]


async def _stream(rlm: RLMRunnable, config: RunnableConfig) -> Any:
    first, *rest = rlm.stream("How long?", config)
    return sum(rest, first)


async def _astream(rlm: RLMRunnable, config: RunnableConfig) -> Any:
    first, *rest = [chunk async for chunk in rlm.astream("How long?", config)]
    return sum(rest, first)


CALLS: list[Call] = [
    _invoke_in_a_thread,
    _invoke_inside_a_running_loop,
    _ainvoke,
    _batch,
    _abatch,
    _stream,
    _astream,
]


class EventKeeper(BaseCallbackHandler):
    """Keeps custom events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any, Any]] = []

    def on_custom_event(self, name: str, data: Any, *, run_id: Any, **kwargs: Any) -> None:
        self.events.append((name, data, run_id))


@pytest.fixture
def rlm(root_model, sub_model) -> RLMRunnable:
    return RLMRunnable(llm=root_model(LOOK, ASK), sub_llm=sub_model, context="x" * 30_000)


@pytest.mark.parametrize("call", CALLS)
async def test_the_tree_the_events_and_the_usage_are_the_same(rlm: RLMRunnable, tracer, call: Call):
    keeper = EventKeeper()
    message = await call(rlm, {"callbacks": [tracer, keeper]})

    assert tracer.lines() == TREE
    assert message.content.startswith("len=")
    assert message.usage_metadata == {
        "input_tokens": 2 * 10 + 3 * 3,
        "output_tokens": 2 * 5 + 3 * 2,
        "total_tokens": 45,
        "input_token_details": {"cache_read": 8},
        "output_token_details": {"reasoning": 3},
    }
    own = tracer.roots[0]
    progress = [(data["iteration"], data["sub_calls"], data["total_tokens"]) for _, data, _ in keeper.events]
    assert progress == [(1, 0, 0), (2, 0, 15)]
    assert {(name, run_id) for name, _, run_id in keeper.events} == {("rlm_iteration", own.id)}
    assert message.id == f"rlm-{own.id}"


async def test_inner_calls_are_tagged_and_steps_show_code_and_observation(rlm: RLMRunnable, tracer):
    await rlm.ainvoke("How long?", {"callbacks": [tracer], "tags": ["mine"], "metadata": {"user": "u1"}})

    assert {frozenset(run.tags) for run in tracer.named("RootModel")} == {frozenset({"mine", "nostream", "rlm:root"})}
    assert {frozenset(run.tags) for run in tracer.named("SubModel")} == {frozenset({"mine", "nostream", "rlm:sub"})}
    assert all(run.extra["metadata"]["user"] == "u1" for _, run in tracer.runs())
    look, ask = tracer.named("python_repl")
    assert LOOK in look.inputs.values()
    assert "30000" in look.outputs["output"]
    assert "len=" in ask.outputs["output"]


async def test_asynchronous_handlers_are_told_too(rlm: RLMRunnable):
    class Keeper(AsyncCallbackHandler):
        def __init__(self) -> None:
            self.iterations: list[int] = []

        async def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
            self.iterations.append(data["iteration"])

    keeper = Keeper()
    await rlm.ainvoke("How long?", {"callbacks": [keeper]})
    assert keeper.iterations == [1, 2]


async def test_event_streams_show_the_same_tree(rlm: RLMRunnable):
    chain = ChatPromptTemplate.from_template("{q}") | rlm | StrOutputParser()
    names: dict[str, str] = {}
    started: list[tuple[str, str]] = []
    iterations, answer = [], ""
    async for event in chain.astream_events({"q": "How long?"}, version="v2"):
        names.setdefault(event["run_id"], event["name"])
        parent = names[event["parent_ids"][-1]] if event["parent_ids"] else ""
        if event["event"].endswith("_start"):
            started.append((parent, event["name"]))
        if event["event"] == "on_custom_event":
            iterations.append((event["name"], parent, event["data"]["iteration"]))
        if event["event"] == "on_chain_stream" and not event["parent_ids"]:
            answer += event["data"]["chunk"]

    assert ("RunnableSequence", "RLMRunnable") in started
    assert [child for parent, child in started if parent == "RLMRunnable"] == [
        "RootModel",
        "python_repl",
        "RootModel",
        "python_repl",
    ]
    assert [child for parent, child in started if parent == "python_repl"] == ["SubModel"] * 3
    assert iterations == [("rlm_iteration", "RunnableSequence", 1), ("rlm_iteration", "RunnableSequence", 2)]
    assert answer.startswith("len=")


async def test_a_retriever_runs_below_the_runnable_and_within_a_step(root_model, tracer):
    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return [Document(f"about {query}")]

    code = 'hits = retrieve("more")\nanswer = {"content": hits[0]["text"], "ready": True}'
    for call in (_ainvoke, _invoke_in_a_thread):
        rlm = RLMRunnable(llm=root_model(code), context=Shelf())
        assert (await call(rlm, {"callbacks": [tracer]})).content == "about more"
        assert tracer.lines() == [
            "RLMRunnable [chain]",
            "  Shelf [retriever]",
            "  RootModel [chat_model]",
            "  python_repl [tool]",
            "    Shelf [retriever]",
        ]
        tracer.roots.clear()


@pytest.mark.parametrize("call", [_ainvoke, _invoke_inside_a_running_loop])
async def test_a_runnable_as_a_tool_of_another_hangs_below_its_step(root_model, tracer, call: Call):
    inner = RLMRunnable(llm=root_model("say:inner answer"))

    async def ask_async(question: str) -> str:
        return str((await inner.ainvoke(question)).content)

    def ask_sync(question: str) -> str:
        return str(inner.invoke(question).content)

    ask_colleague = ask_async if call is _ainvoke else ask_sync
    ask_colleague.__name__ = "ask_colleague"

    code = 'answer = {"content": ask_colleague("you?") + llm_query("and you?"), "ready": True}'
    outer = RLMRunnable(
        llm=root_model(code, name="outer"), sub_llm=root_model("say:!"), tools=[ask_colleague], context="c"
    )
    assert (await call(outer, {"callbacks": [tracer]})).content == "inner answer!"
    assert tracer.lines() == [
        "RLMRunnable [chain]",
        "  outer [chat_model]" if tracer.named("outer") else "  RootModel [llm]",
        "  python_repl [tool]",
        "    RLMRunnable [chain]",
        "      RootModel [chat_model]",
        "    RootModel [chat_model]",
    ]


async def test_a_failed_run_is_a_failed_run_in_the_tree(root_model, tracer):
    rlm = RLMRunnable(llm=root_model(LOOK), context="x" * 30_000)  # the script ends before the answer
    with pytest.raises(RootModelError) as caught:
        await rlm.ainvoke("How long?", {"callbacks": [tracer]})
    assert caught.value.result is not None
    assert [bool(each.reply) for each in caught.value.result.trace.iterations] == [True, False]
    assert "RootModelError" in tracer.roots[0].error
    assert tracer.named("python_repl")[0].error is None
