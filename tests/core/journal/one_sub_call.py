"""Runs of one sub-call each, and what the file holds of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlm_integrations import Message, RLMEngine
from rlm_integrations.testing import ScriptedModel

ASK = "```repl\nanswer['content'] = llm_query('x')\nanswer['ready'] = True\n```"
SECRET = "the word of the day is marmalade"


class Models:
    """A root LM that asks a sub-LM once, and how often the latter was asked."""

    def __init__(self, code: str = ASK) -> None:
        self.llm = ScriptedModel(always=lambda messages: code)
        self.sub_llm = ScriptedModel(always=self.reply)
        self.asked = 0

    def reply(self, messages: Sequence[Message]) -> str:
        self.asked += 1
        return f"{SECRET} {self.asked}"

    def engine(self, journal: Any, **options: Any) -> RLMEngine:
        return RLMEngine(self.llm, sub_llm=self.sub_llm, journal=journal, **options)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
