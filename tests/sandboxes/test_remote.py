"""REPLs on other machines, by an engine that is none: each pool has a thread and an event loop of this process."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.remote import engine as engine_module
from rlm_integrations.sandboxes.remote import placement, sent_corpora
from rlm_integrations.sandboxes.remote.engine import Machine, MachineLostError
from rlm_integrations.sandboxes.remote.pool import NodePool
from rlm_integrations.sandboxes.remote.sandbox import RemoteSandbox
from rlm_integrations.testing.sandbox_contract import OpenRepl, contract_settings
from rlm_integrations.wire.calls import HostCall
from rlm_integrations.wire.steps import ReplLost

SILENCE_S = 1.0


class ThreadPool:
    """A pool, and what may befall it."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self.pool = NodePool(modules)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.called: list[tuple[str, Any]] = []
        self.silent = self.killed = False
        self._lock = threading.Lock()

    def submit(self, method: str, *arguments: Any) -> Future[Any]:
        self.called.append((method, arguments))
        with self._lock:
            if self.killed:
                raise MachineLostError("was lost")
            if self.silent:
                return Future()
            return asyncio.run_coroutine_threadsafe(getattr(self.pool, method)(*arguments), self.loop)

    def end(self) -> None:
        self.killed = True

    def stop(self) -> None:
        """Close what is open there, when what was asked for until now has begun: nothing is asked for any more."""

        async def close() -> None:
            for repl in [*self.pool._repls]:
                await self.pool.close(repl)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        with self._lock:
            self.killed = True
        asyncio.run_coroutine_threadsafe(close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


class ThreadEngine:
    name = "test cluster"

    def __init__(self, *addresses: str) -> None:
        self.known = [Machine(address, address, 1.0) for address in addresses]
        self.pools: list[ThreadPool] = []

    def machines(self) -> list[Machine]:
        return list(self.known)

    def start_pool(self, machine: Machine, modules: tuple[str, ...]) -> ThreadPool:
        self.pools.append(ThreadPool(modules))
        return self.pools[-1]

    def called(self, method: str) -> list[Any]:
        return [arguments for pool in self.pools for name, arguments in pool.called if name == method]


@pytest.fixture
def engine() -> Iterator[ThreadEngine]:
    engine = ThreadEngine("a", "b")
    yield engine
    for pool in engine.pools:
        pool.stop()


@pytest.fixture
def open_on(engine: ThreadEngine) -> Callable[..., Any]:
    sandbox = RemoteSandbox(engine, name="test", imports=(), repls_per_node=2)

    async def open_(context: Any = None, retrieved: Any = (), answer: Any = None) -> OpenRepl:
        corpus = context if isinstance(context, Corpus) else Corpus.of(context)
        repl = await sandbox.open(corpus, contract_settings(), retrieved)
        return OpenRepl(repl, answer) if answer else OpenRepl(repl)

    return open_


def where(live: Any) -> str:
    return live.repl.host.machine.address


async def test_each_machine_has_its_share_and_a_place_that_is_free_again_is_taken(open_on: Any) -> None:
    opened = [await open_on("text") for _ in range(4)]
    assert sorted(map(where, opened)) == ["a", "a", "b", "b"]
    fifth = asyncio.ensure_future(open_on("text"))
    await opened[1].repl.close()
    assert where(await fifth) == where(opened[1])
    for live in [*opened, fifth.result()]:
        await live.repl.close()


async def test_a_repl_that_is_dropped_gives_its_place_back(
    open_on: Any, engine: ThreadEngine, until: Callable[..., Any]
) -> None:
    opened = [await open_on("text") for _ in range(4)]
    ids = {live.repl.id for live in opened}
    del opened
    gc.collect()
    await until(lambda: {repl for (repl,) in engine.called("close")} == ids)
    for live in [await open_on("text") for _ in range(4)]:
        await live.repl.close()


async def test_a_corpus_is_sent_once_to_each_machine_in_pieces_and_is_forgotten_with_its_last_reference(
    open_on: Any, engine: ThreadEngine, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_corpora, "PIECE_BYTES", 100_000)
    corpus = Corpus.of({"long": "é" * 2_000_000, "short": "x" * 70_000, "odd": "\ud800"})
    opened = await asyncio.gather(*(open_on(corpus) for _ in range(4)))
    for live in opened:
        assert await live.value("[(d['id'], len(d['text']), d['text'][-1]) for d in context]") == (
            "[('long', 2000000, 'é'), ('short', 70000, 'x'), ('odd', 1, '\\ud800')]"
        )
    assert len(engine.called("hold")) == 2
    pieces = engine.called("add")
    assert len(pieces) > 40
    assert max(memoryview(data).nbytes for _, _, _, data in pieces) <= 100_000
    await asyncio.gather(*(live.repl.close() for live in opened))
    del opened, live, corpus
    gc.collect()
    await until(lambda: len(engine.called("forget")) == 2)
    await until(lambda: not any(pool.pool._holders for pool in engine.pools))


async def test_what_is_long_besides_the_corpus_crosses_in_pieces_too(
    open_on: Any, engine: ThreadEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_corpora, "PIECE_BYTES", 100_000)
    live = await open_on({"a": "1"}, [Document(f"hit-{n}", "y" * 50_000, {}) for n in range(10)])
    assert await live.value("len(context), sum(len(d['text']) for d in context)") == "(11, 500001)"
    assert len(engine.called("add")) == 6
    await live.repl.close()


async def test_a_machine_that_is_silent_or_lost_ends_the_step_and_others_go_on(
    open_on: Any, engine: ThreadEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module.answer, "__defaults__", (SILENCE_S,))
    first, second = await open_on("text", answer=lambda call: None), await open_on("text")
    events = first.events("llm_query('never answered')")
    assert isinstance(await anext(events), HostCall)
    first.repl.host.pool.silent = True
    lost = await anext(events)
    assert lost == ReplLost(f"the machine that ran it ({where(first)}) did not answer for {SILENCE_S:g} s")
    assert await first.death("1") == lost.reason
    assert not first.repl.leave_loop()
    assert first.repl.host.pool.killed, "what is still there of it is ended"
    assert await second.value("1 + 1") == "2"
    third = await open_on("text")
    assert where(third) == where(second), "it is avoided"
    second.repl.host.pool.killed = True
    assert await second.death("1") == f"the machine that ran it ({where(second)}) was lost"
    for live in (first, second, third):
        await live.repl.close()


async def test_where_a_machine_is_lost_while_a_repl_is_opened_another_opens_it(
    open_on: Any, engine: ThreadEngine
) -> None:
    first, second = await open_on("text"), await open_on("text")
    assert {where(first), where(second)} == {"a", "b"}
    await first.repl.close()
    first.repl.host.pool.killed = True
    third = await open_on("text")
    assert where(third) == where(second)
    second.repl.host.pool.killed = True
    fourth = await open_on("text")  # no other is left, and it may have been the pool alone
    assert await fourth.value("context") == "text"
    for live in (second, third, fourth):
        await live.repl.close()


async def test_an_engine_without_machines_and_one_that_fails_are_told_in_words(
    open_on: Any, engine: ThreadEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThreadPool, "submit", lambda *_: (_ for _ in ()).throw(MachineLostError("was lost")))
    with pytest.raises(
        SandboxError, match=r"no machine of the test cluster started the REPL: \w was lost; \w was lost"
    ):
        await open_on("text")
    engine.known.clear()
    monkeypatch.setattr(placement, "_LOOK_S", 0.0)
    with pytest.raises(SandboxError, match="the test cluster has no machine for REPLs"):
        await open_on("text")


async def test_a_module_that_a_machine_does_not_have_is_named(engine: ThreadEngine) -> None:
    sandbox = RemoteSandbox(engine, name="test", imports=["no_such_module"], repls_per_node=1)
    with pytest.raises(InvalidArgumentError, match="cannot import no_such_module: it is not installed"):
        await sandbox.open(Corpus.of("text"), contract_settings())


async def test_other_versions_are_refused(engine: ThreadEngine) -> None:
    sandbox = RemoteSandbox(engine, name="test", imports=(), repls_per_node=1)
    pool = NodePool.greet

    async def older(self: NodePool, theirs: dict[str, str]) -> dict[str, str]:
        return await pool(self, theirs | {"Python": "3.10"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NodePool, "greet", older)
        with pytest.raises(SandboxError, match=r"\w cannot be used: it has Python 3.1\d, and this program Python 3.10"):
            await sandbox.open(Corpus.of("text"), contract_settings())


def test_layers_are_told_once_where_they_are_the_same_and_else_for_each_machine(engine: ThreadEngine) -> None:
    sandbox = RemoteSandbox(engine, name="test", imports=(), repls_per_node=1)
    same = sandbox.capabilities()
    assert (same.name, same.confined) == ("test", True)
    assert same.layers["machines"] == "a, b of the test cluster"
    assert "seccomp" in same.layers
    first, second = sandbox._placement.hosts()
    assert first.layers is not None
    assert second.layers is not None
    first.layers["landlock"], second.layers["landlock"] = "old", "new"
    told = sandbox.capabilities().layers
    assert (told["landlock (a)"], told["landlock (b)"]) == ("old", "new")
    assert "seccomp" in told


@pytest.mark.parametrize("wrong", [0, -1, "many"])
def test_a_bound_that_is_none_is_refused(engine: ThreadEngine, wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"repls_per_node: .* is no number of REPLs; pass 1 or more"):
        RemoteSandbox(engine, name="test", imports=(), repls_per_node=wrong)
