"""The recorded input of a run has the shape of the real one, so histories keep what was said and records replay."""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.documents import Document
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, message_to_dict, messages_from_dict
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tracers.schemas import Run
from langchain_openai import ChatOpenAI

from rlm_integrations import RLMTrace
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain import RLMRunnable

pytestmark = pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")

DOCUMENTS = [Document("a pineapple", id="d0"), Document("b", id="d1")]
SESSION: RunnableConfig = {"configurable": {"session_id": "s"}}
LONG = "said before " * 3_000


class SQLHistory(BaseChatMessageHistory):
    """As those over databases: a message is a row of JSON, and each call opens its own connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._run("CREATE TABLE IF NOT EXISTS said (message TEXT)")

    def _run(self, command: str, *rows: tuple[str, ...]) -> list[Any]:
        connection = sqlite3.connect(self._path)
        try:
            if rows:
                connection.executemany(command, rows)
                connection.commit()
                return []
            return connection.execute(command).fetchall()
        finally:
            connection.close()

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        return messages_from_dict([json.loads(row[0]) for row in self._run("SELECT message FROM said")])

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        rows = [(json.dumps(message_to_dict(message)),) for message in messages]
        self._run("INSERT INTO said VALUES (?)", *rows)

    def clear(self) -> None:
        self._run("DELETE FROM said")


@pytest.fixture
def history(tmp_path: Any) -> SQLHistory:
    return SQLHistory(str(tmp_path / "history.db"))


@pytest.fixture
def served(
    serve_posts: Callable[..., str], http_clients: tuple[httpx.Client, httpx.AsyncClient]
) -> tuple[ChatOpenAI, list[list[dict[str, Any]]]]:
    """A root LM behind HTTP that answers each question with its number, and the messages that it was sent."""
    requests: list[list[dict[str, Any]]] = []

    def post(handler: Any, body: bytes) -> None:
        requests.append(json.loads(body)["messages"])
        code = f"```repl\nanswer['content'] = 'answer {len(requests)}'\nanswer['ready'] = True\n```"
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": code}}
        reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        data = json.dumps(reply).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    clients: Any = {"http_client": http_clients[0], "http_async_client": http_clients[1]}
    return ChatOpenAI(model="m", base_url=serve_posts(post), api_key="none", max_retries=0, **clients), requests


YES = "answer = {'content': 'yes', 'ready': True}"
COUNT = "answer = {'content': str([d['id'] for d in context]), 'ready': True}"
KEYS: dict[str, tuple[dict[str, str], Callable[[str], Any]]] = {
    "a str": ({}, lambda said: said),
    "a message": ({}, HumanMessage),
    "messages": ({}, lambda said: [HumanMessage(said)]),
    "pairs": ({}, lambda said: [("user", said)]),
    "question alone": ({"input_messages_key": "question"}, lambda said: {"question": said}),
    "question and chat_history": (
        {"input_messages_key": "question", "history_messages_key": "chat_history"},
        lambda said: {"question": said, "context": DOCUMENTS},
    ),
    "input and history": (
        {"input_messages_key": "input", "history_messages_key": "history"},
        lambda said: {"input": said, "language": "en"},
    ),
    "messages in a dict": ({"input_messages_key": "messages"}, lambda said: {"messages": [HumanMessage(said)]}),
}


@pytest.mark.parametrize(
    ("form", "way"),
    [*((form, "invoke") for form in KEYS), ("question and chat_history", "stream"), ("messages", "ainvoke")],
)
async def test_a_history_keeps_what_was_said_and_the_root_lm_is_told(
    form: str, way: str, history: SQLHistory, served: tuple[ChatOpenAI, list[list[dict[str, Any]]]]
) -> None:
    keys, asked = KEYS[form]
    llm, requests = served
    talk = RunnableWithMessageHistory(RLMRunnable(llm=llm, context=DOCUMENTS), lambda session_id: history, **keys)
    for said in ("one?", "two?", "three?"):
        if way == "ainvoke":
            await talk.ainvoke(asked(said), SESSION)
        elif way == "stream":
            list(talk.stream(asked(said), SESSION))
        else:
            talk.invoke(asked(said), SESSION)

    assert [(isinstance(message, AIMessage), message.text) for message in history.messages] == [
        (False, "one?"),
        (True, "answer 1"),
        (False, "two?"),
        (True, "answer 2"),
        (False, "three?"),
        (True, "answer 3"),
    ]
    told = requests[2][1:-1]
    assert [message["content"] for message in told] == ["one?", "answer 1", "two?", "answer 2"]


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke"])
async def test_a_history_keeps_a_message_whole_that_a_tracer_is_shown_the_head_of(
    way: str, history: SQLHistory, root_model: Callable[..., Any], tracer: Any
) -> None:
    rlm = RLMRunnable(llm=root_model(YES))
    talk = RunnableWithMessageHistory(rlm, lambda session_id: history)
    config: RunnableConfig = {**SESSION, "callbacks": [tracer]}
    asked = [HumanMessage(LONG), HumanMessage("And?")]
    if way == "ainvoke":
        await talk.ainvoke(asked, config)
    elif way == "stream":
        list(talk.stream(asked, config))
    else:
        talk.invoke(asked, config)

    assert [message.text for message in history.messages] == [LONG, "And?", "yes"]
    (run,) = tracer.named("RLMRunnable")
    shown = run.inputs["input"]
    assert [type(message) for message in shown] == [HumanMessage, HumanMessage]
    assert shown[0].text == f"{LONG[:2_000]}… [36,000 characters in all]"


def test_listeners_of_a_chain_see_its_own_run(root_model: Callable[..., Any]) -> None:
    seen: list[Run] = []
    chain = ChatPromptTemplate.from_template("{q}") | RLMRunnable(llm=root_model(YES))
    chain.with_listeners(on_end=seen.append).invoke({"q": LONG})
    assert [run.inputs for run in seen] == [{"q": LONG}]


@pytest.mark.filterwarnings("ignore:input. .* not read, and there is no corpus:UserWarning")
@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("q", {"input": "q"}),
        ([("user", "q")], {"input": [HumanMessage("q")]}),
        ({"question": "q", "lang": "en"}, {"question": "q", "lang": "en"}),
        ({"query": "q", "k": 3, "store": object()}, {"query": "q", "k": 3, "store": "[object]"}),
        ({"question": "q", "history": [("ai", "a")]}, {"question": "q", "history": [AIMessage("a")]}),
        (
            {"question": "q", "context": None, "chat_history": []},
            {"question": "q", "context": None, "chat_history": []},
        ),
        (
            {"question": "q", "context": [Document("x" * 40)]},
            {"question": "q", "context": {"rlm_corpus": "1 document, 40 characters"}},
        ),
    ],
)
def test_a_record_has_the_shape_of_the_input(
    asked: Any, shown: Any, root_model: Callable[..., Any], tracer: Any
) -> None:
    RLMRunnable(llm=root_model("say:yes")).invoke(asked, {"callbacks": [tracer]})
    assert tracer.roots[0].inputs == shown


def test_messages_are_recorded_without_the_traces_of_earlier_runs(root_model: Callable[..., Any], tracer: Any) -> None:
    rlm = RLMRunnable(llm=root_model("say:one", "say:two"), context=DOCUMENTS)
    before = rlm.invoke("q")
    rlm.invoke([HumanMessage("q"), before, HumanMessage("and?")], {"callbacks": [tracer]})
    assert [m.text for m in tracer.roots[0].inputs["input"]] == ["q", "one", "and?"]
    assert tracer.roots[0].inputs["input"][1].response_metadata == {}
    assert RLMTrace.of(before).stop_reason == "plain_reply"


@pytest.mark.parametrize("asked", ["q", {"question": "q", "lang": "en"}, {"messages": [HumanMessage("q")]}])
def test_a_record_that_is_asked_again_adds_nothing_to_the_corpus(
    asked: Any, root_model: Callable[..., Any], tracer: Any
) -> None:
    rlm = RLMRunnable(llm=root_model(COUNT, COUNT), context=DOCUMENTS)
    rlm.invoke(asked, {"callbacks": [tracer]})
    with warnings.catch_warnings(action="ignore"):  # `load` is a beta
        recorded = load(json.loads(json.dumps(dumpd(tracer.roots[0].inputs))), allowed_objects="messages")
    assert rlm.invoke(recorded.get("input", recorded)).text == "['d0', 'd1']"


def test_a_record_cannot_bring_its_context_again(root_model: Callable[..., Any], tracer: Any) -> None:
    llm = root_model(COUNT, COUNT)
    asked = {"question": "q", "context": [Document("of the call", id="c0")]}
    RLMRunnable(llm=llm, context=DOCUMENTS).invoke(asked, {"callbacks": [tracer]})
    recorded = tracer.roots[0].inputs

    missing = "context: the recorded input tells of 1 document, 11 characters, which a record does not hold"
    with pytest.warns(RuntimeWarning, match=f"{missing}: the run goes over the constructor's context alone"):
        answer = RLMRunnable(llm=llm, context=DOCUMENTS).invoke(recorded)
    assert answer.text == "['d0', 'd1']"
    with pytest.raises(InvalidArgumentError, match=f"{missing}; pass the documents or the retriever again"):
        RLMRunnable(llm=llm).invoke(recorded)
