"""What reading leaves behind: so little that the garbage collector, which stops every thread, has no cause to run."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest
from llama_index.core import Document, StorageContext, SummaryIndex, VectorStoreIndex
from llama_index.core.embeddings.mock_embed_model import MockEmbedding
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.storage.docstore import SimpleDocumentStore

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document as CoreDocument
from rlm_integrations.llama_index.documents import NodeCorpus
from rlm_integrations.llama_index.index_nodes import each_node_of_index
from rlm_integrations.llama_index.node_selection import NodeSelection
from rlm_integrations.llama_index.query_context import NodesContext, read_context
from rlm_integrations.llama_index.read_node import ReadNode, ReadNodes

NODES = 500


def rows(count: int) -> list[TextNode]:
    return [TextNode(text=f"Row {number}.", id_=f"n{number}", metadata={"row": number}) for number in range(count)]


def chunks(count: int) -> list[TextNode]:
    """Of documents of ten chunks each."""
    return [
        TextNode(
            text=f"Part {number:07d}.",
            id_=f"n{number}",
            start_char_idx=number % 10 * 13,
            end_char_idx=number % 10 * 13 + 13,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"d{number // 10}")},
        )
        for number in range(count)
    ]


class CountingStore(SimpleDocumentStore):
    """Counts the nodes that are alive when the next one is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[weakref.ref[BaseNode]] = []
        self.most = 0

    def get_document(self, doc_id, raise_error=True):
        self.given = [each for each in self.given if each() is not None]
        self.most = max(self.most, len(self.given))
        node = super().get_document(doc_id, raise_error)
        self.given.append(weakref.ref(node))
        return node


def read(context) -> NodesContext:
    made = read_context(context, NodeSelection(), ())
    assert isinstance(made, NodesContext)
    return made


def tracked() -> int:
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.parametrize("make", [rows, chunks])
@pytest.mark.parametrize("kind", [SummaryIndex, VectorStoreIndex])
def test_an_index_is_read_node_by_node_and_leaves_one_object_of_each(kind, make):
    store = CountingStore()
    storage = StorageContext.from_defaults(docstore=store)
    options = {} if kind is SummaryIndex else {"embed_model": MockEmbedding(embed_dim=2)}
    index = kind(make(NODES), storage_context=storage, **options)
    read(index)  # and what is imported for it
    before = tracked()
    context = read(index)
    assert store.most <= 2
    assert tracked() - before < (1.3 + gc.is_tracked({"row": 1})) * NODES  # a flat dict is none before Python 3.14
    assert sum(text.text.count(".") for text in context.core_context.documents) == NODES


def test_no_kind_of_index_holds_a_node_that_was_taken(index_kind, build_index, documents):
    """A list of nodes that is let go of at once goes while no other thread runs."""
    seen: list[weakref.ref[BaseNode]] = []
    for node in each_node_of_index(build_index(index_kind, documents)):
        assert not any(each() for each in seen[:-1])
        seen.append(weakref.ref(node))
    assert len(seen) == 5


class Costly(TextNode):
    asked: int = 0

    def get_content(self, metadata_mode: MetadataMode = MetadataMode.NONE) -> str:
        self.asked += 1
        return super().get_content(metadata_mode)


@pytest.mark.parametrize("make", [rows, chunks])
def test_a_node_is_asked_for_its_text_once(make):
    nodes = [Costly(**dict(node)) for node in make(100)]
    NodeCorpus.of_nodes(nodes)
    assert {node.asked for node in nodes} == {1}


def every_kind() -> Iterator[BaseNode]:
    related = {
        NodeRelationship.SOURCE: RelatedNodeInfo(node_id="d0", metadata={"a": 1}),
        NodeRelationship.CHILD: [RelatedNodeInfo(node_id="c0")],
    }
    hidden = {"excluded_llm_metadata_keys": ["a"], "metadata": {"a": 1, "b": [{"c": {1, 2}}]}}
    yield TextNode(text="A \ud800 lone surrogate.", relationships=related, start_char_idx=3, end_char_idx=26, **hidden)
    yield IndexNode(text="Points.", index_id="n7", relationships=related, **hidden)
    yield ImageNode(text="Seen.", image="aGk=", relationships=related)
    yield ImageNode(image="aGk=")
    yield Document(text="Whole.", doc_id="d0", embedding=[1.0], **hidden)
    node = Node(metadata={"a": 1}, relationships=related)
    node.set_content("Plain.")
    yield node


@pytest.mark.parametrize("node", [*every_kind()], ids=lambda node: type(node).__name__)
def test_a_node_is_made_again_as_it_was(node):
    again = ReadNode.of(node, fresh=True).node
    assert again is not node
    assert type(again) is type(node)
    assert again == node
    assert again.model_fields_set == node.model_fields_set
    assert again.relationships == node.relationships


@pytest.mark.parametrize("kind", [TextNode, IndexNode, Document])
def test_a_text_is_kept_once(kind):
    node = kind(text="x" * 100_000, **({"index_id": "n7"} if kind is IndexNode else {}))
    *_, packed = ReadNode.of(node, fresh=True).row
    assert isinstance(packed, bytes)
    assert len(packed) < 2_000


def test_a_node_of_the_users_is_itself_and_so_is_one_that_cannot_be_pickled():
    (node,) = rows(1)
    assert ReadNode.of(node).node is node
    node.metadata["lock"] = threading.Lock()
    assert ReadNode.of(node, fresh=True).node is node


def test_a_text_that_was_no_node_becomes_one():
    corpus = NodeCorpus.of_corpus(Corpus((CoreDocument("a", "One.", {"k": 1}), CoreDocument("b", "Two."))))
    assert [(node.node_id, node.get_content(), node.metadata) for node in corpus.nodes] == [
        ("a", "One.", {"k": 1}),
        ("b", "Two.", {}),
    ]


def test_the_same_node_counts_once_and_the_later_one_stays():
    nodes = ReadNodes()
    for text, number in (("one", 1), ("two", 2), ("one", 3), ("two", 4)):
        nodes.add(TextNode(text=text, id_="same", metadata={"number": number}))
    assert [(node.text, node.metadata["number"]) for node in nodes] == [("one", 3), ("two", 4)]
    assert nodes.count == 4
