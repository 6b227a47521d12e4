"""What RLMRunnable's methods give of one that is wrapped: that with the wrapping, whichever came first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel

from rlm_integrations import RLMTrace
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

WHALE, COW = Document("The whale is large.", id="w"), Document("The cow is not.", id="c")
STATE = {"messages": [("user", "Which?")]}


class Animal(BaseModel):
    name: str


def code(name: str) -> str:
    return f"```repl\ncite({name!r})\nanswer['content'] = {{'name': {name!r}}}\nanswer['ready'] = True\n```"


def rlm_of(*replies: Any, **options: Any) -> RLMRunnable:
    return RLMRunnable(llm=ScriptedChatModel(list(replies)), context=[WHALE, COW], **options)


METHODS: dict[str, Callable[[Any], Any]] = {
    "with_sources": lambda rlm: rlm.with_sources(),
    "with_structured_output": lambda rlm: rlm.with_structured_output(Animal),
    "both": lambda rlm: rlm.with_sources().with_structured_output(Animal),
    "both, the other way round": lambda rlm: rlm.with_structured_output(Animal).with_sources(),
    "as_node": lambda rlm: rlm.as_node(),
}


def answered(given: Any) -> str:
    """The animal that an output names, whose form depends on the method."""
    if isinstance(given, Animal):
        return given.name
    if "messages" in given:
        return given["messages"][-1].additional_kwargs.get("parsed", given["messages"][-1].text)
    (source,) = given["context"]
    named = given["answer"].name if isinstance(given["answer"], Animal) else given["answer"]
    assert ("whale" in named) == (source is WHALE)
    return named


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda rlm, method: method(rlm.with_config(run_name="Mine", tags=["mine"], metadata={"of": "me"})),
        lambda rlm, method: method(rlm.with_retry().with_config(run_name="Mine", tags=["mine"], metadata={"of": "me"})),
        lambda rlm, method: method(rlm).with_config(run_name="Mine", tags=["mine"], metadata={"of": "me"}),
    ],
    ids=["config", "retry+config", "after"],
)
async def test_a_config_is_that_of_the_run(method, mode, wrap, tracer):
    asked = wrap(rlm_of(code("whale")), method)
    config = {"callbacks": [tracer]}
    given = asked.invoke(STATE, config) if mode == "sync" else await asked.ainvoke(STATE, config)
    assert "whale" in answered(given)
    (run,) = tracer.roots
    assert (run.name, run.tags, run.metadata["of"]) == ("Mine", ["mine"], "me")


@pytest.mark.parametrize(
    "method",
    [
        lambda rlm: rlm.with_sources().with_config(tags=["mine"]).with_structured_output(Animal),
        lambda rlm: rlm.with_structured_output(Animal).with_config(tags=["mine"]).with_sources(),
        lambda rlm: rlm.with_sources().with_retry().with_config(tags=["mine"]).with_structured_output(Animal),
        lambda rlm: rlm.with_structured_output(Animal).with_retry().with_config(tags=["mine"]).with_sources(),
    ],
)
def test_a_config_between_two_methods_stays(method, tracer):
    given = method(rlm_of(code("whale"))).invoke("Which?", {"callbacks": [tracer]})
    assert (given["answer"], given["context"]) == (Animal(name="whale"), [WHALE])
    assert tracer.roots[0].tags == ["mine"]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_retries_and_fallbacks_and_alternatives_are_made(method):
    broken = RuntimeError("down")
    assert "whale" in answered(method(rlm_of(broken, code("whale")).with_retry()).invoke(STATE))
    assert "cow" in answered(method(rlm_of(broken).with_fallbacks([rlm_of(code("cow"))])).invoke(STATE))
    chosen = ConfigurableField(id="animal")
    others = {"cow": rlm_of(code("cow")), "late": lambda: rlm_of(code("cow"))}
    asked = method(rlm_of(code("whale")).configurable_alternatives(chosen, **others))
    for name in others:
        assert "cow" in answered(asked.invoke(STATE, {"configurable": {"animal": name}}))
    assert "whale" in answered(asked.invoke(STATE))


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_fields_are_chosen_in_each_call(method):
    rlm = rlm_of(code("whale"), code("whale"))
    asked = method(rlm.configurable_fields(instructions=ConfigurableField(id="instructions")))
    assert "whale" in answered(asked.invoke(STATE, {"configurable": {"instructions": "Only of the sea."}}))
    assert "whale" in answered(asked.invoke(STATE))
    told, not_told = [request[0].content for request in rlm.llm.requests]
    assert "Only of the sea." in told
    assert "Only of the sea." not in not_told


def test_a_session_of_a_config_goes_on_whatever_is_asked_for():
    rlm = rlm_of(*[code("whale")] * 3).with_config(configurable={"session_id": "of user 7"})
    rlm.invoke("Which?")
    assert RLMTrace.of(rlm.with_sources().invoke("And now?")["message"]).question_number == 2
    raw = rlm.with_structured_output(Animal, include_raw=True).invoke("And then?")
    assert RLMTrace.of(raw["raw"]).question_number == 3


def test_a_fallback_without_the_method_is_named():
    rlm = rlm_of(code("whale")).with_fallbacks([FakeListChatModel(responses=["a"])])
    with pytest.raises(InvalidArgumentError, match="with_sources: FakeListChatModel is among the runnables to fall"):
        rlm.with_sources()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda rlm: rlm,
        lambda rlm: rlm.configurable_fields(limits=ConfigurableField(id="limits")),
        lambda rlm: rlm.with_retry(),
    ],
)
def test_what_is_no_schema_is_refused_at_once(wrap):
    with pytest.raises(InvalidArgumentError, match="schema: None given"):
        wrap(rlm_of()).with_structured_output(None)


@pytest.mark.parametrize("method", ["with_sources", "with_structured_output"])
@pytest.mark.parametrize("wrap", [lambda given: given, lambda given: given.with_config(tags=["mine"])])
def test_what_gives_no_text_is_no_tool(method, wrap):
    given = rlm_of().with_sources() if method == "with_sources" else rlm_of().with_structured_output(Animal)
    with pytest.raises(InvalidArgumentError, match=r"as_tool: .* use RLMRunnable\(\.\.\.\)\.as_tool\(\)"):
        wrap(given).as_tool(name="ask", description="Asks.")


def test_the_schema_of_sources_is_what_they_are():
    schema = rlm_of().with_sources().get_output_jsonschema()
    assert list(schema["$defs"]["SourcedAnswer"]["properties"]) == ["answer", "context", "message"]
