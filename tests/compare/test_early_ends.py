"""A comparison that ends early, or whose texts and retrievers take long, hands back what there is."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from rlm_integrations import Document, InvalidArgumentError, Message
from rlm_integrations.compare import RLM, Attempt, Comparison, Direct, Estimate, MapReduce, TopK, acompare, compare
from rlm_integrations.compare.pieces import parts
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.language_model import Completion
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel

from .letters import LETTERS, PRICES, QUESTION, all_of, by_function, model, reads


async def test_nothing_is_sent_before_it_is_agreed_to() -> None:
    llm, asked = model(), []

    def no(estimate: Estimate) -> bool:
        asked.append(estimate)
        return False

    with pytest.raises(InvalidArgumentError, match="nothing was sent"):
        await acompare(
            [QUESTION] * 2, LETTERS, llm, methods=[Direct(), RLM(1)], prices=PRICES, max_cost_usd=1, confirm=no
        )
    assert llm.requests == []
    [estimate] = asked
    assert estimate.calls == 2 * (1 + 4)
    assert estimate.cost_usd == pytest.approx((estimate.tokens + 9 * 500 * estimate.calls) / 1e6)


async def test_cancelling_hands_back_what_was_paid_by_then() -> None:
    """Of the attempt that was cut off, too: an RLM's first iteration, and the parts of a map-reduce that were read."""
    hangs = asyncio.Event()

    class Hangs:
        def __init__(self, at: str) -> None:
            self._at = at

        async def complete(self, messages: Sequence[Message]) -> Completion:
            if self._at in str(messages[1:]):
                hangs.set()
                await asyncio.Event().wait()
            code = "```repl" in messages[0].content
            return Completion("```repl\nprint('first' + ' step')\n```" if code else "NOTHING", Usage(input_tokens=100))

    others = len(parts(Corpus.of(LETTERS), 10_000)) - 1
    for method, at, paid in (RLM(0), "first step", 1), (MapReduce(part_chars=10_000), "word is HERON", others):
        hangs.clear()
        asking = asyncio.create_task(
            acompare(QUESTION, LETTERS, Hangs(at), methods=[TopK(1, by_function), method], max_cost_usd=None)
        )
        await hangs.wait()
        for _ in range(100):  # so that those beside it end
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await asking
        so_far: Comparison = caught.value.result  # type: ignore[attr-defined]
        first, cut_off = so_far.attempts
        assert (first.status, first.answer, first.usage.input_tokens) == ("answered", "NOTHING", 100)
        assert (cut_off.method, cut_off.status, cut_off.note) == (method.name, "failed", "cut off")
        assert cut_off.usage.input_tokens == 100 * paid
        assert f"| {method.name} |  | failed: cut off |" in so_far.table()


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, InvalidArgumentError, LookupError])
def test_what_on_attempt_raises_ends_it_and_hands_back_what_there_is(end: type[BaseException]) -> None:
    def on_attempt(attempt: Attempt) -> None:
        raise end("no more")

    with pytest.raises(end, match="no more") as caught:
        compare(QUESTION, LETTERS, model(), methods=[Direct(), RLM(0)], max_cost_usd=None, on_attempt=on_attempt)
    assert all_of(caught.value.result, "answer") == {"direct": "letter-41"}  # type: ignore[union-attr]


def test_ctrl_c_hands_back_what_there_is() -> None:
    def presses(messages: Sequence[Message]) -> str:
        if "```repl" in messages[0].content:
            os.kill(os.getpid(), signal.SIGINT)
        return reads(messages)

    llm = ScriptedModel(always=presses, max_input_tokens=128_000)
    with pytest.raises(KeyboardInterrupt) as caught:
        compare(QUESTION, LETTERS, llm, methods=[Direct(), RLM(0)], max_cost_usd=None)
    assert all_of(caught.value.result, "answer")["direct"] == "letter-41"  # type: ignore[attr-defined]


async def test_texts_are_read_in_threads_that_have_the_callers_context() -> None:
    """The corpus, the retriever and what it finds; and a retriever that hangs holds nobody up who gives it up."""
    of_caller = ContextVar[str]("of_caller")
    of_caller.set("mine")
    seen: list[tuple[str, str, bool]] = []

    def look(what: str) -> None:
        seen.append((what, of_caller.get("nobody's"), threading.current_thread() is threading.main_thread()))

    class Found:
        def __init__(self, text: str) -> None:
            self._text = text

        @property
        def page_content(self) -> str:
            look("what is found")
            return self._text

    def corpus() -> Iterator[Document]:
        look("corpus")
        yield Document("a", "The word is HERON.")

    def retriever(question: str, k: int) -> list[Any]:
        look("retriever")
        return [Found("The word is HERON.")]

    await acompare(QUESTION, corpus(), model(), methods=[TopK(1, retriever)], max_cost_usd=None)
    assert {what for what, *_ in seen} == {"corpus", "retriever", "what is found"}
    assert {(whose, on_loop) for _, whose, on_loop in seen} == {("mine", False)}


def test_a_retriever_that_hangs_holds_up_nobody_who_gives_it_up() -> None:
    asked, over = threading.Event(), threading.Event()

    def hangs(question: str, k: int) -> list[str]:
        asked.set()
        over.wait()
        return []

    async def give_up() -> None:
        asking = asyncio.create_task(acompare(QUESTION, LETTERS, model(), methods=[TopK(1, hangs)], max_cost_usd=None))
        while not asked.is_set():
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    giving_up = threading.Thread(target=lambda: asyncio.run(give_up()))
    giving_up.start()
    giving_up.join(30)
    still_waits = giving_up.is_alive()
    over.set()
    giving_up.join()
    assert not still_waits
