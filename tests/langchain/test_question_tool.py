"""An RLMRunnable as a tool of an agent."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, ToolMessage, messages_to_dict
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import ToolException
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.core.trace.summary import SUMMARY_BYTES
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.langchain.response import CITATIONS_CHARS
from rlm_integrations.testing.langchain import ScriptedChatModel

COUNT = 'answer["content"] = len(context)\nanswer["ready"] = True'
CALL = {"name": "ask_corpus", "args": {"question": "How many?"}, "id": "c1", "type": "tool_call"}


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_an_agent_sees_the_answer_and_the_run_hangs_below_the_tool(mode, root_model, tracer, agent_model):
    rlm = RLMRunnable(llm=root_model(COUNT), context="x" * 9_000)
    agent = create_agent(agent_model(), tools=[rlm.as_tool()])
    asked, config = {"messages": [("user", "How many?")]}, {"callbacks": [tracer]}
    state = agent.invoke(asked, config) if mode == "invoke" else await agent.ainvoke(asked, config)

    assert state["messages"][-1].text == "It is 9000"
    returned = state["messages"][-2]
    assert returned.content == "9000"
    assert returned.artifact.response_metadata["rlm"]["stop_reason"] == "answer"
    lines = tracer.lines()
    place = next(n for n, line in enumerate(lines) if line.strip() == "ask_corpus [tool]")
    depth = len(lines[place]) - len(lines[place].lstrip())
    assert [line[depth:] for line in lines[place : place + 4]] == [
        "ask_corpus [tool]",
        "  RLMRunnable [chain]",
        "    RootModel [chat_model]",
        "    python_repl [tool]",
    ]


async def test_without_a_tool_call_it_returns_the_text(root_model, tracer):
    tool = RLMRunnable(llm=root_model(COUNT, COUNT), context="x" * 9_000).as_tool()
    assert tool.invoke({"question": "How many?"}, {"callbacks": [tracer]}) == "9000"
    assert await tool.ainvoke("How many?") == "9000"
    assert tracer.lines()[:2] == ["ask_corpus [tool]", "  RLMRunnable [chain]"]


def test_name_and_description_tell_of_the_corpus_or_are_the_users(root_model):
    rlm = RLMRunnable(llm=root_model("say:x"), context=["one", "two"])
    tool = rlm.as_tool()
    assert (tool.name, list(tool.args)) == ("ask_corpus", ["question"])
    assert "2 documents" in tool.description
    tool = rlm.as_tool(name="ask_contracts", description="Answers about contracts.")
    assert (tool.name, tool.description) == ("ask_contracts", "Answers about contracts.")


@pytest.mark.parametrize("arguments", [{"args_schema": BaseModel}, {"arg_types": {"q": str}}])
def test_another_schema_is_refused(root_model, arguments):
    with pytest.raises(InvalidArgumentError, match=r"arg(s_schema|_types): the tool takes one argument, question: str"):
        RLMRunnable(llm=root_model("say:x")).as_tool(**arguments)


# -- what checkpoints keep of it

CITE_ALL = 'for each in context:\n    cite(each["text"], each["id"])\n' + COUNT
LETTERS = [Document(f"Letter {n} of the archive was sealed by clerk {n}. " * 2, id=f"l{n}") for n in range(400)]
THREAD = {"configurable": {"thread_id": "1"}}
ASKED = {"messages": [("user", "How many?")]}


@pytest.mark.parametrize(("trace", "size"), [("full", SUMMARY_BYTES), ("summary", SUMMARY_BYTES), ("none", 0)])
def test_a_checkpoint_keeps_a_bounded_artifact_that_still_has_its_trace(trace, size, root_model, agent_model):
    saver = InMemorySaver()
    rlm = RLMRunnable(llm=root_model(CITE_ALL), context=LETTERS, trace=trace)
    agent = create_agent(agent_model(), tools=[rlm.as_tool()], checkpointer=saver)
    agent.invoke(ASKED, THREAD)
    kept = agent.get_state(THREAD).values["messages"][2]
    assert len(saver.serde.dumps_typed(kept.artifact)[1]) < size + CITATIONS_CHARS + 1_000
    artifact = AIMessage.model_validate(kept.artifact)
    report = artifact.response_metadata["rlm"]
    assert len(report["citations"]) + report["omitted_citations"] == 400
    assert artifact.usage_metadata["total_tokens"] == 15
    if trace == "none":
        with pytest.raises(InvalidArgumentError, match="ToolMessage carries no RLM trace"):
            RLMTrace.of(kept)
    else:
        assert RLMTrace.of(kept).answer == "400"
        assert RLMTrace.of(kept.artifact) == RLMTrace.of(kept)


def test_a_trace_is_found_in_a_message_in_any_form_in_which_it_is_kept(root_model):
    message = RLMRunnable(llm=root_model(COUNT), context="x" * 9_000).invoke("How many?")
    trace = RLMTrace.of(message)
    told = ToolMessage("9000", tool_call_id="c1", artifact=message)
    report = message.response_metadata["rlm"]
    carriers = [
        message.model_dump(),
        dumpd(message),
        told,
        told.model_dump(),
        report,
        *messages_to_dict([message, told]),
    ]
    assert [RLMTrace.of(carrier) for carrier in carriers] == [trace] * len(carriers)


def test_a_trace_is_found_in_the_outputs_that_hold_a_message(root_model):
    rlm = RLMRunnable(llm=root_model(COUNT, COUNT), context="x" * 9_000)
    assert RLMTrace.of(rlm.with_sources().invoke("How many?")).answer == "9000"
    assert RLMTrace.of(rlm.with_structured_output(int, include_raw=True).invoke("How many?")).answer == "9000"


@pytest.mark.parametrize("carrier", [{}, {"rlm": None}, {"artifact": {"artifact": {}}}, None, "a str"])
def test_what_carries_none_says_so(carrier):
    with pytest.raises(InvalidArgumentError, match=r"carrier: this .* carries no RLM trace"):
        RLMTrace.of(carrier)


# -- progress


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_an_agents_custom_stream_shows_the_progress(mode, root_model, agent_model):
    rlm = RLMRunnable(llm=root_model("print(1)", COUNT), context="x" * 9_000)
    agent = create_agent(agent_model(), tools=[rlm.as_tool()])
    if mode == "sync":
        parts = list(agent.stream(ASKED, stream_mode="custom"))
    else:
        parts = [part async for part in agent.astream(ASKED, stream_mode="custom")]
    assert [part["rlm_iteration"]["iteration"] for part in parts] == [1, 2]


# -- runs that fail


def failing() -> RLMRunnable:
    replies = ["```repl\nanswer['content'] = 'so far'\n```", RuntimeError("the server is down")]
    return RLMRunnable(llm=ScriptedChatModel(replies), context="x" * 9_000)


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_an_agent_survives_a_run_that_fails_and_is_told_why(mode, agent_model):
    agent = create_agent(agent_model(), tools=[failing().as_tool()])
    state = agent.invoke(ASKED) if mode == "sync" else await agent.ainvoke(ASKED)
    told = state["messages"][2]
    assert (told.status, told.name, told.tool_call_id) == ("error", "ask_corpus", "c1")
    assert "the server is down" in told.content
    assert "so far" in told.content
    trace = RLMTrace.of(told)
    assert (trace.answer, trace.iteration_count) == ("so far", 2)
    assert "the server is down" in trace.error


def test_an_agent_is_told_what_kept_a_run_from_its_answer():
    llm = ScriptedChatModel(always=lambda _: "```repl\npd.DataFrame(context)\n```")
    rlm = RLMRunnable(llm=llm, context="x" * 9_000, limits={"max_iterations": 3})
    told = rlm.as_tool().invoke(CALL)
    assert told.content.endswith("each of the last 4 steps failed: NameError: name 'pd' is not defined")


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_question_that_is_none_is_told_to_the_agent(mode, root_model):
    call = {**CALL, "args": {"question": "  "}}
    tool = RLMRunnable(llm=root_model(), context="x" * 9_000).as_tool()
    told = tool.invoke(call) if mode == "sync" else await tool.ainvoke(call)
    assert (told.status, "question: is empty" in told.content) == ("error", True)


def test_what_a_failed_run_says_is_the_users_to_set():
    tool = failing().as_tool()
    tool.handle_tool_error = "Ask again later."
    assert tool.invoke(CALL).content == "Ask again later."
    tool = failing().as_tool()
    tool.handle_tool_error = lambda error: f"{type(error).__name__} of {type(error.__cause__).__name__}"
    assert tool.invoke({"question": "q"}) == f"{ToolException.__name__} of {RootModelError.__name__}"
    tool = failing().as_tool()
    tool.handle_tool_error = False
    with pytest.raises(RootModelError) as caught:
        tool.invoke(CALL)
    assert caught.value.result.text == "so far"


def test_a_wrong_context_is_the_developers_to_mend_and_no_word_to_the_agent(root_model, tmp_path):
    gone = RLMRunnable(llm=root_model()).bind(context="x").as_tool()
    with pytest.raises(InvalidArgumentError, match="context: a call takes no such keyword"):
        gone.invoke(CALL)


# -- of a runnable with a config, retries, fallbacks


class Tags(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_chain_start(self, serialized: Any, inputs: Any, *, tags: Any = None, **kwargs: Any) -> None:
        self.seen.append(tags)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda rlm: rlm.with_config(tags=["mine"]),
        lambda rlm: rlm.with_retry(stop_after_attempt=2).with_config(tags=["mine"]),
        lambda rlm: rlm.with_config(tags=["mine"]).with_retry(stop_after_attempt=2),
        lambda rlm: rlm.bind(stop=None).with_config(tags=["mine"]),
        lambda rlm: rlm.with_types(input_type=str).with_config(tags=["mine"]),
        lambda rlm: rlm.with_listeners(on_end=lambda run: None).with_config(tags=["mine"]),
        lambda rlm: rlm.with_fallbacks([rlm]).with_config(tags=["mine"]),
        lambda rlm: rlm.configurable_fields(limits=ConfigurableField(id="limits")).with_config(tags=["mine"]),
    ],
    ids=["config", "retry+config", "config+retry", "bind", "types", "listeners", "fallbacks", "configurable"],
)
async def test_a_wrapped_runnable_is_the_same_tool(wrap, mode, root_model):
    tags = Tags()
    rlm = RLMRunnable(llm=root_model(COUNT), context=LETTERS)
    tool = wrap(rlm).as_tool()
    assert (tool.name, "400 documents" in tool.description) == ("ask_corpus", True)
    config = {"callbacks": [tags]}
    told = tool.invoke(CALL, config) if mode == "sync" else await tool.ainvoke(CALL, config)
    assert (told.content, RLMTrace.of(told).answer) == ("400", "400")
    assert "mine" in tags.seen[-1]
    assert wrap(rlm).as_tool(name="other", description="Of another.").description == "Of another."


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_its_retries_and_fallbacks_come_before_the_agent_is_told(mode, root_model, agent_model):
    broken = RLMRunnable(llm=ScriptedChatModel(always=lambda _: RuntimeError("down")), context=LETTERS)
    tool = broken.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).as_tool()
    told = tool.invoke(CALL) if mode == "sync" else await tool.ainvoke(CALL)
    assert (told.status, len(broken.llm.requests)) == ("error", 2)
    spare = RLMRunnable(llm=root_model(COUNT), context=LETTERS)
    for fallback, says in ((spare, "400"), (agent_model() | (lambda _: AIMessage("plain")), "plain")):
        tool = broken.with_fallbacks([fallback]).as_tool()
        told = tool.invoke(CALL) if mode == "sync" else await tool.ainvoke(CALL)
        assert (told.content, told.status) == (says, "success")
