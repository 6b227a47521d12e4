"""`as_chat_engine(chat_mode="rlm")`: a chat over one REPL."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core import Document, MockEmbedding, Settings, SummaryIndex, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine import CondensePlusContextChatEngine
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from pydantic import BaseModel, Field

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.session.idle_repls import idle_repls
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.llama_index import RLMChatEngine, RLMQueryEngine, install, uninstall
from rlm_integrations.testing.llama_index import ScriptedLLM

TEXTS = {"ledger": "The passphrase is heliotrope under glass.", "diary": "It rained."}
UNSEEN = {"inline_chars": 0}
COUNT = (
    "```repl\nn = globals().get('n', 0) + 1\ncite('heliotrope under glass')\n"
    "answer['content'] = f'answer {n}'\nanswer['ready'] = True\n```"
)
GOES_ON = "The session goes on"


pytestmark = pytest.mark.usefixtures("nothing_rests")


@pytest.fixture
def index() -> VectorStoreIndex:
    documents = [Document(text=text, doc_id=name) for name, text in TEXTS.items()]
    return VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(embed_dim=4))


def chat_over(index: Any, *replies: str, **options: Any) -> tuple[RLMChatEngine, ScriptedLLM]:
    llm = ScriptedLLM([*replies] or [COUNT] * 4)
    return index.as_chat_engine(chat_mode="rlm", llm=llm, limits=UNSEEN, **options), llm


def said(chat: BaseChatEngine) -> list[tuple[str, str | None]]:
    return [(message.role.value, message.content) for message in chat.chat_history]


async def text_of(chat: BaseChatEngine, way: str, message: str) -> str:
    match way:
        case "chat":
            return str((await asyncio.to_thread(chat.chat, message)).response)
        case "achat":
            return str((await chat.achat(message)).response)
        case "stream_chat":
            return "".join((await asyncio.to_thread(chat.stream_chat, message)).response_gen)
        case _:
            return "".join([piece async for piece in (await chat.astream_chat(message)).async_response_gen()])


WAYS = ("chat", "achat", "stream_chat", "astream_chat")


async def test_each_way_to_chat_goes_on_in_one_repl(index: Any) -> None:
    chat, llm = chat_over(index)
    assert isinstance(chat, BaseChatEngine)
    for number, way in enumerate(WAYS, 1):
        assert await text_of(chat, way, f"by {way}?") == f"answer {number}"
    exchanges = [("user", f"by {way}?") for way in WAYS], [("assistant", f"answer {n}") for n in (1, 2, 3, 4)]
    assert said(chat) == [message for exchange in zip(*exchanges, strict=True) for message in exchange]
    last = llm.requests[3]
    assert GOES_ON in last[-1].content
    assert [message.content for message in last[1:3]] == ["by chat?", "answer 1"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_response_has_its_sources(index: Any, way: str) -> None:
    chat, _ = chat_over(index, COUNT)
    response = getattr(chat, way)("?")
    response = await response if way.startswith("a") else response
    [source] = response.source_nodes
    assert source.node.ref_doc_id == "ledger"
    [output] = response.sources
    assert isinstance(output.raw_output, Response)
    assert output.raw_output.metadata is not None
    assert output.raw_output.metadata["rlm"]["citations"][0]["cited_text"] == "heliotrope under glass"
    assert str(response) == "answer 1"


def test_chats_never_mix_and_reset_forgets(index: Any) -> None:
    (one, llm), (other, _) = chat_over(index), chat_over(index)
    assert [str(each.chat("?")) for each in (one, other, one)] == ["answer 1", "answer 1", "answer 2"]
    one.reset()
    assert one.chat_history == []
    assert len(idle_repls._idle) == 1
    assert str(one.chat("?")) == "answer 1"
    assert len(llm.requests[2]) == 2


def test_a_chat_has_the_history_memory_and_messages_that_it_is_given(index: Any) -> None:
    before = [ChatMessage(role="user", content="Hello."), ChatMessage(role="assistant", content="Good day.")]
    chat, llm = chat_over(index, chat_history=before, system_prompt="Speak as a pirate.")
    chat.chat("?")
    system, *history, _ = llm.requests[0]
    assert "Speak as a pirate." in system.content
    assert "```repl" in system.content
    assert [message.content for message in history] == ["Hello.", "Good day."]
    memory = ChatMemoryBuffer.from_defaults(chat_history=before)
    chat, _ = chat_over(index, memory=memory)
    chat.chat("?")
    assert len(memory.get_all()) == 4


def test_a_history_that_is_passed_stands_for_that_message_alone(index: Any) -> None:
    chat, llm = chat_over(index)
    chat.chat("First?")
    mine = [ChatMessage(role=MessageRole.USER, content="Mine?"), ChatMessage(role=MessageRole.TOOL, content="A tool.")]
    assert str(chat.chat("Second?", chat_history=mine)) == "answer 2"
    assert [(message.role, message.content) for message in llm.requests[1][1:-1]] == [
        ("user", "Mine?"),
        ("assistant", "A tool."),
    ]
    assert [content for _, content in said(chat)] == ["First?", "answer 1", "Second?", "answer 2"]


def test_a_message_that_failed_is_not_kept_and_the_chat_goes_on(index: Any) -> None:
    chat, _ = chat_over(index, COUNT, "", "", COUNT)
    chat.chat("?")
    with pytest.raises(RunError, match="twice in a row with nothing"):
        chat.chat("And?")
    assert str(chat.chat("And now?")) == "answer 2"
    assert [content for _, content in said(chat)] == ["?", "answer 1", "And now?", "answer 2"]


def test_a_chat_over_a_retriever_finds_for_each_message(index: Any) -> None:
    ids = "```repl\nanswer['content'] = len(context)\nanswer['ready'] = True\n```"
    chat, llm = chat_over(index, ids, ids, corpus="retriever", similarity_top_k=1)
    assert [str(chat.chat(question)) for question in ("?", "And?")] == ["1", "1"]
    assert GOES_ON in llm.requests[1][-1].content


def test_a_chat_with_an_output_class_answers_in_its_json(index: Any) -> None:
    class Passphrase(BaseModel):
        text: str

    reply = "```repl\nanswer['content'] = {'text': 'heliotrope'}\nanswer['ready'] = True\n```"
    chat, _ = chat_over(index, reply, output_cls=Passphrase)
    assert str(chat.chat("?")) == '{"text":"heliotrope"}'


def test_it_is_made_of_a_query_engine_too() -> None:
    engine = RLMQueryEngine.from_documents(
        [Document(text=text, doc_id=name) for name, text in TEXTS.items()], llm=ScriptedLLM([COUNT]), limits=UNSEEN
    )
    chat = RLMChatEngine.from_defaults(query_engine=engine)
    assert str(chat.chat("?")) == "answer 1"
    assert chat.query_engine is engine


def test_the_first_places_are_the_mode_and_the_llm(index: Any) -> None:
    chat = index.as_chat_engine("rlm", ScriptedLLM([COUNT]), limits=UNSEEN)
    assert str(chat.chat("?")) == "answer 1"
    with pytest.raises(TypeError, match="takes one more positional argument, llm"):
        index.as_chat_engine("rlm", ScriptedLLM([]), 5)
    with pytest.raises(TypeError, match="has the engine \"rlm\", not 'rag'"):
        index.as_chat_engine("rlm", engine="rag")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"memory": 5}, "memory: int given; pass a memory of LlamaIndex"),
        ({"chat_history": [5]}, "chat_history: holds int; pass a list of ChatMessages"),
        ({"prefix_messages": "x"}, "prefix_messages: str given; pass a list of ChatMessages"),
        ({"system_prompt": ["x"]}, "system_prompt: list given; pass a str"),
        ({"system_prompt": "x", "prefix_messages": [ChatMessage(content="x")]}, "prefix_messages: given with system"),
        ({"limits": {"max_steps": 5}}, "limits: unknown name 'max_steps'"),
    ],
)
def test_wrong_arguments_are_named(index: Any, given: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        index.as_chat_engine(chat_mode="rlm", **{"llm": ScriptedLLM([]), **given})
    assert says in str(caught.value)


def test_other_modes_are_as_they_were_and_so_are_all_once_it_is_uninstalled(index: Any) -> None:
    Settings.llm, Settings.embed_model = MockLLM(), MockEmbedding(embed_dim=4)
    memory = ChatMemoryBuffer.from_defaults()
    other = index.as_chat_engine(chat_mode="condense_plus_context", memory=memory)
    assert isinstance(other, CondensePlusContextChatEngine)
    uninstall()
    try:
        with pytest.raises(ValueError, match="Unknown chat mode: rlm"):
            index.as_chat_engine(chat_mode="rlm")
    finally:
        install()


class Events(BaseEventHandler):
    names: list[str] = Field(default_factory=list)

    def handle(self, event: Any, **_: Any) -> None:
        self.names.append(type(event).__name__)


def test_a_stream_tells_of_itself_as_others_do(index: Any) -> None:
    chat, _ = chat_over(index, COUNT)
    handler, dispatcher = Events(), get_dispatcher()
    dispatcher.add_event_handler(handler)
    try:
        chat.stream_chat("?")
    finally:
        dispatcher.event_handlers.remove(handler)
    told = [name for name in handler.names if name.startswith("StreamChat")]
    assert told[0] == "StreamChatStartEvent"
    assert told[-1] == "StreamChatEndEvent"


def test_an_empty_index_is_no_hindrance_for_another_one() -> None:
    chat, _ = chat_over(SummaryIndex.from_documents([Document(text="heliotrope under glass", doc_id="a")]), COUNT)
    assert str(chat.chat("?")) == "answer 1"
