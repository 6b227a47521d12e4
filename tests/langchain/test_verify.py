"""`verify=` of RLMRunnable and ChatRLM: what the checks say goes back, and the message says what became of it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from rlm_integrations import InvalidArgumentError, RLMResult, RLMTrace, RunError, Twice
from rlm_integrations.langchain import ChatRLM, RLMRunnable

HERON = 'answer["content"] = "heron"\nanswer["ready"] = True'
MENDED = HERON.replace("heron", "HERON")


def in_capitals(answer: str, _result: RLMResult[Any]) -> str | None:
    return None if answer.isupper() else f"{answer} is not in capitals"


@pytest.mark.parametrize("face", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize("path", ["sync", "async"])
async def test_the_mended_answer_is_the_message(root_model: Any, face: Any, path: str) -> None:
    llm = root_model(HERON, MENDED)
    rlm = face(llm=llm, context="the code word is HERON", verify=in_capitals)
    message = rlm.invoke("word?") if path == "sync" else await rlm.ainvoke("word?")
    assert message.content == "HERON"
    told = message.response_metadata["rlm"]
    assert told["verified"] is True
    assert "objection" not in told
    first, second = RLMTrace.of(message).iterations
    assert [check.objection for check in (*first.checks, *second.checks)] == ["heron is not in capitals", None]


class Bird(BaseModel):
    name: str
    count: int


@pytest.mark.parametrize("schema", [Bird, Bird.model_json_schema()])
def test_a_structured_output_is_checked_as_its_value(root_model: Any, schema: Any) -> None:
    seen: list[Any] = []

    def some(bird: Any, _result: RLMResult[Any]) -> str | None:
        seen.append(bird)
        count = bird.count if isinstance(bird, Bird) else bird["count"]
        return None if count else "there is at least one"

    ready = 'answer["content"] = {"name": "heron", "count": %d}\nanswer["ready"] = True'
    rlm = RLMRunnable(llm=root_model(ready % 0, ready % 1), context="one heron", verify=some)
    bird = rlm.with_structured_output(schema).invoke("which?")
    assert bird == (Bird(name="heron", count=1) if schema is Bird else {"name": "heron", "count": 1})
    assert len(seen) == 2


def test_at_a_limit_the_message_says_that_the_answer_is_not_verified(root_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model(HERON, "say:egret"), context="x", verify=in_capitals, limits={"max_iterations": 1})
    with pytest.warns(RuntimeWarning):
        message = rlm.invoke("word?")
    told = message.response_metadata["rlm"]
    assert (message.content, told["verified"], told["objection"]) == ("egret", False, "egret is not in capitals")


def test_callbacks_are_told_of_each_look(root_model: Any) -> None:
    told: list[tuple[str, Any]] = []

    class Hears(BaseCallbackHandler):
        def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
            told.append((name, data))

    rlm = RLMRunnable(llm=root_model(HERON, MENDED), context="x", verify=in_capitals)
    rlm.invoke("word?", {"callbacks": [Hears()]})
    assert [data for name, data in told if name == "rlm_check"] == [
        {"iteration": 1, "name": "in_capitals", "objection": "heron is not in capitals", "error": None},
        {"iteration": 2, "name": "in_capitals", "objection": None, "error": None},
    ]


def test_a_person_may_be_asked_by_a_check_in_a_graph(root_model: Any) -> None:
    def approved(answer: str, _result: RLMResult[Any]) -> str | None:
        said = interrupt({"approve": answer})
        return None if said == "yes" else said

    graph = StateGraph(MessagesState)
    graph.add_node("rlm", RLMRunnable(llm=root_model(MENDED, MENDED), context="x", verify=approved).as_node())
    graph.add_edge(START, "rlm")
    app = graph.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    first: Any = {"messages": [("human", "word?")]}
    paused = app.invoke(first, config)
    assert paused["__interrupt__"][0].value == {"approve": "HERON"}
    done = app.invoke(Command(resume="yes"), config)
    assert not isinstance(done["messages"][-1], ToolMessage)
    assert done["messages"][-1].content == "HERON"


def test_a_check_that_breaks_raises_with_the_answer(root_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model(MENDED), context="x", verify=lambda answer, _: answer.missing)
    with pytest.raises(RunError, match="verify: <lambda> raised AttributeError") as raised:
        rlm.invoke("word?")
    assert raised.value.result is not None
    assert raised.value.result.answer == "HERON"


@pytest.mark.parametrize("face", [RLMRunnable, ChatRLM])
def test_what_is_no_check_is_refused_by_the_constructor(root_model: Any, face: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="verify: Bird is a class"):
        face(llm=root_model(), verify=Bird)


def test_two_blind_runs_are_below_one_run_and_the_message_says_what_they_came_to(root_model: Any) -> None:
    steps: list[str] = []

    class Hears(BaseCallbackHandler):
        def on_tool_start(self, serialized: Any, input_str: str, **kwargs: Any) -> None:
            steps.append(input_str)

    verdict = 'answer["content"] = {"verdict": "second", "why": "so"}\nanswer["ready"] = True'
    rlm = RLMRunnable(llm=root_model(HERON, MENDED.replace("HERON", "EGRET"), verdict), context="x", verify=Twice())
    message = rlm.invoke("word?", {"callbacks": [Hears()]})
    assert (message.content, message.response_metadata["rlm"]["agreement"]) == ("EGRET", "reconciled")
    assert message.usage_metadata == {
        "input_tokens": 30,
        "output_tokens": 15,
        "total_tokens": 45,
        "input_token_details": {"cache_read": 12},
    }
    assert len(steps) == 3
    assert len(RLMTrace.of(message).beside) == 2


def test_blind_runs_are_not_had_in_a_session(root_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model(), context="x", verify=Twice())
    with pytest.raises(InvalidArgumentError, match="verify: Twice has blind runs, and a session one REPL"):
        rlm.invoke("word?", {"configurable": {"session_id": "1"}})
