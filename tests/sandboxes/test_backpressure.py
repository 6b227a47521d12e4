"""A worker that does not read, and one that sends more than the host can hold, in every sandbox that has one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.sandbox import Repl, Sandbox
from rlm_integrations.sandboxes.channel import open_calls, worker_repl
from rlm_integrations.sandboxes.choose import resolve_sandbox
from rlm_integrations.wire.calls import HostCall, Reserve
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import ReplLost, StepDone


@pytest.fixture(params=["process", "wasi"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return resolve_sandbox(request.param)


@pytest.fixture
async def open_repl(
    sandbox: Sandbox, settings: Callable[..., ReplSettings], attach: Callable[..., Any]
) -> AsyncIterator[Callable[..., Any]]:
    opened: list[Repl] = []

    async def open_(**answer: Any) -> Any:
        opened.append(await sandbox.open(Corpus.of(None), settings()))
        return attach(opened[-1], **answer)

    yield open_
    for repl in opened:
        await repl.close()


async def test_a_worker_that_does_not_read_is_killed(open_repl, monkeypatch):
    monkeypatch.setattr(worker_repl, "MAX_UNREAD_BYTES", 1 << 20)
    live = await open_repl()
    worker = live.repl.pid
    async for event in live.events("llm_query('x')"):
        if isinstance(event, HostCall):
            os.kill(worker, signal.SIGSTOP)
            live.repl.reply(event.id, "x" * (8 << 20))
        else:
            assert isinstance(event, ReplLost)
            assert event.reason == "it stopped reading the host's replies"


async def test_large_calls_wait_while_the_host_holds_too_much(open_repl, until, monkeypatch):
    monkeypatch.setattr(open_calls, "MAX_OPEN_CALL_BYTES", 1 << 20)
    live = await open_repl(answer=lambda call: 1 if isinstance(call, Reserve) else None)
    step = asyncio.ensure_future(live.run("print(len(llm_query_batched(['x' * 400_000] * 12)))"))
    await until(lambda: not live.repl._channel.reads)
    assert 2 < len(live.calls) < 10
    live.answer = lambda call: getattr(call, "prompt", 1)
    for call in list(live.calls):
        live.repl.reply(call.id, getattr(call.call, "prompt", 1))
    done = await step
    assert isinstance(done, StepDone)
    assert done.output.head == "12\n"
