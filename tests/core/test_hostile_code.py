"""What code in the REPL tries against the run itself: its budget, its host functions, its citations."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest

from benchmarks.forged import FORGED
from rlm_integrations import Completion, RLMEngine, Usage
from rlm_integrations.core.trace.events import Event, IterationStarted, SubCallsReserved
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.wire.calls import CallTool

CORPUS = "".join(f"line {n}: nothing to see\n" for n in range(2_000))

FORGE = (
    FORGED
    + """
def end(step):
    return frame(t="done", step=step, output={"tail": "", "cut_chars": 0}, error=None, variables=[],
                 answer={"ready": False, "content": "", "is_json": False, "refused": None})
def reserve(count):
    os.write(channel, frame(t="call", id=1 << 30, name="reserve", payload={"n": count, "chars": 0}))
    seen()  # the host gives the batches ids from 1
def calls(count):
    return b"".join(frame(t="call", id=(1 << 31) + n, name="llm_query",
                          payload={"prompt": "again", "batch": 1, "index": n, "images": []}) for n in range(count))
def seen():
    cite("line 0:")  # the host begins calls in their order, so when this one is answered it has begun those before
"""
)


def repl(code: str) -> str:
    return f"```repl\n{code}\n```"


def finish(expression: str) -> str:
    return repl(f"answer['content'] = {expression}\nanswer['ready'] = True")


def _counting(reserved: list[int]) -> Callable[[Event], None]:
    """A listener that notes how many sub-calls are reserved at a time."""

    def listen(event: Event) -> None:
        if isinstance(event, SubCallsReserved):
            reserved.append(event.count)

    return listen


async def test_calls_that_arrive_with_the_end_of_their_step_are_not_sent_beyond_the_limit() -> None:
    dodge = repl(f"{FORGE}\nreserve(5)\nos.write(channel, calls(5) + end(1))\nwhile True: pass")
    reserved: list[int] = []
    root = ScriptedModel([dodge, repl("'the session is lost'"), finish("len(llm_query_batched(['fair'] * 5))")])
    sub = ScriptedModel(always=lambda messages: "ok")
    limits = {"max_sub_calls": 5, "step_timeout_s": 0.4}
    engine = RLMEngine(root, sub_llm=sub, limits=limits, on_event=_counting(reserved))
    result = await engine.arun("?", CORPUS)
    assert reserved == [5, 5], "the dodge had its batch"
    assert result.text == "5", "what was not sent was given back"
    assert len(sub.requests) == 5
    assert result.trace.sub_call_count == len(sub.requests)


async def test_calls_that_wait_for_their_turn_when_their_step_ends_are_never_sent() -> None:
    released = asyncio.Event()

    class Sub:
        asked = 0

        async def complete(self, messages: object) -> Completion:
            self.asked += 1
            await released.wait()
            return Completion("ok", Usage(), "sub")

    class Root(ScriptedModel):
        async def complete(self, messages) -> Completion:
            if len(self.requests) == 1:
                released.set()
            return await super().complete(messages)

    sub = Sub()
    leave = repl(f"{FORGE}\nreserve(40)\nos.write(channel, calls(40))\nseen()")
    root = Root([leave, repl(f"{FORGE}\nfor _ in range(50): seen()"), finish("'left'")])
    reserved: list[int] = []
    limits = {"max_sub_calls": 50, "max_concurrency": 2}
    result = await RLMEngine(root, sub_llm=sub, limits=limits, on_event=_counting(reserved)).arun("?", CORPUS)
    assert result.text == "left"
    assert reserved == [40]
    assert sub.asked == 2, "those that had their turn"


async def test_tools_that_wait_for_their_turn_when_their_step_ends_are_never_called() -> None:
    released = asyncio.Event()
    called: list[int] = []

    async def order(item: int) -> None:
        called.append(item)
        await released.wait()

    open_tasks: list[int] = []
    held: list[int] = []

    async def count(event: Event) -> None:
        if isinstance(event, IterationStarted):
            await asyncio.sleep(0)  # a turn for those that were given up
            open_tasks.append(len(asyncio.all_tasks()))
            held.append(sum(type(each) is CallTool for each in gc.get_objects()))

    def last(messages: object) -> str:
        released.set()
        return repl(f"{FORGE}\nfor _ in range(50): seen()") if len(root.requests) == 2 else finish("'left'")

    leave = (
        f"{FORGE}\nfor n in range(20):\n"
        "    os.write(channel, frame(t='call', id=(1 << 31) + n, name='tool',\n"
        "                            payload={'name': 'order', 'args': [n], 'kwargs': {}}))\nseen()"
    )
    root = ScriptedModel([repl(leave), last, last])
    limits = {"max_concurrency": 2}
    gc.disable()
    try:
        result = await RLMEngine(root, tools=[order], limits=limits, on_event=count).arun("?", CORPUS)
    finally:
        gc.enable()
    assert result.text == "left"
    assert called == [0, 1], "those that had their turn"
    assert open_tasks[1] <= open_tasks[0] + len(called)
    assert held[1] <= held[0] + len(called), "nothing of the others is left, though nothing was collected"


@pytest.mark.parametrize("limit", [{"max_total_tokens": 20_000}, {"max_cost_usd": 0.2}])
def test_a_batch_overspends_by_the_calls_in_flight_at_most(limit: dict[str, float]) -> None:
    root = ScriptedModel(
        [repl("replies = llm_query_batched(['x'] * 200)"), "FINAL(out of budget)"],
        usage=Usage(input_tokens=1, cost_usd=0.0),
    )
    sub = ScriptedModel(always=lambda messages: "ok", usage=Usage(input_tokens=1_000, cost_usd=0.01))
    result = RLMEngine(root, sub_llm=sub, limits={**limit, "max_concurrency": 4}).run("?", CORPUS)
    assert result.stop_reason == next(iter(limit)).removesuffix("_usd")
    assert 20 <= len(sub.requests) <= 20 + 4
    told = root.requests[1][-1].content
    assert "nothing was sent" in told
    assert result.trace.sub_call_count == len(sub.requests), "what was not sent is no call"
    assert result.trace.failed_sub_call_count == 0
    assert f"{len(sub.requests)} made" in told
    assert f"{1_000 - len(sub.requests)} left" in told, "what was not sent is given back"
    assert f"{200 - len(sub.requests)} of 200 sub-calls failed" in told


async def test_a_result_that_cannot_be_recorded_still_answers_the_call() -> None:
    def googol(exponent: int) -> int:
        return 10**exponent  # one of more than 4,300 digits has no repr

    root = ScriptedModel([repl("googol(3)"), repl("googol(5000)"), finish("'went on'")])
    async with asyncio.timeout(30):
        result = await RLMEngine(root, tools=[googol]).arun("?", CORPUS)
    assert result.text == "went on"
    assert "1000" in root.requests[1][-1].content
    assert "an integer of more than 4,000 digits" in root.requests[2][-1].content


def test_citations_take_a_bounded_part_of_the_hosts_memory() -> None:
    many = "for n in range(1_001): cite(f'line {n}:')"
    root = ScriptedModel([repl("cite(context)"), repl(many), finish("'cited'")])
    result = RLMEngine(root).run("?", CORPUS)
    assert "at most 20,000 are taken" in root.requests[1][-1].content
    assert "there are 1,000 citations" in root.requests[2][-1].content
    assert len(result.citations) == 1_000


def test_a_tool_whose_error_cannot_say_why_is_answered_all_the_same() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    def broken() -> None:
        """Always fails."""
        raise MuteError

    with ScriptedModel([repl("broken()"), finish("'on we go'")]) as llm:
        result = RLMEngine(llm, tools=[broken]).run("?", CORPUS)
    assert result.answer == "on we go"
    assert "broken: MuteError: it does not say why" in llm.requests[1][-1].content
