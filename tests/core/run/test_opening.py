"""What a run reads and writes before its root LM is asked: in a thread where that takes long, and else without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest

from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import describe
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.run.opening import opens_quickly, read_off_loop

T = TypeVar("T")
LONG = "A line of a log that nobody reads.\n" * 10_000
DOCUMENTS = [{"id": f"d{n}", "text": f"{n} {LONG[:500]}", "n": n} for n in range(100)]
LIMITS = RLMLimits()


class CountedThreads(RunThreads):
    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        self.asked += 1
        return await super().run(function, *args)


@pytest.fixture
async def threads() -> AsyncIterator[CountedThreads]:
    threads = CountedThreads()
    yield threads
    threads.close()


@pytest.mark.parametrize("context", [None, "A short text\nof two lines."])
async def test_what_is_short_is_read_at_once(context: str | None, threads: CountedThreads) -> None:
    assert (await read_off_loop(context, threads)).chars == len(context or "")
    assert threads.asked == 0


@pytest.mark.parametrize("context", [LONG, DOCUMENTS, "A text that might be the name of a file. " * 20])
async def test_what_may_take_long_is_read_in_a_thread_once(context: object, threads: CountedThreads) -> None:
    corpus = await read_off_loop(context, threads)
    assert corpus.chars
    assert await read_off_loop(corpus, threads) is corpus
    assert threads.asked == 1


async def test_a_corpus_that_no_run_has_looked_through_is_so_in_a_thread(threads: CountedThreads) -> None:
    corpus = Corpus.of(LONG)
    assert await read_off_loop(corpus, threads) is corpus
    assert threads.asked == 1


def test_documents_open_quickly_once_they_are_described() -> None:
    corpus = Corpus.of(DOCUMENTS)
    assert not opens_quickly(corpus, LIMITS)
    described = describe(corpus, LIMITS, b"k")
    assert opens_quickly(corpus, LIMITS)
    assert describe(corpus, LIMITS, b"k") == described


def test_a_text_opens_quickly_unless_much_of_it_is_shown() -> None:
    assert opens_quickly(Corpus.of(LONG), LIMITS)
    assert not opens_quickly(Corpus.of(LONG), RLMLimits(inline_chars=200_000))
    assert not opens_quickly(Corpus.of(LONG), RLMLimits(preview_chars=200_000))


def test_many_documents_do_not_open_quickly() -> None:
    corpus = Corpus.of([f"The text of document {n}." for n in range(2_000)])
    describe(corpus, LIMITS, b"k")
    assert not opens_quickly(corpus, LIMITS)
