"""What wraps a model or the runnable: bind, retries, fallbacks, graphs."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any, get_type_hints

import httpx
import openai
import pytest
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnablePassthrough, RunnableWithFallbacks
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel


def test_models_with_bind_retry_and_fallbacks(root_model):
    class FlakyError(RuntimeError):
        pass

    flaky = ScriptedChatModel([FlakyError("first"), "retried"])
    retrying = flaky.with_retry(retry_if_exception_type=(FlakyError,), wait_exponential_jitter=False)
    assert RLMRunnable(llm=retrying).invoke("q").content == "retried"
    falling = ScriptedChatModel([FlakyError("down")]).with_fallbacks([root_model("say:fallback")])
    assert RLMRunnable(llm=falling).invoke("q").content == "fallback"
    assert RLMRunnable(llm=root_model("say:bound").bind(stop=["x"])).invoke("q").content == "bound"


def test_the_runnable_itself_falls_back(root_model):
    broken = RLMRunnable(llm=ScriptedChatModel([RuntimeError("down")]))
    with pytest.raises(RootModelError):
        broken.invoke("q")
    broken = RLMRunnable(llm=ScriptedChatModel([RuntimeError("down")]))
    assert broken.with_fallbacks([RLMRunnable(llm=root_model("say:up"))]).invoke("q").content == "up"


@pytest.fixture
def limited(serve_posts: Callable[..., str], http_clients: tuple[httpx.Client, httpx.AsyncClient]) -> ChatOpenAI:
    """A model whose server refuses its first request as too many, and answers the others."""
    requests: list[bytes] = []

    def post(handler: Any, body: bytes) -> None:
        requests.append(body)
        message = {"role": "assistant", "content": "up"}
        reply: dict[str, Any] = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "model": "m"}
        if len(requests) == 1:
            reply = {"error": {"message": "too many", "type": "requests", "code": "rate_limit_exceeded"}}
        data = json.dumps(reply).encode()
        handler.send_response(429 if len(requests) == 1 else 200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    clients: Any = {"http_client": http_clients[0], "http_async_client": http_clients[1]}
    return ChatOpenAI(model="m", base_url=serve_posts(post), api_key="none", max_retries=0, **clients)


@pytest.mark.parametrize("face", [RLMRunnable, ChatRLM])
@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream"])
@pytest.mark.parametrize("wrapped", ["retry", "fallbacks", "chain"])
async def test_the_providers_classes_of_errors_count(
    face: Any, way: str, wrapped: str, limited: ChatOpenAI, root_model: Callable[..., Any]
) -> None:
    rlm: Any = face(llm=limited)
    if wrapped == "fallbacks":
        up = face(llm=root_model("say:up"))
        asked = rlm.with_fallbacks([up], exceptions_to_handle=(openai.APIError,))
    else:
        chain = rlm if wrapped == "retry" else ChatPromptTemplate.from_template("{q}") | rlm
        retried = (openai.RateLimitError,)
        asked = chain.with_retry(retry_if_exception_type=retried, wait_exponential_jitter=False, stop_after_attempt=2)
    question = {"q": "q"} if wrapped == "chain" else "q"
    if way == "stream":  # LangChain retries no stream
        if wrapped != "fallbacks":
            with pytest.raises(openai.RateLimitError, match="the root LM failed in iteration 1") as caught:
                list(asked.stream(question))
            assert isinstance(caught.value, RootModelError)
            assert (caught.value.status_code, caught.value.result.trace.iteration_count) == (429, 1)
            return
        answer = "".join(chunk.text for chunk in asked.stream(question))
    else:
        answer = (await asked.ainvoke(question) if way == "ainvoke" else asked.invoke(question)).text
    assert answer == "up"


def test_graphs_and_schemas_can_be_had(root_model):
    chain = ChatPromptTemplate.from_template("{q}") | RLMRunnable(llm=root_model("say:x"))
    assert "RLMRunnable" in chain.get_graph().draw_mermaid()
    assert chain.last.get_output_schema().model_json_schema()
    assert chain.last.get_input_schema().model_json_schema()


def test_with_retry_runs_again_after_a_failed_run(root_model):
    llm = ScriptedChatModel([RuntimeError("down"), "up"])
    rlm = RLMRunnable(llm=llm).with_retry(retry_if_exception_type=(RootModelError,), wait_exponential_jitter=False)
    assert rlm.invoke("q").content == "up"


async def test_fallbacks_stream_and_batch_too(root_model):
    def broken() -> Any:
        down = RLMRunnable(llm=ScriptedChatModel([RuntimeError("down")]))
        return down.with_fallbacks([RLMRunnable(llm=root_model("say:up"))], exceptions_to_handle=(RootModelError,))

    assert "".join(chunk.content for chunk in broken().stream("q")) == "up"
    assert [message.content for message in await broken().abatch(["q"])] == ["up"]


def test_fields_are_configured_for_a_call(root_model):
    first, second = root_model("say:first", name="first"), root_model("say:second", name="second")
    rlm = RLMRunnable(llm=first).configurable_fields(
        llm=ConfigurableField(id="model"),
        limits=ConfigurableField(id="limits"),
        trace=ConfigurableField(id="trace"),
    )
    chosen = rlm.with_config(configurable={"model": second, "limits": {"max_iterations": 3}, "trace": "full"})
    message = chosen.invoke("q")
    assert message.content == "second"
    assert message.response_metadata["rlm"]["trace"]["limits"]["max_iterations"] == 3
    assert rlm.invoke("q").content == "first"


def test_alternatives_are_chosen_between(root_model):
    rlm = RLMRunnable(llm=root_model("say:rlm")).configurable_alternatives(
        ConfigurableField(id="engine"), default_key="rlm", plain=root_model("say:plain")
    )
    assert rlm.invoke("q").content == "rlm"
    assert rlm.with_config(configurable={"engine": "plain"}).invoke("q").content == "plain"


@pytest.mark.parametrize("made", [lambda rlm: rlm, lambda rlm: lambda: rlm], ids=["given", "made when chosen"])
def test_alternatives_are_a_tool_that_chooses_in_each_call(made, root_model):
    first = RLMRunnable(llm=root_model("say:first"), context="the corpus")
    second = RLMRunnable(llm=root_model("say:second"), context="another")
    field = ConfigurableField(id="engine")
    tool = first.configurable_alternatives(field, default_key="first", second=made(second)).as_tool(name="ask")
    assert (list(tool.args), "10 characters" in tool.description) == (["question"], True)
    assert tool.invoke({"question": "q"}) == "first"
    assert tool.invoke({"question": "q"}, {"configurable": {"engine": "second"}}) == "second"


async def test_names_tags_and_metadata_of_with_config_reach_every_call(root_model, sub_model, tracer):
    code = 'answer["content"] = llm_query("a")\nanswer["ready"] = True'
    rlm = RLMRunnable(llm=root_model(code), sub_llm=sub_model, context="c")
    named = rlm.with_config(run_name="contracts", tags=["nightly"], metadata={"team": "legal"})
    await named.ainvoke("q", {"callbacks": [tracer], "tags": ["mine"]})
    assert tracer.lines() == [
        "contracts [chain]",
        "  RootModel [chat_model]",
        "  python_repl [tool]",
        "    SubModel [chat_model]",
    ]
    for _, run in tracer.runs():
        assert {"nightly", "mine"} <= set(run.tags), run.name
        assert run.extra["metadata"]["team"] == "legal", run.name


def test_assign_and_pick_go_on_with_the_answer_and_its_sources(root_model):
    code = 'answer["content"] = context[0]["text"]\nanswer["ready"] = True'
    rlm = RLMRunnable(llm=root_model(code, code), context=["the text"])
    assigned = RunnablePassthrough.assign(answer=rlm | (lambda message: message.text))
    assert assigned.invoke({"question": "q"}) == {"question": "q", "answer": "the text"}
    picked = rlm.with_sources().assign(length=lambda given: len(given["answer"])).pick(["answer", "length"])
    assert picked.invoke("q") == {"answer": "the text", "length": 8}


def test_what_is_bound_must_be_an_option_of_a_call(root_model):
    with pytest.raises(InvalidArgumentError, match=r"stop: a call takes no such keyword"):
        RLMRunnable(llm=root_model("say:x")).bind(stop=["x"]).invoke("q")


def test_the_input_schema_has_the_forms_of_a_chat_model_and_a_dict(root_model):
    schema = RLMRunnable(llm=root_model("say:x")).get_input_schema().model_json_schema()
    kinds = {form.get("type", "a message") for form in schema["anyOf"]}
    assert {"string", "array", "object"} <= kinds


class Count(BaseModel):
    n: int


@pytest.mark.parametrize("broken", [False, True])
def test_fallbacks_that_were_put_together_by_hand_have_the_methods_too(root_model: Any, broken: bool) -> None:
    code = "cite('a line')\nanswer['content'], answer['ready'] = {'n': 3}, True"

    def by_hand() -> Any:
        first = ScriptedChatModel([RuntimeError("down")]) if broken else root_model(code)
        made = [RLMRunnable(llm=llm, context=[Document("a line", id="a")]) for llm in (first, root_model(code))]
        return RunnableWithFallbacks(runnable=made[0], fallbacks=[made[1]])

    given = by_hand().with_sources().invoke("q")
    assert (json.loads(given["answer"]), [document.id for document in given["context"]]) == ({"n": 3}, ["a"])
    assert by_hand().with_structured_output(Count).invoke("q") == Count(n=3)
    [message] = by_hand().as_node().invoke({"messages": [("user", "q")]})["messages"]
    assert json.loads(message.text) == {"n": 3}


def test_every_method_of_a_runnable_may_be_asked_what_it_gives(root_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model("say:x"))
    for runnable in (rlm, rlm.with_sources(), rlm.with_structured_output(Count), rlm.bind()):
        own = [name for kind in type(runnable).__mro__ if kind.__module__.startswith("rlm_") for name in vars(kind)]
        asked_for = [name for name in own if name[0] != "_" and not hasattr(RunnableWithFallbacks, name)]
        methods = [getattr(runnable, name) for name in asked_for]
        for method in filter(inspect.ismethod, methods):
            assert "return" in get_type_hints(method) or not method.__annotations__


def test_a_tool_is_called_by_the_name_of_its_runnable(root_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model("say:x"), name="letters")
    assert [rlm.as_tool().name, rlm.bind().as_tool().name, rlm.as_tool(name="find").name] == [
        "ask_letters",
        "ask_letters",
        "find",
    ]
    assert RLMRunnable(llm=root_model("say:x")).as_tool().name == "ask_corpus"
