"""RLMMiddleware in real agents of `create_agent`."""

from __future__ import annotations

import copy
import pickle
from typing import Any, NotRequired

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import Field

from rlm_integrations import InvalidArgumentError, RLMTrace
from rlm_integrations.langchain import RLMMiddleware, RLMRunnable

COUNT = "answer['content'] = len(context)\nanswer['ready'] = True"
NAMES = "answer['content'] = ', '.join(d['id'] + '=' + d['text'] for d in context)\nanswer['ready'] = True"
LETTERS = [Document(f"letter {n}. " * 100, id=f"l{n}") for n in range(30)]
ASKED: Any = {"messages": [("user", "How many?")]}
THREAD: Any = {"configurable": {"thread_id": "1"}}


class OwnModel(BaseChatModel):
    """The model of an agent and of its RLM: calls the tool it is offered, repeats what it said, writes code as root."""

    code: str = COUNT
    offered: list[list[str]] = Field(default_factory=list)
    told: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "own"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(names=[tool.name for tool in tools])

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        if "```repl" in messages[0].text:
            reply = AIMessage(f"```repl\n{self.code}\n```")
        elif isinstance(messages[-1], ToolMessage):
            reply = AIMessage(f"It is {messages[-1].text}")
        else:
            self.offered.append(kwargs.get("names", []))
            self.told.append(messages[0].text if messages[0].type == "system" else "")
            calls = [{"name": name, "args": {"question": "How many?"}, "id": f"c-{name}"} for name in self.offered[-1]]
            reply = AIMessage("" if calls else "No tool", tool_calls=calls)
        reply.usage_metadata = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        reply.response_metadata = {"model_name": "own"}
        return ChatResult(generations=[ChatGeneration(message=reply)])


def own_model(code: str = COUNT) -> OwnModel:
    return OwnModel(code=code)


async def ask(agent: Any, mode: str, value: Any = ASKED, config: Any = None) -> list[Any]:
    state = agent.invoke(value, config) if mode == "sync" else await agent.ainvoke(value, config)
    return state["messages"]


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_an_agent_asks_its_corpus_with_its_own_model_and_all_tokens_are_counted(mode, tracer):
    model = own_model()
    agent = create_agent(model, system_prompt="Be brief.", middleware=[RLMMiddleware(LETTERS)])
    with get_usage_metadata_callback() as usage:
        messages = await ask(agent, mode, config={"callbacks": [tracer]})
    assert messages[-1].text == "It is 30"
    assert usage.usage_metadata["own"]["total_tokens"] == 45
    told = messages[2]
    assert told.artifact.usage_metadata["total_tokens"] == 15
    assert (RLMTrace.of(told).answer, RLMTrace.of(told).context[:12]) == ("30", "30 documents")
    assert model.told[0].startswith("Be brief.\n\n## `ask_corpus`")
    assert "(30 documents, 32,000 characters)" in model.told[0]
    lines = [line.strip() for line in tracer.lines()]
    place = lines.index("ask_corpus [tool]")
    assert lines[place : place + 4] == [
        "ask_corpus [tool]",
        "RLMRunnable [chain]",
        "OwnModel [chat_model]",
        "python_repl [tool]",
    ]


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_model_of_its_own_and_the_other_arguments_of_a_runnable(mode, root_model):
    root = root_model("answer['content'] = f'{tally()} of {len(context)}'\nanswer['ready'] = True")

    def tally() -> int:
        return 7

    middleware = RLMMiddleware(
        LETTERS, llm=root, tools=[tally], tool_name="ask_letters", tool_description="Of letters.", agent_prompt=""
    )
    model = own_model()
    messages = await ask(create_agent(model, middleware=[middleware]), mode)
    assert messages[-1].text == "It is 7 of 30"
    assert (model.offered, model.told) == ([["ask_letters"]], [""])
    assert middleware.tools[0].description == "Of letters."


def test_a_retriever_is_a_corpus_and_several_corpora_are_several_tools():
    found = RunnableLambda(lambda query: [Document("found", id="f")])
    model = own_model(NAMES)
    middleware = [RLMMiddleware(found, tool_name="ask_web"), RLMMiddleware({"a": "A", "b": "B"}, tool_name="ask_files")]
    state = create_agent(model, middleware=middleware).invoke(ASKED)
    assert model.offered == [["ask_web", "ask_files"]]
    assert [message.text for message in state["messages"][2:4]] == ["f=found", "a=A, b=B"]


def test_middleware_with_a_name_has_a_tool_with_that_name():
    model = own_model(NAMES)
    middleware = [RLMMiddleware({"a": "A"}, name="letters"), RLMMiddleware({"b": "B"}, name="Notes of the clerk!")]
    state = create_agent(model, middleware=middleware).invoke(ASKED)
    assert model.offered == [["ask_letters", "ask_Notes_of_the_clerk"]]
    assert [message.text for message in state["messages"][2:4]] == ["a=A", "b=B"]
    assert RLMMiddleware({"a": "A"}, name="letters", tool_name="find").tools[0].name == "find"
    for name in (None, "", "手紙"):
        assert RLMMiddleware({"a": "A"}, name=name).tools[0].name == "ask_corpus"


class Files(AgentMiddleware):
    """Keeps files in the state, as other middleware does."""

    class state_schema(AgentState):  # noqa: N801 - LangChain's name
        files: NotRequired[dict[str, Any]]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    ("brought", "answer"),
    [
        ({"context": [Document("one", id="x")]}, "x=one"),
        ({"context": {"n.txt": "two"}}, "n.txt=two"),
        ({"files": {"a.md": "plain", "b.md": {"content": ["two", "lines"]}}}, "a.md=plain, b.md=two\nlines"),
        ({"files": {"a.md": {"content": "text"}}, "context": []}, "a.md=text"),
    ],
)
async def test_the_state_brings_the_corpus_and_a_checkpointer_keeps_it(brought, answer, mode):
    model = own_model(NAMES)
    agent = create_agent(model, middleware=[Files(), RLMMiddleware()], checkpointer=InMemorySaver())
    assert (await ask(agent, mode, {**ASKED, **brought}, THREAD))[-1].text == f"It is {answer}"
    assert (await ask(agent, mode, ASKED, THREAD))[-1].text == f"It is {answer}"
    assert "the documents of this conversation" in model.told[0]


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_without_a_corpus_there_is_no_tool(mode):
    model = own_model()
    assert (await ask(create_agent(model, middleware=[RLMMiddleware()]), mode))[-1].text == "No tool"
    assert (model.offered, model.told) == ([[]], [""])


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("own", [True, False])
async def test_a_call_without_a_corpus_is_refused_at_once(own, mode, root_model, agent_model):
    """A model may call what it is not offered: it remembers the tool from before, or makes it up."""
    root = root_model()
    agent = create_agent(agent_model(), middleware=[RLMMiddleware() if own else RLMMiddleware(llm=root)])
    *_, told, answer = await ask(agent, mode)
    assert (told.status, told.artifact) == ("error", None)
    assert told.text.startswith("there are no documents to read: the state of this conversation has neither `context`")
    assert answer.text == f"It is {told.text}"
    assert not root.requests


def test_each_call_has_the_model_that_made_it():
    small, large = (
        own_model("answer = {'content': 'small', 'ready': True}"),
        own_model("answer = {'content': 'large', 'ready': True}"),
    )

    class Choose(AgentMiddleware):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            chosen = large if "large" in request.messages[0].text else small
            return handler(request.override(model=chosen))

    agent = create_agent(own_model(), middleware=[Choose(), RLMMiddleware(LETTERS)])
    for asked in ("large", "small", "large"):
        assert agent.invoke({"messages": [("user", asked)]})["messages"][-1].text == f"It is {asked}"


def test_a_call_that_another_process_made_needs_a_model():
    agent = create_agent(own_model(), middleware=[RLMMiddleware(LETTERS)], checkpointer=InMemorySaver())
    call = {"name": "ask_corpus", "args": {"question": "How many?"}, "id": "c1"}
    agent.update_state(THREAD, {"messages": [("user", "q"), AIMessage("", tool_calls=[call])]}, as_node="model")
    with pytest.raises(InvalidArgumentError, match=r"another process; pass RLMMiddleware\(llm=\.\.\.\)"):
        agent.invoke(None, THREAD)


def test_progress_is_streamed_and_no_code():
    agent = create_agent(own_model(), middleware=[RLMMiddleware(LETTERS)])
    parts = list(agent.stream(ASKED, stream_mode=["custom", "messages"]))
    assert [part["rlm_iteration"]["iteration"] for kind, part in parts if kind == "custom"] == [1]
    assert not any("repl" in part[0].text for kind, part in parts if kind == "messages")


@pytest.mark.parametrize(
    "arguments",
    [
        {"limits": {"max_steps": 1}},
        {"max_iterations": 5},
        {"context": 5},
        {"tool_name": 5},
        {"tool_description": ["x"]},
        {"agent_prompt": 5},
        {"name": 5},
    ],
)
def test_wrong_arguments_are_refused_at_construction(arguments):
    with pytest.raises(InvalidArgumentError, match=f"{next(iter(arguments))}"):
        RLMMiddleware(**arguments)


def test_without_langchain_the_error_says_what_to_install_and_the_rest_works(run_program_without):
    code = (
        "from rlm_integrations.langchain import *\n"
        "print(RLMRunnable.__name__)\n"
        "from rlm_integrations.langchain import RLMMiddleware"
    )
    ran = run_program_without("langchain", code)
    assert ran.stdout == f"{RLMRunnable.__name__}\n"
    assert "MissingExtraError: RLMMiddleware is for create_agent of the langchain package" in ran.stderr
    assert 'pip install "langchain>=1"' in ran.stderr


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda middleware: pickle.loads(pickle.dumps(middleware))])
def test_a_copy_of_the_middleware_serves_an_agent_too(copied):
    model = own_model()
    middleware = RLMMiddleware(LETTERS)
    for each in (middleware, copied(middleware)):
        agent = create_agent(model, middleware=[each])
        assert agent.invoke(ASKED)["messages"][-1].text == "It is 30"
