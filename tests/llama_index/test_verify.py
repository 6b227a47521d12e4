"""`verify=` of RLMQueryEngine: what the checks say goes back, and the response says what became of it."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from pydantic import BaseModel

from rlm_integrations import InvalidArgumentError, RLMResult, RLMTrace, Twice
from rlm_integrations.llama_index import RLMAnswerCheckEvent, RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM

DOCUMENTS = [Document(text="the code word is HERON", doc_id="words")]


def ready(expression: str) -> str:
    return f"```repl\nanswer['content'] = {expression}\nanswer['ready'] = True\n```"


def in_capitals(answer: str, _result: RLMResult[Any]) -> str | None:
    return None if answer.isupper() else f"{answer} is not in capitals"


class Hears(BaseEventHandler):
    events: list[Any]

    def handle(self, event: Any, **kwargs: Any) -> None:
        if isinstance(event, RLMAnswerCheckEvent):
            self.events.append(event)


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_the_mended_answer_is_the_response(path: str) -> None:
    llm = ScriptedLLM([ready("'heron'"), ready("'HERON'")])
    engine: Any = SummaryIndex.from_documents(DOCUMENTS).as_query_engine(engine="rlm", llm=llm, verify=in_capitals)
    dispatcher, hears = get_dispatcher(), Hears(events=[])
    dispatcher.add_event_handler(hears)
    try:
        response = engine.query("word?") if path == "sync" else await engine.aquery("word?")
    finally:
        dispatcher.event_handlers.remove(hears)
    assert response.response == "HERON"
    assert response.metadata["rlm"]["verified"] is True
    assert [len(iteration.checks) for iteration in RLMTrace.of(response).iterations] == [1, 1]
    looks = [(event.iteration, event.name, event.objection) for event in hears.events]
    assert looks == [(1, "in_capitals", "heron is not in capitals"), (2, "in_capitals", None)]


class Bird(BaseModel):
    count: int


def test_an_output_class_is_checked_as_its_value() -> None:
    async def some(bird: Bird, _result: RLMResult[Any]) -> str | None:
        return None if bird.count else "there is at least one"

    llm = ScriptedLLM([ready('{"count": 0}'), ready('{"count": 1}')])
    engine = RLMQueryEngine.from_documents(DOCUMENTS, llm=llm, verify=some, output_cls=Bird)
    response: Any = engine.query("how many?")
    assert response.response == Bird(count=1)


def test_at_a_limit_the_response_says_that_the_answer_is_not_verified() -> None:
    llm = ScriptedLLM([ready("'heron'"), "egret"])
    engine = RLMQueryEngine.from_documents(DOCUMENTS, llm=llm, verify=in_capitals, limits={"max_iterations": 1})
    with pytest.warns(RuntimeWarning):
        response: Any = engine.query("word?")
    told = response.metadata["rlm"]
    assert (response.response, told["verified"], told["objection"]) == ("egret", False, "egret is not in capitals")


def test_what_is_no_check_is_refused_by_the_constructor() -> None:
    with pytest.raises(InvalidArgumentError, match="verify: 3 is no function"):
        RLMQueryEngine.from_documents(DOCUMENTS, llm=ScriptedLLM([]), verify=3)  # type: ignore[arg-type]


def test_two_blind_runs_are_one_response_over_the_index() -> None:
    llm = ScriptedLLM([ready("len(context)"), ready("1")])
    engine = SummaryIndex.from_documents(DOCUMENTS).as_query_engine(engine="rlm", llm=llm, verify=Twice())
    response: Any = engine.query("how many?")
    assert (response.response, response.metadata["rlm"]["agreement"]) == ("1", "agreed")
    assert len(RLMTrace.of(response).beside) == 1
