"""A run that is over is freed at once, and with it its corpus and the processes that hold that.

A server that idles, or that has told Python to collect no garbage, would keep them.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress

import pytest

from rlm_integrations import CodeStarted, Corpus, RLMEngine, RLMError, Twice
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


@pytest.fixture
def collects_nothing():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


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
        pytest.param(_meet_a_limit, id="met a limit"),
        pytest.param(_give_up, id="given up"),
    ],
)
async def test_a_run_leaves_nothing_to_a_search_for_garbage(run, until):
    corpus = Corpus.of(["a", "b"])
    left = weakref.ref(corpus)
    await run(corpus)
    del corpus
    await until(lambda: left() is None)  # the thread that starts a REPL which nobody waits for may be amid that


@pytest.mark.usefixtures("collects_nothing")
def test_nor_does_a_sync_run():
    corpus = Corpus.of(["a", "b"])
    left = weakref.ref(corpus)
    assert RLMEngine(ANSWERS, sub_llm=SUB).run("Which?", corpus).answer == "fine"
    del corpus
    assert left() is None
