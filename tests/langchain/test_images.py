"""Pictures of LangChain's messages and documents reach sub-LMs that see, and are refused by name where they cannot."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI
from langchain_text_splitters import RecursiveCharacterTextSplitter

from rlm_integrations import Image, InvalidArgumentError, Message
from rlm_integrations.langchain import ChatRLM, RLMRunnable, inputs
from rlm_integrations.langchain.language_model import LangChainModel, to_langchain
from rlm_integrations.testing.langchain import ScriptedChatModel

PNG = b"\x89PNG\r\n\x1a\n of a kettle"
DATA = base64.b64encode(PNG).decode()
URL = f"data:image/png;base64,{DATA}"
FORMS: dict[str, dict[str, Any]] = {
    "standard": {"type": "image", "base64": DATA, "mime_type": "image/png"},
    "standard with a data URL": {"type": "image", "url": URL},
    "older standard": {"type": "image", "source_type": "base64", "data": DATA, "mime_type": "image/png"},
    "OpenAI's": {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
    "OpenAI's, short": {"type": "image_url", "image_url": URL},
    "Anthropic's": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
}
LOOK = """```repl
seen = [d for d in context if "images" in d]
FINAL(f'{[d["id"] for d in seen]}: {llm_query("What is it?", images=seen)}')
```"""


def see(messages: Sequence[Message]) -> str:
    return " and ".join(f"{len(image.data)} bytes of {image.mime_type}" for image in messages[-1].images)


def models() -> tuple[ScriptedChatModel, ScriptedChatModel]:
    return ScriptedChatModel([LOOK]), ScriptedChatModel(always=see)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chat", [False, True])
def test_a_picture_in_a_message_reaches_the_sub_lm(form: str, chat: bool) -> None:
    llm, sub_llm = models()
    rlm: Any = ChatRLM(llm=llm, sub_llm=sub_llm) if chat else RLMRunnable(llm=llm, sub_llm=sub_llm)
    asked = [
        SystemMessage("Be brief."),
        HumanMessage([{"type": "text", "text": "What is on it?"}, FORMS[form]]),
    ]
    assert rlm.invoke(asked).content == f"['message-2']: {len(PNG)} bytes of image/png"
    assert sub_llm.requests[0][-1].images[0].data == PNG
    assert all(not message.images for message in llm.requests[0])
    assert DATA not in str(llm.requests)


async def test_pictures_of_a_history_of_a_tool_and_of_a_prompt() -> None:
    llm, sub_llm = models()
    call = {"name": "screenshot", "args": {}, "id": "1"}
    history = [
        HumanMessage([FORMS["standard"]]),
        AIMessage("", tool_calls=[call]),
        ToolMessage([FORMS["OpenAI's"]], tool_call_id="1", name="screenshot"),
        AIMessage([{"type": "text", "text": "Done."}, FORMS["standard"]]),
    ]
    template = [
        ("placeholder", "{history}"),
        ("human", [{"type": "image_url", "image_url": "{picture}"}, "And {what}?"]),
    ]
    chain = ChatPromptTemplate.from_messages(template) | RLMRunnable(llm=llm, sub_llm=sub_llm, context=["a text"])
    reply = await chain.ainvoke({"history": history, "picture": URL, "what": "now"})
    named = ["message-1", "message-3", "message-4", "message-5"]
    assert reply.content.startswith(f"{named}: ")
    assert len(sub_llm.requests[0][-1].images) == 4


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({"type": "image_url", "image_url": {"url": "http://169.254.169.254/x"}}, "and it is not fetched"),
        ({"type": "image", "url": "file:///etc/passwd"}, "'file:///etc/passwd', and it is not fetched"),
        ({"type": "image", "file_id": "file-7"}, "it is at 'file-7', and it is not fetched"),
        ({"type": "image", "base64": "PHN2Zz4=", "mime_type": "image/svg+xml"}, "'image/svg+xml' is not a type"),
        ({"type": "image", "base64": "JVBERi0xLjc=", "mime_type": "image/png"}, "begins like application/pdf"),
        ({"type": "image", "base64": "%%%", "mime_type": "image/png"}, "its base64 cannot be read"),
        ({"type": "audio", "base64": "QQ==", "mime_type": "audio/wav"}, "reads text and pictures"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(block: dict[str, Any], says: str) -> None:
    llm, sub_llm = models()
    with pytest.raises(InvalidArgumentError) as caught:
        RLMRunnable(llm=llm, sub_llm=sub_llm).invoke([HumanMessage(["What?", block])])
    assert str(caught.value).startswith(f"input: message 1 holds a block of type '{block['type'].removesuffix('_url')}")
    assert says in str(caught.value)
    assert llm.requests == []


def test_pictures_in_the_metadata_of_documents() -> None:
    llm, sub_llm = models()
    documents = [
        Document("The kettle leaks.", id="ann", metadata={"scan": FORMS["standard"], "year": 2021}),
        Document("Nothing.", id="bo"),
        Document("Two.", id="cy", metadata={"pages": [URL, FORMS["OpenAI's"]]}),
    ]
    rlm = RLMRunnable(llm=llm, sub_llm=sub_llm, context=documents).with_sources()
    output = rlm.invoke("What is broken?")
    assert output["answer"] == f"['ann', 'cy']: {' and '.join([f'{len(PNG)} bytes of image/png'] * 3)}"
    assert [document.id for document in output["context"]] == ["ann", "cy"]
    assert DATA not in str(llm.requests)
    assert "2 of 3 documents have pictures" in llm.requests[0][-1].content


def test_splits_share_the_picture_of_their_document() -> None:
    llm, sub_llm = models()
    document = Document("A long text. " * 100, metadata={"source": "report", "chart": FORMS["standard"]})
    splits = RecursiveCharacterTextSplitter(chunk_size=200, chunk_overlap=50, add_start_index=True).split_documents(
        [document]
    )
    assert len(splits) > 3
    output = RLMRunnable(llm=llm, sub_llm=sub_llm, context=splits).with_sources().invoke("What is on the chart?")
    assert output["answer"] == f"['report']: {len(PNG)} bytes of image/png"
    assert output["context"] == splits[:1]


@pytest.mark.parametrize("retriever", ["store", "function"])
def test_what_a_retriever_finds_has_its_pictures(retriever: str) -> None:
    llm, sub_llm = models()
    document = Document("The kettle leaks.", id="ann", metadata={"scan": FORMS["standard"]})
    if retriever == "store":
        store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
        store.add_documents([document])
        context: Any = store.as_retriever()
    else:
        context = RunnableLambda(lambda query: [document])
    assert RLMRunnable(llm=llm, sub_llm=sub_llm, context=context).invoke("What?").content == (
        f"['ann']: {len(PNG)} bytes of image/png"
    )


def test_tracers_are_told_of_pictures_and_sent_none(tracer: Any) -> None:
    llm, sub_llm = models()
    asked = [HumanMessage([{"type": "text", "text": "What?"}, FORMS["standard"]])]
    reply = RLMRunnable(llm=llm, sub_llm=sub_llm).invoke(asked, {"callbacks": [tracer]})
    (root,) = tracer.roots
    assert DATA not in str(root.inputs)
    assert "a picture" in str(root.inputs)
    assert DATA not in json.dumps(reply.response_metadata["rlm"], default=str)


@pytest.mark.parametrize(
    ("profile", "sees"),
    [
        ({"image_inputs": True}, True),
        ({"image_inputs": False}, False),
        ({"max_input_tokens": 9_000}, None),
        (None, None),
    ],
)
def test_a_profile_says_whether_a_model_sees(profile: Any, sees: bool | None) -> None:
    model = ScriptedChatModel(always=see, profile=profile)
    wrapped = model.bind(temperature=0).with_retry()
    assert (LangChainModel(model, "sub").sees_images, LangChainModel(wrapped, "sub").sees_images) == (sees, sees)
    either = model.with_fallbacks([ScriptedChatModel(always=see, profile={"image_inputs": True})])
    assert LangChainModel(either, "sub").sees_images is (True if sees else None)


def test_a_model_whose_profile_says_that_it_sees_none_is_asked_nothing() -> None:
    code = 'try:\n    llm_query("?", images=context[0])\nexcept ValueError as error:\n    FINAL(str(error))'
    llm, blind = ScriptedChatModel([f"```repl\n{code}\n```"]), ScriptedChatModel(profile={"image_inputs": False})
    reply = RLMRunnable(llm=llm, sub_llm=blind).invoke([HumanMessage(["What?", FORMS["standard"]])])
    assert reply.content.startswith("the sub-LM of this run takes no pictures")


def test_openais_package_sends_them_in_the_apis_form() -> None:
    sent = to_langchain([Message("user", "What?", images=(Image(PNG),))])
    payload = ChatOpenAI(model="gpt-5", api_key="x")._get_request_payload(sent)  # type: ignore[arg-type]
    assert payload["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "text", "text": "What?"},
    ]
    (picture, text) = sent[0].content_blocks
    assert (picture["type"], picture.get("base64"), text["type"]) == ("image", DATA, "text")


@pytest.mark.parametrize("chat", [False, True])
async def test_large_pictures_are_read_in_a_thread(chat: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[int] = []
    read = inputs.image_of_block

    def noting(block: Any) -> Image:
        readers.append(threading.get_ident())
        return read(block)

    monkeypatch.setattr(inputs, "image_of_block", noting)
    llm, sub_llm = models()
    rlm: Any = ChatRLM(llm=llm, sub_llm=sub_llm) if chat else RLMRunnable(llm=llm, sub_llm=sub_llm)
    reply = await rlm.ainvoke([HumanMessage(["What?", FORMS["standard"]])])
    assert reply.content == f"['message-1']: {len(PNG)} bytes of image/png"
    assert readers
    assert threading.get_ident() not in readers
