"""REPLs over files that were written elsewhere: where no corpus of Python is, as on another machine."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.sandboxes.channel.fork_client import ForkClient, ServerGoneError
from rlm_integrations.sandboxes.process.corpus_files import write_documents, write_setup
from rlm_integrations.sandboxes.process.helper_client import HelperClient
from rlm_integrations.sandboxes.process.ready_worker import wait_until_ready
from rlm_integrations.sandboxes.process.repl import ProcessRepl
from rlm_integrations.wire.settings import ReplSettings

DOCUMENTS = {"short": "one\r\n\0", "long \ud800": "é" * 2_000_000, "astral": "😀"}


@pytest.fixture
def client() -> Iterator[HelperClient]:
    client = HelperClient((), confined=True)
    yield client
    client.shut_down()


@pytest.fixture
def open_from(client: HelperClient, settings: Callable[..., ReplSettings], attach: Callable[..., Any]) -> Any:
    async def open_(corpus: Corpus, holder: ForkClient | None, *retrieved: Document) -> Any:
        setup = write_setup(corpus, settings(), retrieved, held=holder is not None)
        try:
            worker = client.start_worker_from(setup, holder)
        finally:
            os.close(setup)
        assert wait_until_ready(worker, 256)
        return attach(ProcessRepl(worker, settings()))

    return open_


def holder_over(client: HelperClient, corpus: Corpus) -> ForkClient:
    files = write_documents(corpus)
    try:
        return client.start_holder_over(*files)
    finally:
        for file in files:
            os.close(file)


async def test_many_repls_have_the_documents_of_one_pair_of_files(client: HelperClient, open_from: Any) -> None:
    corpus = Corpus.of(DOCUMENTS)
    holder = holder_over(client, corpus)
    for retrieved in ([], [Document("hit", "9", {"n": 1})]):
        live = await open_from(corpus, holder, *retrieved)
        seen = f"{[each.id for each in [*corpus.documents, *retrieved]]!r}"
        assert await live.value("[d['id'] for d in context]") == seen
        assert await live.value("context[0]['text'], len(context[1]['text']), context[2]['text']") == (
            "('one\\r\\n\\x00', 2000000, '😀')"
        )
        await live.repl.close()


async def test_a_helper_that_has_ended_is_started_again_for_the_same_files(
    client: HelperClient, open_from: Any, children: Callable[[int], list[int]]
) -> None:
    before = set(children(os.getpid()))
    first = await open_from(Corpus.of("small"), None)
    (helper,) = set(children(os.getpid())) - before
    ended = os.pidfd_open(first.repl.pid)
    os.kill(helper, signal.SIGKILL)
    assert select.select([ended], [], [], 10)[0]
    os.close(ended)
    assert await first.death("1") == "its process was ended from outside"
    second = await open_from(Corpus.of("small"), None)
    assert await second.value("context") == "small"
    await first.repl.close()
    await second.repl.close()


async def test_a_holder_that_has_ended_is_told(client: HelperClient, open_from: Any) -> None:
    corpus = Corpus.of(DOCUMENTS)
    holder = holder_over(client, corpus)
    holder.close()
    with pytest.raises(ServerGoneError):
        await open_from(corpus, holder)
