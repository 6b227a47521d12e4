"""Streams, batches and cancelled calls."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.messages import AIMessageChunk

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

READY = 'answer["content"] = {0}\nanswer["ready"] = True'


async def test_chunks_add_up_to_the_message(root_model):
    text = "word and word " * 400
    replies = root_model(f"say:{text}", f"say:{text}")
    rlm = RLMRunnable(llm=replies)
    for chunks in (list(rlm.stream("q")), [chunk async for chunk in rlm.astream("q")]):
        whole = sum(chunks[1:], chunks[0])
        assert isinstance(whole, AIMessageChunk)
        assert whole.content == text.strip()
        assert len(chunks) > 20
        assert len({chunk.id for chunk in chunks}) == 1
        assert [chunk.chunk_position for chunk in chunks[-2:]] == [None, "last"]
        assert [bool(chunk.usage_metadata) for chunk in chunks[-2:]] == [False, True]
        assert whole.usage_metadata["total_tokens"] == 15
        assert whole.response_metadata["rlm"]["stop_reason"] == "plain_reply"


def test_batch_runs_side_by_side_in_threads_over_one_corpus(sub_model):
    root = ScriptedChatModel(always=lambda messages: f"```repl\n{READY.format('llm_query(context)')}\n```")
    rlm = RLMRunnable(llm=root, sub_llm=sub_model, context="x" * 30_000)
    answers = rlm.batch([f"q{n}" for n in range(6)], {"max_concurrency": 3})
    assert {answer.content for answer in answers} == {"len=30000"}


def test_max_concurrency_of_a_config_lowers_the_limit_of_the_run(root_model):
    rlm = RLMRunnable(llm=root_model("say:a", "say:b", "say:c"), limits={"max_concurrency": 4}, trace="full")
    for given, used in ((2, 2), (99, 4), (None, 4)):
        message = rlm.invoke("q", {"max_concurrency": given})
        assert message.response_metadata["rlm"]["trace"]["limits"]["max_concurrency"] == used


@pytest.mark.parametrize("mode", ["ainvoke", "astream", "astream_events"])
async def test_a_cancelled_call_ends_its_run_at_once(hanging, mode, tracer):
    llm = hanging()
    rlm, config = RLMRunnable(llm=llm, context="x" * 30_000), {"callbacks": [tracer]}

    async def consume() -> None:
        if mode == "ainvoke":
            await rlm.ainvoke("q", config)
        elif mode == "astream":
            async for _ in rlm.astream("q", config):
                pass
        else:
            async for _ in rlm.astream_events("q", config, version="v2"):
                pass

    task = asyncio.create_task(consume())
    await llm.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await llm.given_up.wait()
    assert "CancelledError" in tracer.roots[0].error


async def test_a_call_cancelled_in_a_step_ends_the_step_and_its_sub_calls(root_model, hanging, tracer):
    sub = hanging()
    rlm = RLMRunnable(llm=root_model(READY.format("llm_query('a')")), sub_llm=sub, context="c")
    task = asyncio.create_task(rlm.ainvoke("q", {"callbacks": [tracer]}))
    await sub.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await sub.given_up.wait()
    (step,) = tracer.named("python_repl")
    assert "CancelledError" in step.error
    assert [run.name for run in step.child_runs] == ["Hanging"]


async def test_the_loop_lives_on_while_code_runs(root_model):
    alive = asyncio.Event()

    async def wait_for_the_loop() -> str:
        """Returns when another task of the caller's loop has run."""
        await alive.wait()
        return "alive"

    async def other() -> None:
        alive.set()

    code = READY.format("wait_for_the_loop()")
    rlm = RLMRunnable(llm=root_model(code), tools=[wait_for_the_loop], context="c")
    run = asyncio.create_task(rlm.ainvoke("q"))
    await asyncio.sleep(0)
    _, message = await asyncio.gather(other(), run)
    assert message.content == "alive"


@pytest.mark.parametrize("mode", ["ainvoke", "abatch"])
async def test_max_concurrency_bounds_the_sub_calls_that_are_open_at_once(root_model, gate, mode):
    sub = gate(2)
    code = READY.format("' '.join(llm_query_batched(['a'] * 6))")
    rlm, config = RLMRunnable(llm=root_model(code), sub_llm=sub, context="c"), {"max_concurrency": 2}
    message = await rlm.ainvoke("q", config) if mode == "ainvoke" else (await rlm.abatch(["q"], config))[0]
    assert message.content == "ok ok ok ok ok ok"
    assert sub.most == 2
