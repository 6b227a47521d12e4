"""Sub-calls, tools and slots are counted exactly, whatever comes when: steps that end, cancellation, slow handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_integrations.core.calls.budget import Budget, BudgetError
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.slots import Waiting
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.part import origin_in
from rlm_integrations.core.corpus.question import Question
from rlm_integrations.core.host.answers import Refusal, Reply
from rlm_integrations.core.host.child_runs import ChildEnd, ChildRuns, ChildTask
from rlm_integrations.core.host.citations import Citations
from rlm_integrations.core.host.foreign_calls import ForeignCalls
from rlm_integrations.core.host.functions import HostFunctions
from rlm_integrations.core.host.open_maps import OpenMaps
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.retrieval import Retrieval
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.sub_calls import SubCalls
from rlm_integrations.core.host.sub_tool_calls import SubToolCalls
from rlm_integrations.core.host.sub_tools import read_sub_tools
from rlm_integrations.core.host.tool_calls import ToolCalls
from rlm_integrations.core.host.tool_loop import ToolLoop
from rlm_integrations.core.host.tools import read_tools
from rlm_integrations.core.host.typed_maps import TypedMaps
from rlm_integrations.core.language_model import Completion, Message, ToolCall, ToolRound
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.core.run.children import AskRootLM, Children, Path
from rlm_integrations.core.run.shared import Shared
from rlm_integrations.core.run.turns import Turn, Turns
from rlm_integrations.core.trace.events import Event, HostCallStarted, SubCallStarted
from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.core.usage import Usage
from rlm_integrations.wire.calls import Call, CallTool, LlmMap, LlmQuery, MapLeft, Reserve, RlmQuery
from rlm_integrations.wire.typed_maps import MapItem, MapTask, write_items, write_map

MOST_AT_WORK = 2
PLAN: Any = SimpleNamespace(limits=RLMLimits(), around_child=None, for_children=lambda: PLAN)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def no_corpus() -> Corpus:
    return Corpus.of(None)


class CountingPath(ModelPath):
    """Counts what children hand to the model."""

    def __init__(self, play: Play) -> None:
        super().__init__(play, "sub_llm", None)
        self._play = play

    async def call(self, messages: Sequence[Message], seconds: float) -> Completion:
        self._play.asked += 1
        return await super().call(messages, seconds)


class AskingNode:
    """A child that asks its root LM some times, and children of its own; its draft is what it fails with."""

    draft = "a draft"

    def __init__(self, play: Play, shared: Shared, question: Question, path: Path, ask: AskRootLM, turn: Turn) -> None:
        self._play, self._path, self._ask, self._turn = play, path, ask, turn
        self._children = Children(shared, path, turn, partial(AskingNode, play))

    async def answer(self, context: object) -> Finish:
        chance, play = self._play.chance, self._play
        step = StepRecord(1, lambda: 0.0)
        play.at_work += 1
        play.most_at_work = max(play.most_at_work, play.at_work)
        try:
            for number in range(1, chance.randrange(1, 4)):
                await self._turn.begin()
                await self._ask([Message("user", "?")])
                if len(self._path) < 3 and chance.random() < 0.3:
                    play.at_work -= 1
                    try:
                        with suppress(BudgetError):
                            await play.child(self._children, ChildTask("?", no_corpus, number, step))
                    finally:
                        play.at_work += 1
        except BudgetError as refusal:
            raise RootModelError(str(refusal)) from None
        finally:
            step.end()
            play.at_work -= 1
        return Finish("an answer", "answer")

    async def close(self) -> None:
        await turns(self._play.chance.randrange(3))


class CallingModel:
    """The sub-LM with tools, which it calls now and then. Counts each request after its first."""

    def __init__(self, play: Play) -> None:
        self._play = play

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        self._play.asked += bool(rounds)
        reply = await self._play.complete(messages)
        calls = tuple(ToolCall("sub_tool") for _ in range(self._play.chance.randrange(-2, 4)))
        return replace(reply, tool_calls=calls)


class Play:
    """Steps of code that call what they will, and end when they will, as the numbers fall."""

    def __init__(self, chance: Random, *, slow_handler: bool) -> None:
        self.chance, self._slow_handler = chance, slow_handler
        self.limits = RLMLimits(
            max_sub_calls=chance.choice([3, 10, 40]),
            max_concurrency=chance.randrange(1, 4),
            max_tool_rounds=chance.randrange(1, 4),
            max_tool_calls=chance.choice([5, 50]),
        )
        self.budget = Budget(self.limits, lambda: 0.0)
        self.calls = ModelCalls(self.budget)
        self.steps: list[StepRecord] = []
        self.begun_too_late = self.open = self.most_open = self.at_work = self.most_at_work = self.asked = 0
        foreign, corpus = ForeignCalls(self.calls, self._emit), Corpus.of("a text")
        retrieval = Retrieval(corpus, None, foreign)
        reservations = Reservations(self.budget, 2, self._emit)
        path = ModelPath(self, "sub_llm", None, with_tools=CallingModel(self))
        sub_tools = SubToolCalls(read_sub_tools([self.sub_tool]), RunThreads(), foreign)
        loop = ToolLoop(self.calls, path, sub_tools, reservations, self._emit, 1_000, b"key")
        sub_calls = SubCalls(self.calls, path, 1_000, reservations, self._emit, tools=loop)
        children = ChildRuns(self.children().run, 1_000, retrieval, reservations, self._emit)
        citations = Citations(retrieval.document, self._emit, set(), partial(origin_in, corpus))
        tools = ToolCalls(read_tools([self.tool]), RunThreads(), foreign)
        maps = TypedMaps(sub_calls, reservations, self.budget, OpenMaps(), 1_000)
        self.host = HostFunctions(self.calls, reservations, sub_calls, maps, children, retrieval, citations, tools)
        self._tasks: list[asyncio.Task[Reply | Refusal]] = []

    def children(self) -> Children:
        """Nodes that ask their root LM as often as the numbers say, and have no REPL."""
        threads, model = RunThreads(), CountingPath(self)
        self.turns = Turns(MOST_AT_WORK)
        shared: Any = Shared(PLAN, None, self.calls, threads, model, model, model, False, self.turns, set())  # type: ignore[arg-type]
        return Children(shared, (), Turn(self.turns, 0), partial(AskingNode, self))

    async def child(self, children: Children, task: ChildTask) -> ChildEnd:
        """One of a child, whose first call is to be reserved."""
        self.budget.reserve(1)
        begun = False

        async def started() -> None:
            nonlocal begun
            begun = True

        try:
            return await children.run(task, started)
        finally:
            if not begun:
                self.budget.release(1)

    async def _emit(self, event: Event) -> None:
        if isinstance(event, SubCallStarted | HostCallStarted):
            self.asked += isinstance(event, SubCallStarted) and not event.is_rlm
            self.begun_too_late += self.steps[event.iteration - 1].over
        if self._slow_handler:
            await turns(self.chance.randrange(4))

    async def _work(self) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await turns(self.chance.randrange(6))
            if self.chance.random() < 0.3:
                raise self.chance.choice([ValueError, TimeoutError, asyncio.CancelledError, SystemExit])
        finally:
            self.open -= 1

    async def complete(self, messages: Sequence[Message]) -> Completion:
        self.asked += "No tool can be called any more" in messages[-1].content
        await self._work()
        return Completion(self.chance.choice(["a reply", "a reply", ""]), Usage(input_tokens=1), "sub")

    async def tool(self) -> None:
        """Work."""
        await self._work()

    async def sub_tool(self) -> str:
        """Work."""
        await self._work()
        return "done"

    def ask(self, call: Call, step: StepRecord) -> asyncio.Task[Reply | Refusal]:
        task = asyncio.create_task(self.host.answer(call, step))
        self._tasks.append(task)
        return task

    async def batch(self, step: StepRecord) -> None:
        size = self.chance.randrange(1, 7)
        reserved = await self.ask(Reserve(size), step)
        if isinstance(reserved, Reply):
            for index in range(size + self.chance.randrange(-1, 2)):  # one too few, or one that is forged
                self.ask(LlmQuery("a prompt", reserved.value + (self.chance.random() < 0.1), index), step)
                await turns(self.chance.randrange(2))

    def map(self) -> LlmMap:
        """Of some packs, as prompts have 1,000 characters here; "a reply" is a value of half of these maps."""
        texts = [f"item {n} " * 20 for n in range(self.chance.randrange(1, 12))]
        task = MapTask("map", "Do it.", self.chance.choice([None, {"type": "integer"}]))
        return LlmMap(write_map(task, [MapItem(n, text) for n, text in enumerate(texts)]))

    async def step(self) -> None:
        step = StepRecord(len(self.steps) + 1, lambda: 0.0)
        self.steps.append(step)
        batches: list[asyncio.Task[None]] = []
        for _ in range(self.chance.randrange(1, 6)):
            match self.chance.randrange(8):
                case 0:
                    self.ask(LlmQuery("a prompt"), step)
                case 1:
                    batches.append(asyncio.create_task(self.batch(step)))
                case 2:
                    self.ask(CallTool("tool", [], {}), step)
                case 3 | 4:
                    self.ask(RlmQuery("a question"), step)
                case 5:
                    self.ask(self.map(), step)
                case 6:
                    self.ask(MapLeft(self.chance.randrange(3), write_items([])), step)
                case _:
                    self.ask(Reserve(self.chance.randrange(1, 4)), step)
            await turns(self.chance.randrange(3))
        await turns(self.chance.randrange(10))
        self.budget.release(step.end())
        for task in self._tasks:
            if self.chance.random() < 0.05:
                task.cancel()
        await asyncio.gather(*batches, return_exceptions=True)

    async def run(self) -> None:
        for _ in range(self.chance.randrange(1, 5)):
            await self.step()
        if self.chance.random() < 0.3:
            self.calls.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def free_slots(self) -> int:
        """How many slots can be had at once."""
        count, waiting = 0, Waiting()
        calls = self.calls
        calls._closed = False

        async def hold() -> None:
            nonlocal count
            async with calls.slot(waiting):
                count += 1
                await turns(5)
                held.append(count)
                count -= 1

        held: list[int] = []
        await asyncio.gather(*(hold() for _ in range(2 * self.limits.max_concurrency)))
        return max(held)


@pytest.mark.parametrize("slow_handler", [False, True])
@given(chance=st.randoms(use_true_random=True))
@settings(max_examples=settings().max_examples * 3 // 2)
def test_whatever_comes_when_what_is_not_sent_is_given_back_once(slow_handler: bool, chance: Random) -> None:
    async def play() -> None:
        played = Play(chance, slow_handler=slow_handler)
        await played.run()
        assert played.budget.sub_calls_left == played.limits.max_sub_calls - played.asked
        assert played.begun_too_late == 0
        assert played.most_open <= played.limits.max_concurrency
        assert played.most_at_work <= MOST_AT_WORK
        assert played.turns._free == MOST_AT_WORK
        assert await played.free_slots() == played.limits.max_concurrency

    asyncio.run(play())


async def test_a_call_whose_step_ends_before_it_waits_for_a_slot_is_refused() -> None:
    waiting = Waiting()
    waiting.give_up()
    with pytest.raises(BudgetError, match="the step of this call is over"):
        async with ModelCalls(Budget(RLMLimits(), lambda: 0.0)).slot(waiting):
            raise AssertionError
