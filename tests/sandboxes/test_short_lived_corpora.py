"""A corpus that many runs are over stays held, however many others come and go beside it."""

from __future__ import annotations

import gc
from pathlib import Path

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.sandboxes.process import holders as kept
from rlm_integrations.sandboxes.process.helper_client import HOLDER_MIN_CHARS


def _holder_of(session) -> int:
    return int(Path(f"/proc/{session.repl.pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_what_is_gone_takes_no_place_of_those_that_wait(open_session, monkeypatch):
    monkeypatch.setattr(kept, "KEPT_HOLDERS", 3)
    shared = Corpus.of("s" * HOLDER_MIN_CHARS)
    session = await open_session(shared)
    holder = _holder_of(session)
    await session.repl.close()
    for number in range(4):
        session = await open_session(Corpus.of(str(number) * HOLDER_MIN_CHARS))
        await session.repl.close()
        del session
        gc.collect()
    assert _holder_of(await open_session(shared)) == holder
