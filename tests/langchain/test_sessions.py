"""Sessions by the config: calls with one id go on in one REPL, others beside it, and nothing of them mixes."""

from __future__ import annotations

import asyncio
import pickle
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, RunnableConfig
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph, add_messages

from rlm_integrations import Message
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain import ChatRLM, RLMRunnable
from rlm_integrations.testing.langchain import ScriptedChatModel

DOCUMENTS = [Document("a pineapple", id="d0"), Document("b", id="d1")]
UNSEEN = {"inline_chars": 0}
COUNT = "```repl\nn = globals().get('n', 0) + 1\nanswer['content'] = n\nanswer['ready'] = True\n```"
IDS = "```repl\nanswer['content'] = [d['id'] for d in context]\nanswer['ready'] = True\n```"
GOES_ON, BEGUN_ANEW = "The session goes on", "The session of the questions before has ended"


def within(id: Any, key: str = "session_id") -> RunnableConfig:
    return {"configurable": {key: id}}


pytestmark = pytest.mark.usefixtures("nothing_rests")


def counting(*replies: str, **options: Any) -> tuple[RLMRunnable, ScriptedChatModel]:
    llm = ScriptedChatModel(replies=[*replies] or [COUNT] * 4)
    return RLMRunnable(**{"llm": llm, "context": DOCUMENTS, "limits": UNSEEN} | options), llm


def asked(llm: ScriptedChatModel, number: int) -> list[Message]:
    return [*llm.requests[number]]


class History(BaseChatMessageHistory):
    """Of one session, in memory."""

    def __init__(self) -> None:
        self.messages = list[BaseMessage]()

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        self.messages += messages

    def clear(self) -> None:
        self.messages.clear()


def test_calls_with_one_id_go_on_in_one_repl_and_others_in_theirs() -> None:
    rlm, llm = counting()
    answers = [rlm.invoke("?", within(id)).content for id in ("a", "b", "a", "a")]
    assert answers == ["1", "1", "2", "3"]
    assert GOES_ON in asked(llm, 3)[-1].content
    assert [message.content for message in asked(llm, 3)[1:-1]] == ["?", "1", "?", "2"]


def test_calls_without_an_id_are_each_for_themselves() -> None:
    rlm, llm = counting()
    assert [rlm.invoke("?").content for _ in range(2)] == ["1", "1"]
    rlm, llm = counting(session_by=None)
    assert [rlm.invoke("?", within("a")).content for _ in range(2)] == ["1", "1"]
    assert not any(GOES_ON in message.content for message in asked(llm, 1))


async def test_sync_and_async_calls_streams_and_typed_ones_are_of_one_session() -> None:
    rlm, _ = counting()
    assert (await rlm.ainvoke("?", within("a"))).content == "1"
    assert (await asyncio.to_thread(rlm.invoke, "?", within("a"))).content == "2"
    assert "".join([piece.text async for piece in rlm.astream("?", within("a"))]) == "3"
    assert await rlm.with_structured_output(int).ainvoke("?", within("a")) == 4


def test_the_trace_names_the_session_and_the_question() -> None:
    rlm, _ = counting(trace="full")
    for number in (1, 2):
        trace = rlm.invoke("?", within("a")).response_metadata["rlm"]["trace"]
        assert (trace["session"], trace["question_number"]) == ("a", number)


@pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")
def test_a_message_history_and_the_session_have_one_id() -> None:
    rlm, llm = counting()
    histories: dict[str, History] = {}
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("placeholder", "{history}"), ("user", "{q}")])
    chain = RunnableWithMessageHistory(
        prompt | rlm,
        lambda session_id: histories.setdefault(session_id, History()),
        input_messages_key="q",
        history_messages_key="history",
    )
    answers = [chain.invoke({"q": f"{id}?"}, within(id)).content for id in ("a", "b", "a", "b")]
    assert answers == ["1", "1", "2", "2"]
    assert [message.content for message in asked(llm, 2)[1:-1]] == ["a?", "1"]  # once, out of the history
    assert [message.text for message in histories["b"].messages] == ["b?", "1", "b?", "2"]


def test_sessions_side_by_side_never_mix() -> None:
    meet = threading.Barrier(3, timeout=30)

    class Meeting(ScriptedChatModel):
        def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
            meet.wait()
            return super()._generate(messages, *args, **kwargs)

    rlm = RLMRunnable(llm=Meeting(replies=[COUNT] * 9), context=DOCUMENTS, limits=UNSEEN)
    with ThreadPoolExecutor(3) as threads:
        for round_ in ("1", "2", "3"):
            answers = threads.map(lambda id: rlm.invoke(f"of {id}", within(id)).content, "abc")
            assert [*answers] == [round_] * 3


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def test_the_threads_of_a_graph_are_sessions_where_that_is_wanted() -> None:
    rlm, llm = counting(session_by="thread_id")
    builder = StateGraph(State)
    builder.add_node("rlm", rlm.as_node())
    builder.add_edge(START, "rlm")
    graph = builder.compile(checkpointer=InMemorySaver())

    def ask(thread: str) -> str:
        state: Any = {"messages": [HumanMessage("?")]}
        return str(graph.invoke(state, within(thread, "thread_id"))["messages"][-1].content)

    assert [ask(thread) for thread in ("a", "b", "a")] == ["1", "1", "2"]
    assert [message.content for message in asked(llm, 2)[1:-1]] == ["?", "1"]  # once, out of the state


def test_a_chat_model_has_none_for_its_conversation_is_its_messages() -> None:
    chat = ChatRLM(llm=ScriptedChatModel(replies=[COUNT] * 2), context=DOCUMENTS, limits=UNSEEN)
    chain = ChatPromptTemplate.from_template("{q}") | chat
    assert [chain.invoke({"q": "?"}, within("a")).content for _ in range(2)] == ["1", "1"]


def test_a_call_with_the_same_context_goes_on_and_with_another_begins_anew() -> None:
    rlm, llm = counting(COUNT, COUNT, COUNT, IDS, context=None)
    brought = {"question": "?", "context": [Document("x", id="x")]}
    other = {"question": "?", "context": [Document("y", id="y")]}
    assert [rlm.invoke(each, within("a")).content for each in (brought, dict(brought), other)] == ["1", "2", "1"]
    assert f"{BEGUN_ANEW}: this question came with another corpus" in asked(llm, 2)[-1].content
    assert rlm.invoke(other, within("a")).content == '["y"]'
    assert GOES_ON in asked(llm, 3)[-1].content


class Found(BaseRetriever):
    """Finds one document for each query, named after it."""

    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        return [Document(f"about {query}", id=query)]


def test_what_a_retriever_found_for_earlier_questions_can_be_cited_and_comes_back() -> None:
    quote = "```repl\nanswer['content'] = cite('about first')\nanswer['ready'] = True\n```"
    rlm, _ = counting(COUNT, quote, context=Found())
    chain = rlm.with_sources()
    chain.invoke("first", within("a"))
    answer = chain.invoke("second", within("a"))
    assert (answer["answer"], [document.id for document in answer["context"]]) == ("about first", ["first"])


def test_a_tool_that_calls_the_runnable_within_a_session_asks_for_itself() -> None:
    rlm: Any = None

    def again() -> str:
        """Ask again."""
        return str(rlm.invoke("within?").content)

    code = "```repl\nn = 5\nanswer['content'] = again()\nanswer['ready'] = True\n```"
    rlm, _ = counting(code, COUNT, tools=[again])
    assert rlm.invoke("?", within("a")).content == "1"


def test_sessions_are_bounded_and_the_one_asked_longest_ago_ends() -> None:
    rlm, llm = counting(*[COUNT] * 5, limits=UNSEEN | {"max_sessions": 2})
    assert [rlm.invoke("?", within(id)).content for id in ("a", "b", "c", "b", "a")] == ["1", "1", "1", "2", "1"]
    assert len(asked(llm, 4)) == 2  # it is a new one: nothing is remembered of the first


def test_a_runnable_that_is_rebuilt_for_a_call_goes_on() -> None:
    rlm, _ = counting()
    configurable: Any = rlm.configurable_fields(instructions=ConfigurableField(id="instructions"))
    config = {"configurable": {"session_id": "a", "instructions": "Be brief."}}
    assert [configurable.invoke("?", config).content for _ in range(2)] == ["1", "2"]


def test_a_copy_has_sessions_of_its_own() -> None:
    rlm, _ = counting()
    assert rlm.invoke("?", within("a")).content == "1"
    copied = pickle.loads(pickle.dumps(rlm.context))
    assert RLMRunnable(llm=rlm.llm, context=copied, limits=UNSEEN).invoke("?", within("a")).content == "1"


@pytest.mark.parametrize("id", [["a"], {"a": 1}, object()])
def test_what_cannot_name_a_session_is_refused(id: object) -> None:
    rlm, _ = counting()
    with pytest.raises(
        InvalidArgumentError, match=r'config\["configurable"\]\[\'session_id\'\]: \w+ given; pass a str'
    ):
        rlm.invoke("?", within(id))


def test_an_answer_that_failed_is_not_remembered_and_the_session_goes_on() -> None:
    rlm, llm = counting(COUNT, "", "", COUNT)
    assert rlm.invoke("?", within("a")).content == "1"
    with pytest.raises(Exception, match="twice in a row with nothing"):
        rlm.invoke("And?", within("a"))
    assert rlm.invoke("And now?", within("a")).content == "2"
    assert [message.content for message in asked(llm, 3)[1:-1]] == ["?", "1"]


def _messages(answers: Sequence[AIMessage]) -> list[str]:
    return [message.text for message in answers]


async def test_a_batch_within_one_session_is_answered_one_after_another() -> None:
    rlm, _ = counting()
    answers = await rlm.abatch(["?"] * 4, within("a"))
    assert sorted(_messages(answers)) == ["1", "2", "3", "4"]


@pytest.mark.usefixtures("collects_nothing")
async def test_a_runnable_that_nobody_holds_is_freed_with_its_sessions(until: Any) -> None:
    letter = Document("a pineapple")
    left = weakref.ref(letter)
    rlm, _ = counting(context=[letter])
    assert (await rlm.ainvoke("How many?", within("a"))).content == "1"
    assert (await rlm.ainvoke("How many?", within("a"))).content == "2"
    del rlm, letter
    await until(lambda: left() is None)
