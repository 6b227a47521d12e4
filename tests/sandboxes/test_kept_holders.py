"""Of an app with many corpora, such as one for each tenant, only some are held for a next run."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.process import holders as kept
from rlm_integrations.sandboxes.process.helper_client import HOLDER_MIN_CHARS

KEPT = 3


@pytest.fixture(autouse=True)
def few_are_kept(monkeypatch):
    monkeypatch.setattr(kept, "KEPT_HOLDERS", KEPT)


@pytest.fixture
def tenants():
    return [Corpus.of(str(number) * HOLDER_MIN_CHARS) for number in range(2 * KEPT)]


def _holder_of(session) -> int:
    return int(Path(f"/proc/{session.repl.pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_those_used_longest_ago_end_and_are_there_again_when_asked(tenants, open_session, holders, alive, until):
    begun: list[int] = []
    for tenant in tenants:
        session = await open_session(tenant)
        begun.append(_holder_of(session))
        await session.repl.close()
    await until(lambda: not any(map(alive, begun[:-KEPT])))
    assert set(holders()) == set(begun[-KEPT:])
    assert await (await open_session(tenants[0])).value("context[:1]") == "0"


async def test_one_in_use_stays_and_serves_its_next_run(tenants, open_session, until, alive):
    session = await open_session(tenants[0])
    others = await asyncio.gather(*map(open_session, tenants[1:]))
    again = await open_session(tenants[0])
    assert _holder_of(again) == _holder_of(session)
    assert [await other.value("context[:1]") for other in others] == [str(n) for n in range(1, 2 * KEPT)]
    assert await session.value("context[:1]") == "0"


async def test_the_one_that_was_just_used_stays(tenants, open_session, alive):
    first = await open_session(tenants[0])
    holder = _holder_of(first)
    await first.repl.close()
    for tenant in tenants[1:]:
        await (await open_session(tenant)).repl.close()
        session = await open_session(tenants[0])
        assert _holder_of(session) == holder
        await session.repl.close()
    assert alive(holder)


async def test_what_is_gone_takes_no_place_of_those_that_wait(tenants, open_session):
    first = await open_session(tenants[0])
    holder = _holder_of(first)
    await first.repl.close()
    for number in range(KEPT + 1):
        session = await open_session(Corpus.of(f"{number}-" * HOLDER_MIN_CHARS))
        await session.repl.close()
        del session
        gc.collect()
    assert _holder_of(await open_session(tenants[0])) == holder
