"""Calls that are refused cost the code nothing: the journal keeps the first of them, however many it makes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.forged import FORGED
from rlm_integrations import RLMEngine
from rlm_integrations.core.journal import run_journal
from rlm_integrations.testing import ScriptedModel

MANY = f"""```repl
{FORGED}
for n in range(60):
    asked = {{"name": f"tool {{n}}", "args": [], "kwargs": {{}}}}
    os.write(channel, frame(t="call", id=(1 << 30) + n, name="tool", payload=asked))
cite("a text")  # the host begins calls in their order, so it has begun those before
```"""


def test_the_first_of_very_many_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_journal, "MOST_REFUSALS", 20)
    root = ScriptedModel([MANY, '```repl\nFINAL("on we go")\n```'])
    assert RLMEngine(root, journal=path).run("?", "It is a text.").text == "on we go"
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM entries WHERE key LIKE '%|refused'").fetchone() == (20,)
