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


def _holder_of(live) -> int:
    return int(Path(f"/proc/{live.repl.pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_those_used_longest_ago_end_and_are_there_again_when_asked(tenants, open_repl, holders, alive, until):
    begun: list[int] = []
    for tenant in tenants:
        live = await open_repl(tenant)
        begun.append(_holder_of(live))
        await live.repl.close()
    await until(lambda: set(holders()) == set(begun[-KEPT:]))
    assert not any(map(alive, begun[:-KEPT]))
    assert await (await open_repl(tenants[0])).value("context[:1]") == "0"


async def test_one_in_use_stays_and_serves_its_next_run(tenants, open_repl, until, alive):
    live = await open_repl(tenants[0])
    others = await asyncio.gather(*map(open_repl, tenants[1:]))
    again = await open_repl(tenants[0])
    assert _holder_of(again) == _holder_of(live)
    assert [await other.value("context[:1]") for other in others] == [str(n) for n in range(1, 2 * KEPT)]
    assert await live.value("context[:1]") == "0"


async def test_the_one_that_was_just_used_stays(tenants, open_repl, alive):
    first = await open_repl(tenants[0])
    holder = _holder_of(first)
    await first.repl.close()
    for tenant in tenants[1:]:
        await (await open_repl(tenant)).repl.close()
        live = await open_repl(tenants[0])
        assert _holder_of(live) == holder
        await live.repl.close()
    assert alive(holder)


async def test_what_is_gone_takes_no_place_of_those_that_wait(tenants, open_repl):
    first = await open_repl(tenants[0])
    holder = _holder_of(first)
    await first.repl.close()
    for number in range(KEPT + 1):
        live = await open_repl(Corpus.of(f"{number}-" * HOLDER_MIN_CHARS))
        await live.repl.close()
        del live
        gc.collect()
    assert _holder_of(await open_repl(tenants[0])) == holder
