"""Many children at once: runs stay apart, hold up nobody, and end with their step or run."""

from __future__ import annotations

import asyncio
import textwrap
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from rlm_integrations import Message, RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.trace.events import CodeStarted, Event, SubCallEnded
from rlm_integrations.testing import ScriptedModel

from .plots import FIND_RENT, FINISH, PLOTS, all_calls, children, repl, run


async def test_ten_nested_runs_in_one_loop_stay_apart() -> None:
    corpus = Corpus.of(PLOTS)

    async def one(n: int) -> None:
        code = f"got = rlm_query_batched([('?', context[{n}]), ('?', 'plot-{n + 1}')])\n{FINISH}"
        with ScriptedModel([repl(code)]) as llm:
            engine = RLMEngine(llm, sub_llm=children(FIND_RENT), limits={"max_depth": 2, "max_repls": 1})
            result = await engine.arun("?", corpus)
        assert result.answer == f'["{n * 10}", "{n * 10 + 10}"]'
        assert {citation.document_id for citation in result.citations} == {f"plot-{n}", f"plot-{n + 1}"}
        assert {(citation.iteration, citation.child) for citation in result.citations} == {(1, "1"), (1, "2")}

    await asyncio.gather(*map(one, range(10)))


def test_nested_runs_in_threads_stay_apart() -> None:
    def one(n: int) -> str:
        return run(f"got = rlm_query('?', 'plot-{n}')", FIND_RENT).answer

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(8))) == [str(n * 10) for n in range(8)]


@pytest.mark.parametrize("max_repls", [1, 2])
def test_who_waits_for_children_holds_up_none(max_repls: int) -> None:
    """Each of four children asks two of its own, with fewer turns than there are children."""

    def child(messages: Sequence[Message]) -> str:
        if "leaf" in messages[-1].content:
            return repl("answer['content'] = 'leaf'\nanswer['ready'] = True")
        return repl("answer['content'] = rlm_query_batched([('leaf', d) for d in context])\nanswer['ready'] = True")

    code = "got = rlm_query_batched([('branch', context[n : n + 2]) for n in range(4)])"
    result = run(code, child, max_depth=3, max_repls=max_repls)
    assert result.answer.count("leaf") == 8
    assert len(list(result.trace.tree())) == 1 + 4 + 8


def test_a_child_that_is_left_behind_ends_with_the_step() -> None:
    begun, ended = threading.Event(), threading.Event()

    def watch(event: Event) -> None:
        if isinstance(event, CodeStarted) and event.node:
            begun.set()
        if isinstance(event, SubCallEnded):
            ended.set()

    def until_it_began() -> bool:
        """Wait."""
        return begun.wait(30)

    def after_its_end(messages: Sequence[Message]) -> str:
        assert ended.wait(30)
        return repl("answer['content'] = got\nanswer['ready'] = True")

    code = """
        import threading
        def ask():
            try:
                rlm_query("?", context[0])
            except Exception:
                pass
        threading.Thread(target=ask, daemon=True).start()
        got = until_it_began()
    """
    with ScriptedModel([repl(textwrap.dedent(code)), after_its_end]) as llm:
        sub = children("import time\nwhile True: time.sleep(0.01)")
        tools, limits = [until_it_began], {"max_depth": 2}
        result = RLMEngine(llm, sub_llm=sub, limits=limits, tools=tools, on_event=watch).run("?", PLOTS)
    assert result.answer == "true"
    [call] = all_calls(result.trace)
    assert call.error == "the step of this call is over"
    assert call.child.iteration_count == 1


@pytest.mark.parametrize("end", ["cancelled", "timeout"])
async def test_a_run_that_ends_takes_its_children_with_it(end: str) -> None:
    begun = asyncio.Event()

    def watch(event: Event) -> None:
        if isinstance(event, CodeStarted) and event.node:
            begun.set()

    with ScriptedModel([repl(f"got = rlm_query('?', context[0])\n{FINISH}"), "FINAL(none)"]) as llm:
        sub = children("print('working')\nimport time\nwhile True: time.sleep(0.01)")
        limits = {"max_depth": 2, "timeout_s": 1.5 if end == "timeout" else None}
        engine = RLMEngine(llm, sub_llm=sub, limits=limits, on_event=watch)
        task = asyncio.create_task(engine.arun("?", PLOTS))
        await begun.wait()
        if end == "cancelled":
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await task
            trace = vars(cancelled.value)["result"].trace
            await engine.arun("?")  # uses up the script
        else:
            result = await task
            assert (result.answer, result.stop_reason) == ("none", "timeout")
            trace = result.trace
    [call] = all_calls(trace)
    assert call.error is not None
    assert call.child.iteration_count == 1
