"""Runs whose answers are checked."""

from __future__ import annotations

from typing import Any

from rlm_integrations import RLMResult
from rlm_integrations.testing import ScriptedModel


def in_capitals(answer: str, _result: RLMResult[Any]) -> str | None:
    return None if answer.isupper() else f"{answer} is not in capitals"


def last_message(llm: ScriptedModel) -> str:
    return llm.requests[-1][-1].content


def upper(value: str) -> str:
    if not value.isupper():
        raise ValueError("not in capitals")
    return value.title()
