"""Engines whose root LM writes code in fences, or hands it over by a tool: each test holds for both."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.language_model import CodeProtocol
from rlm_integrations.testing import PythonCalls, ScriptedModel
from rlm_integrations.testing.scripted_model import Reply

NOTES = {"a": "The kiln was lit on Monday.", "b": "The kiln went out on Friday.", "c": "Nothing happened."}
LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000)) + "the code word is HERON\n"
FINISH = 'answer["content"] = {}\nanswer["ready"] = True'
PROTOCOL: CodeProtocol = "fence"


@pytest.fixture(params=["fence", "tool"], autouse=True)
def each_protocol(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each test of a file that imports this."""
    monkeypatch.setattr(sys.modules[__name__], "PROTOCOL", request.param)


def engine(llm: ScriptedModel, **options: Any) -> RLMEngine[Any]:
    return RLMEngine(llm, protocol=PROTOCOL, **options)


def repl(*codes: str) -> Reply:
    """A reply that runs these."""
    if PROTOCOL == "tool":
        return PythonCalls(*codes, text="Some thought.")
    return in_fences(*codes)


def in_fences(*codes: str) -> str:
    return "\n\n".join(["Some thought.", *(f"```repl\n{code}\n```" for code in codes)])


def finish(expression: str) -> Reply:
    return repl(FINISH.format(expression))
