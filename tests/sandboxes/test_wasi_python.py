"""The Python of the WASI sandbox: what it has, and what the root LM is told that it has not."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("wasi_component")


async def test_it_knows_the_time_and_draws_its_own_chance(open_wasi):
    draws = set()
    for _ in range(2):
        session = await open_wasi()
        draws.add(await session.value("import random, uuid, time, os\nrandom.random(), uuid.uuid4(), os.urandom(4)"))
        assert await session.value("import time, datetime\ndatetime.date.today().year >= 2026") == "True"
        assert await session.value("import zoneinfo\nstr(zoneinfo.ZoneInfo('Europe/Berlin'))") == "Europe/Berlin"
        assert await session.value("import os, sys\ndict(os.environ), sys.argv") == "({}, [''])"
    assert len(draws) == 2
