"""A run that is over is freed at once, and with it its corpus and the processes that hold that.

A server that idles, or that has told Python to collect no garbage, would keep them.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from contextlib import suppress

import pytest

from rlm_integrations import (
    CodeStarted,
    Completion,
    Corpus,
    Event,
    Message,
    RLMEngine,
    RLMError,
    RunFailed,
    SubCallEnded,
    Twice,
)
from rlm_integrations.testing import ScriptedModel

ANSWERS = ScriptedModel(
    always=lambda _: "```repl\ncite(context[0]['text'])\nFINAL(llm_query(search('b')[0].text))\n```"
)
ASKS_A_CHILD = ScriptedModel(always=lambda _: "```repl\nFINAL(rlm_query('Which?', context))\n```")
WORKS_LONG = ScriptedModel(always=lambda _: "```repl\nimport time\ntime.sleep(60)\n```")
SUB = ScriptedModel(always=lambda _: "fine")


def _fails(_: object) -> str:
    raise ValueError("overloaded")


async def _fail(corpus: Corpus) -> None:
    with suppress(RLMError):
        await RLMEngine(ScriptedModel(always=_fails)).arun("Which?", corpus)


async def _meet_a_limit(corpus: Corpus) -> None:
    with suppress(RLMError):
        await RLMEngine(ScriptedModel(always=lambda _: "```repl\n1\n```"), limits={"max_iterations": 1}).arun(
            "?", corpus
        )


async def _give_up(corpus: Corpus) -> None:
    begun = asyncio.Event()
    engine = RLMEngine(WORKS_LONG, on_event=lambda event: begun.set() if isinstance(event, CodeStarted) else None)
    run = asyncio.create_task(engine.arun("Which?", corpus))
    await begun.wait()
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run


async def _stream(corpus: Corpus) -> None:
    async for _ in RLMEngine(ANSWERS, sub_llm=SUB).astream("Which?", corpus):
        pass


async def _leave_a_stream(corpus: Corpus) -> None:
    """When the run has failed, and nobody has asked yet by what."""
    stream = RLMEngine(ScriptedModel(always=_fails)).astream("Which?", corpus)
    async for event in stream:
        if isinstance(event, RunFailed):
            await asyncio.sleep(0)
            break
    await stream.aclose()


def _fail_at(event: Event) -> None:
    if isinstance(event, SubCallEnded):
        raise ValueError("the handler is broken")


async def _tell_a_broken_handler(corpus: Corpus) -> None:
    with suppress(RLMError):
        await RLMEngine(ANSWERS, sub_llm=SUB, on_event=_fail_at).arun("Which?", corpus)


def _break(*_: object) -> None:
    raise RuntimeError("the check is broken")


async def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class _Interrupts:
    async def complete(self, messages: Sequence[Message]) -> Completion:
        raise KeyboardInterrupt


async def lookup() -> str:
    """Raises."""
    raise LookupError("not there")


def _interrupt_at(event: Event) -> None:
    if isinstance(event, SubCallEnded):
        raise KeyboardInterrupt


LOOKS_UP = ScriptedModel(always=lambda _: "```repl\nlookup()\n```")
ENDS = {
    "broken check": lambda: RLMEngine(ANSWERS, sub_llm=SUB, verify=_break),
    "check that interrupts": lambda: RLMEngine(ANSWERS, sub_llm=SUB, verify=_interrupt),
    "handler that interrupts": lambda: RLMEngine(ANSWERS, sub_llm=SUB, on_event=_interrupt_at),
    "broken handler": lambda: RLMEngine(ANSWERS, sub_llm=SUB, on_event=_fail_at),
    "sub-LM that interrupts": lambda: RLMEngine(ANSWERS, sub_llm=_Interrupts()),
    "child that interrupts": lambda: RLMEngine(ASKS_A_CHILD, sub_llm=_Interrupts(), limits={"max_depth": 2}),
    "root LM that interrupts": lambda: RLMEngine(_Interrupts()),
    "tool that ends it": lambda: RLMEngine(LOOKS_UP, tools=[lookup], ends_run=lambda _: True),
    "second opinion": lambda: RLMEngine(ANSWERS, sub_llm=_Interrupts(), verify=Twice()),
}


@pytest.mark.usefixtures("collects_nothing")
@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda corpus: RLMEngine(ANSWERS, sub_llm=SUB).arun("Which?", corpus), id="answered"),
        pytest.param(
            lambda corpus: RLMEngine(ANSWERS, sub_llm=SUB, verify=lambda *_: None).arun("Which?", corpus), id="checked"
        ),
        pytest.param(lambda corpus: RLMEngine(ANSWERS, sub_llm=SUB, verify=Twice()).arun("Which?", corpus), id="twice"),
        pytest.param(
            lambda corpus: RLMEngine(ASKS_A_CHILD, limits={"max_depth": 2}).arun("Which?", corpus), id="asked a child"
        ),
        pytest.param(_stream, id="streamed"),
        pytest.param(_fail, id="failed"),
        pytest.param(_leave_a_stream, id="stream that is left"),
        pytest.param(_meet_a_limit, id="met a limit"),
        pytest.param(_tell_a_broken_handler, id="broken handler"),
        pytest.param(_give_up, id="given up"),
    ],
)
async def test_a_run_leaves_nothing_to_a_search_for_garbage(run, until):
    corpus = Corpus.of(["a", "b"])
    left = weakref.ref(corpus)
    await run(corpus)
    del corpus
    await until(lambda: left() is None)  # the thread that starts a REPL which nobody waits for may be amid that


async def _streamed(engine: RLMEngine, corpus: Corpus) -> None:
    async for _ in engine.astream("Which?", corpus):
        pass


@pytest.mark.usefixtures("collects_nothing")
@pytest.mark.parametrize("way", ["arun", "astream"])
@pytest.mark.parametrize("end", ENDS)
async def test_nor_does_one_that_the_users_code_ends(end, way, until):
    corpus = Corpus.of(["a", "b"])
    left = weakref.ref(corpus)
    with suppress(KeyboardInterrupt, RLMError, LookupError):
        await (ENDS[end]().arun("Which?", corpus) if way == "arun" else _streamed(ENDS[end](), corpus))
    del corpus
    await until(lambda: left() is None)


def _run(corpus: Corpus) -> None:
    assert RLMEngine(ANSWERS, sub_llm=SUB).run("Which?", corpus).answer == "fine"


class _SyncFails:
    """A sub-LM that is called in a thread of the run."""

    async def complete(self, messages: Sequence[Message]) -> Completion:
        raise NotImplementedError

    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        raise ValueError("overloaded")


def _run_with_a_failed_sub_call(corpus: Corpus) -> None:
    root = ScriptedModel(["```repl\ntry:\n    llm_query('a')\nexcept Exception as error:\n    FINAL(str(error))\n```"])
    assert "overloaded" in RLMEngine(root, sub_llm=_SyncFails()).run("Which?", corpus).answer


def _run_in_vain(corpus: Corpus) -> None:
    with suppress(RLMError):
        RLMEngine(ScriptedModel(always=_fails)).run("Which?", corpus)


@pytest.mark.usefixtures("collects_nothing")
@pytest.mark.parametrize("run", [_run, _run_with_a_failed_sub_call, _run_in_vain])
async def test_nor_does_a_sync_run(run, until):
    corpus = Corpus.of(["a", "b"])
    left = weakref.ref(corpus)
    await asyncio.to_thread(run, corpus)
    del corpus
    await until(lambda: left() is None)


@pytest.mark.usefixtures("collects_nothing")
@pytest.mark.parametrize("end", ENDS)
async def test_nor_does_a_sync_run_that_the_users_code_ends(end, until):
    def run(corpus: Corpus) -> None:
        with suppress(KeyboardInterrupt, RLMError, LookupError):
            ENDS[end]().run("Which?", corpus)

    corpus = Corpus.of(["a", "b"])
    left = weakref.ref(corpus)
    await asyncio.to_thread(run, corpus)
    del corpus
    await until(lambda: left() is None)


@pytest.mark.usefixtures("collects_nothing")
@pytest.mark.parametrize(
    "make",
    [lambda: RLMEngine(ScriptedModel(always=_fails)), ENDS["broken check"], ENDS["sub-LM that interrupts"]],
)
async def test_nor_do_many_questions_that_fail(make, until):
    corpus = Corpus.of(["a", "b"])
    left = weakref.ref(corpus)
    with suppress(RLMError, KeyboardInterrupt):
        await make().amap(["Which?", "What?"], corpus)
    del corpus
    await until(lambda: left() is None)
