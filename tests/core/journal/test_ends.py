"""How a run with a journal ends: its REPL goes while the end is kept, and is gone when the result is there."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import JournalError, ProcessSandbox, RLMEngine
from rlm_integrations.testing import ScriptedModel

CODE = "```repl\nanswer['content'] = 'done'\nanswer['ready'] = True\n```"


class WatchedSandbox(ProcessSandbox):
    """Notes when a REPL begins to close, and that it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    async def open(self, *given: Any, **named: Any) -> Any:
        repl = await super().open(*given, **named)
        close = repl.close

        async def watched() -> None:
            self.notes.append("closing")
            await close()
            self.notes.append("closed")

        setattr(repl, "close", watched)  # noqa: B010
        return repl


async def test_the_repl_ends_while_the_end_is_kept(path: Path) -> None:
    sandbox = WatchedSandbox()

    def note(event: object) -> None:
        if type(event).__name__ == "RunEnded":
            sandbox.notes.append("ended")

    engine = RLMEngine(ScriptedModel([CODE]), journal=path, sandbox=sandbox, on_event=note)
    assert (await engine.arun("?")).answer == "done"
    assert sandbox.notes[0] == "closing"
    assert sorted(sandbox.notes) == ["closed", "closing", "ended"]


async def test_the_repl_is_closed_where_the_end_cannot_be_kept(path: Path) -> None:
    sandbox = WatchedSandbox()

    def refuse(event: object) -> None:
        if type(event).__name__ == "CodeEnded":
            connection = sqlite3.connect(path)
            connection.execute("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT raise(ABORT, 'full'); END")
            connection.close()

    engine = RLMEngine(ScriptedModel([CODE]), journal=path, sandbox=sandbox, on_event=refuse)
    with pytest.raises(JournalError) as raised:
        await engine.arun("?")
    assert raised.value.result is not None
    assert raised.value.result.answer == "done"
    assert sandbox.notes == ["closing", "closed"]
