"""Image nodes, documents and blocks of LlamaIndex reach sub-LMs that see, and are told of where they cannot."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from llama_index.core import Document, Settings, SummaryIndex, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.embeddings.mock_embed_model import MockEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import ImageDocument, ImageNode, MediaResource, NodeWithScore, QueryBundle, TextNode
from llama_index.llms.openai_like import OpenAILike
from pydantic import ValidationError

from rlm_integrations import Image, InvalidArgumentError, Message, RLMEngine
from rlm_integrations.llama_index import RLMChatEngine, RLMQueryEngine, node_text
from rlm_integrations.llama_index.language_model import LlamaIndexModel
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.llama_index import ScriptedLLM

PNG = b"\x89PNG\r\n\x1a\n of a kettle"
OTHER = b"\x89PNG\r\n\x1a\n of a lamp, larger"
DATA, OTHER_DATA = (base64.b64encode(each).decode() for each in (PNG, OTHER))
LOOK = """```repl
seen = [d for d in context if "images" in d]
replies = llm_query_batched([("What is it?", d) for d in seen])
FINAL("; ".join(f'{d["id"]}: {reply}' for d, reply in zip(seen, replies)))
```"""


def see(messages: Sequence[Message]) -> str:
    return " and ".join(f"{len(image.data)} bytes of {image.mime_type}" for image in messages[-1].images)


def llms() -> dict[str, Any]:
    return {"llm": ScriptedLLM([LOOK]), "sub_llm": ScriptedLLM(always=see)}


KETTLE, LAMP = f"{len(PNG)} bytes of image/png", f"{len(OTHER)} bytes of image/png"


def test_nodes_that_are_not_asked_for_pictures_have_no_place_for_one() -> None:
    places = {"image", "image_path", "image_resource", "image_url"}
    assert not any(places & {*kind.model_fields, *dir(kind)} for kind in node_text.WITHOUT_PICTURES)
    assert places <= {*ImageNode.model_fields, *Document.model_fields}


def test_image_nodes_and_documents_are_documents_with_pictures() -> None:
    nodes = [
        TextNode(id_="plain", text="Of pets."),
        ImageNode(id_="captioned", image=DATA, text="A cat on a sofa."),
        ImageNode(id_="mute", image=OTHER_DATA),
        ImageDocument(id_="document", image=DATA, image_mimetype="image/png"),
        Document(id_="resource", text="A document.", image_resource=MediaResource(data=OTHER)),
        TextNode(id_="in-metadata", text="See the scan.", metadata={"scan": f"data:image/png;base64,{DATA}", "n": 1}),
    ]
    options = llms()
    response = RLMQueryEngine.from_nodes(nodes, **options).query("What is there?")
    told = {part.partition(": ")[0]: part.partition(": ")[2] for part in str(response).split("; ")}
    assert told == {"captioned": KETTLE, "mute": LAMP, "document": KETTLE, "resource": LAMP, "in-metadata": KETTLE}
    assert [source.node.node_id for source in response.source_nodes][:5] == list(told)
    assert DATA not in str(options["llm"].requests)
    assert "5 of 6 documents have pictures" in options["llm"].requests[0][-1].content


async def test_chunks_of_a_document_share_its_picture() -> None:
    document = ImageDocument(id_="report", text=" ".join(f"Sentence {n} says {n * n}." for n in range(200)), image=DATA)
    nodes = SentenceSplitter(chunk_size=100, chunk_overlap=20).get_nodes_from_documents([document])
    assert len(nodes) > 3
    response = await RLMQueryEngine.from_nodes(nodes, **llms()).aquery("What is on it?")
    assert str(response) == f"report: {KETTLE}"


@pytest.mark.parametrize("kind", [SummaryIndex, VectorStoreIndex])
def test_an_index_keeps_its_pictures(kind: Any) -> None:
    Settings.embed_model = MockEmbedding(embed_dim=4)
    index = kind([TextNode(id_="plain", text="Of pets."), ImageNode(id_="cat", image=DATA, text="A cat.")])
    assert str(RLMQueryEngine.from_index(index, **llms()).query("?")) == f"cat: {KETTLE}"


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_a_retriever_finds_has_its_pictures(is_async: bool) -> None:
    class Found(BaseRetriever):
        def _retrieve(self, query_bundle: Any) -> list[NodeWithScore]:
            nodes = [ImageNode(id_="mute", image=DATA), ImageNode(id_="cat", image=OTHER_DATA, text="A cat.")]
            return [NodeWithScore(node=node, score=0.5) for node in nodes]

    engine = RLMQueryEngine.from_retriever(Found(), **llms())
    response = await engine.aquery("?") if is_async else engine.query("?")
    assert str(response) == f"mute: {KETTLE}; cat: {LAMP}"
    assert [source.node.node_id for source in response.source_nodes] == ["mute", "cat"]


UNTAKEN = [
    (ImageNode(id_="x", image_url="https://example.org/cat.png", text="A cat."), "at 'https://example.org/cat.png'"),
    (ImageNode(id_="x", image_path="/etc/passwd", image_mimetype="image/png", text="A cat."), "it is at '/etc/passwd'"),
    (ImageNode(id_="x", image=base64.b64encode(b"<svg/>").decode(), text="A cat."), "its data begins like"),
    (ImageNode(id_="x", image=DATA, image_mimetype="image/svg+xml", text="A cat."), "'image/svg+xml' is not a type"),
    (Document(id_="x", text="A cat.", image_resource=MediaResource(data=b"%PDF-1.7")), "is not a type of pictures"),
]


@pytest.mark.parametrize(("node", "why"), UNTAKEN)
def test_a_caption_whose_picture_is_not_taken_is_warned_of(node: Any, why: str) -> None:
    told = "1 of the 2 nodes hold an image that is not taken, and are read by their text alone"
    with pytest.warns(UserWarning, match=told) as caught:
        engine = RLMQueryEngine.from_nodes([node, TextNode(text="Of pets.")], **llms())
    assert "node 'x': image: " in str(caught[0].message)
    assert why in str(caught[0].message)
    assert [document.images for document in engine._context.core_context.documents] == [(), ()]


def test_a_picture_that_a_retriever_finds_and_that_is_not_taken_is_warned_of() -> None:
    class Found(BaseRetriever):
        def _retrieve(self, query_bundle: Any) -> list[NodeWithScore]:
            return [NodeWithScore(node=UNTAKEN[0][0])]

    llm = ScriptedLLM(["```repl\nFINAL(context[0]['text'])\n```"])
    with pytest.warns(UserWarning, match="node 'x' has a picture that is not taken: image: it is at"):
        assert str(RLMQueryEngine.from_retriever(Found(), llm=llm).query("?")) == "A cat."


def test_the_core_engine_reads_nodes_too_and_refuses_what_it_cannot_take() -> None:
    sub = ScriptedModel(always=see)
    nodes = [ImageNode(id_="cat", image=DATA, text="A cat."), ImageDocument(id_="lamp", image=OTHER_DATA)]
    assert RLMEngine(ScriptedModel([LOOK]), sub_llm=sub).run("?", nodes).answer == f"cat: {KETTLE}; lamp: {LAMP}"
    with pytest.raises(InvalidArgumentError, match="node 'x': image: it is at 'https://example"):
        RLMEngine(ScriptedModel([])).run("?", [UNTAKEN[0][0]])


@pytest.mark.parametrize("given", [PNG, io.BytesIO(PNG)])
def test_image_blocks_of_a_chat_reach_the_sub_lm(given: Any) -> None:
    try:
        block = ImageBlock(image=given)
    except ValidationError:
        pytest.skip("this LlamaIndex takes no file objects yet")
    history = [
        ChatMessage(role="user", blocks=[TextBlock(text="Look."), block]),
        ChatMessage(role="assistant", content="I have."),
        ChatMessage(role="user", blocks=[ImageBlock(url=f"data:image/png;base64,{OTHER_DATA}")]),
    ]
    options = llms()
    chat = RLMChatEngine(RLMQueryEngine.from_documents([Document(text="A text.")], **options))
    response = chat.chat("What was it?", chat_history=history)
    assert [part.partition(": ")[2] for part in str(response).split("; ")] == [KETTLE, LAMP]
    assert DATA not in str(options["llm"].requests)


@pytest.mark.parametrize(
    "block",
    [ImageBlock(url="http://169.254.169.254/"), ImageBlock(path=__file__), ImageBlock(image=b"%PDF-1.7")],
)
def test_an_image_block_that_cannot_be_taken_is_refused_by_name(block: ImageBlock) -> None:
    chat = RLMChatEngine(RLMQueryEngine.from_documents([Document(text="A text.")], **llms()))
    with pytest.raises(InvalidArgumentError, match="chat_history: a message holds a picture that cannot be taken"):
        chat.chat("What was it?", chat_history=[ChatMessage(role="user", blocks=[block])])


def test_a_server_is_sent_them_in_its_own_form(serve_posts: Any) -> None:
    requests: list[dict[str, Any]] = []

    def post(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        requests.append(json.loads(body))
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A cat."}}
        reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        data = json.dumps(reply).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    llm = OpenAILike(model="m", api_base=serve_posts(post), api_key="x", is_chat_model=True, max_retries=0)
    with ScriptedModel([LOOK]) as root:
        result = RLMEngine(root, sub_llm=LlamaIndexModel(llm)).run("?", [ImageNode(image=DATA, text="A cat.")])
    assert result.answer.endswith(": A cat.")
    llm._get_client().close()
    (request,) = requests
    system, user = request["messages"]
    picture, text = user["content"]
    assert picture["image_url"]["url"] == f"data:image/png;base64,{DATA}"
    assert text == {"type": "text", "text": "What is it?"}
    assert "image" not in str(system)


def test_an_llm_that_completes_prompts_sees_none() -> None:
    class Completing(MockLLM):
        @property
        def metadata(self) -> Any:
            return super().metadata.model_copy(update={"is_chat_model": False})

    assert LlamaIndexModel(Completing()).sees_images is False
    assert LlamaIndexModel(ScriptedLLM([])).sees_images is None


def test_an_llms_own_system_prompt_keeps_the_pictures() -> None:
    llm = ScriptedLLM(always=see)
    llm.system_prompt = "Be brief."
    sent = LlamaIndexModel(llm).chat_messages([Message("user", "What?", images=(Image(PNG),))])
    assert [type(block) for block in sent[0].blocks] == [ImageBlock, TextBlock]
    assert json.dumps(sent[0].content) == json.dumps("Be brief.\n\nWhat?")


def test_documents_that_are_no_nodes_are_sources_by_their_pictures() -> None:
    context = [{"id": "cat", "text": "A cat.", "images": [PNG]}, {"id": "plain", "text": "Of pets."}]
    response = RLMQueryEngine(context=context, limits={"inline_chars": 0}, **llms()).query("?")
    assert str(response) == f"cat: {KETTLE}"
    assert [source.node.node_id for source in response.source_nodes] == ["cat"]


async def test_a_query_with_the_path_of_a_picture_is_refused() -> None:
    engine = RLMQueryEngine.from_documents([Document(text="A text.")], **llms())
    query, refused = QueryBundle("What is it?", image_path="/etc/passwd"), "its image_path '/etc/passwd' is not read"
    with pytest.raises(InvalidArgumentError, match=refused):
        engine.query(query)
    with pytest.raises(InvalidArgumentError, match=refused):
        await engine.aquery(query)
