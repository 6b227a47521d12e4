"""What LangChain's events say of `verify=Twice()`."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations import Twice
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel


def final(value: object) -> str:
    return f"```repl\nFINAL({value!r})\n```"


async def agreements(rlm: RLMRunnable) -> list[Any]:
    events = [event async for event in rlm.astream_events("?", version="v2")]
    return [event["data"] for event in events if event["name"] == "rlm_agreement"]


@pytest.mark.filterwarnings("ignore:the two runs:RuntimeWarning")
async def test_an_event_says_whether_they_agreed_and_whose_answer_was_taken() -> None:
    def runnable(*answers: object, reconcile: bool = True) -> RLMRunnable:
        llm = ScriptedChatModel([final(answer) for answer in answers])
        return RLMRunnable(llm=llm, context="text", verify=Twice(reconcile=reconcile))

    assert await agreements(runnable("heron", "Heron")) == [{"agreement": "agreed", "attempt": 1}]
    said = {"verdict": "second", "why": "it counts", "answer": None}
    assert await agreements(runnable("heron", "egret", said)) == [{"agreement": "reconciled", "attempt": 2}]
    told = await agreements(runnable("heron", "egret", reconcile=False))
    assert told == [{"agreement": "differed", "attempt": 1}]


async def test_one_run_has_none() -> None:
    assert await agreements(RLMRunnable(llm=ScriptedChatModel([final("heron")]), context="text")) == []
