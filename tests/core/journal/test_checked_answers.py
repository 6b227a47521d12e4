"""The journal and what may refuse an answer: the user's checks, and the rules of its type."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel

from rlm_integrations import Message, RLMEngine, RLMResult
from rlm_integrations.testing import ScriptedModel


class Root:
    """A root LM that counts."""

    def __init__(self, form: str = "{}") -> None:
        self.asked = 0
        self._form = form

    def reply(self, messages: Sequence[Message]) -> str:
        self.asked += 1
        content = self._form.replace("{}", str(self.asked))
        return f"```repl\nanswer['content'] = {content!r}\nanswer['ready'] = True\n```"

    def engine(self, path: Path, **options: Any) -> RLMEngine[Any]:
        return RLMEngine(ScriptedModel(always=self.reply), journal=path, **options)


def at_least(least: int) -> Any:
    def check(answer: Any, _result: RLMResult[Any]) -> str | None:
        return None if int(answer) >= least else f"less than {least}"

    return check


async def test_an_answer_that_a_stricter_type_refuses_is_mended(path: Path) -> None:
    def large(n: int) -> int:
        if n < 2:
            raise ValueError("too small")
        return n

    loose = type("Count", (BaseModel,), {"__annotations__": {"n": int}})
    strict = type("Count", (BaseModel,), {"__annotations__": {"n": Annotated[int, AfterValidator(large)]}})
    root = Root('{"n": {}}')
    assert (await root.engine(path, answer_type=loose).arun("?")).answer.n == 1
    mended = await root.engine(path, answer_type=strict).arun("?")
    assert (mended.answer.n, root.asked) == (2, 2)
    again = await root.engine(path, answer_type=strict).arun("?")
    assert (again.answer.n, again.trace.journal, root.asked) == (2, "finished", 2)


async def test_answers_are_checked_anew_and_kept_once(path: Path) -> None:
    root = Root()
    for least, answer, asked in ((2, "2", 2), (2, "2", 2), (3, "3", 3), (1, "1", 3)):
        result = await root.engine(path, verify=at_least(least)).arun("?")
        assert (result.answer, result.verified, root.asked) == (answer, True, asked)
    connection = sqlite3.connect(path)
    kept = connection.execute("SELECT key, count(*) FROM entries GROUP BY key HAVING count(*) > 1").fetchall()
    connection.close()
    assert not kept
