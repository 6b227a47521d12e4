"""The corpus made of nodes: de-overlapped documents, and which part of them came from which node.

Splitters let neighbouring chunks overlap, so chunks joined as they are hold some text twice and every count
over them is wrong. `start_char_idx` and `end_char_idx` say where a chunk stood in its document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llama_index.core.schema import BaseNode, ImageNode, MetadataMode, Node, TextNode

from rlm_integrations.core.corpus import forms
from rlm_integrations.core.corpus.chunks import Chunk, join_chunks
from rlm_integrations.core.corpus.corpus import Corpus, unique_ids
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index.caller_warning import warn_caller
from rlm_integrations.llama_index.node_spans import NodeSpan, NodeSpans


@dataclass(frozen=True, slots=True)
class MergedDocument:
    document: Document
    spans: tuple[NodeSpan, ...]
    """In order of their start. They overlap where the nodes did."""


class NodeCorpus:
    """A corpus, and the way back from its documents to the nodes."""

    def __init__(self, corpus: Corpus, spans: Mapping[str, Sequence[NodeSpan]]) -> None:
        self.corpus = corpus
        self._spans = spans
        self._ordered: dict[str, NodeSpans] = {}

    @classmethod
    def of_nodes(cls, nodes: Sequence[BaseNode], ancestors: Mapping[str, BaseNode] | None = None) -> NodeCorpus:
        """See `merge_nodes`. Raises InvalidArgumentError where the nodes hold no text at all.

        Images, sound and video are left out, with a warning where a node has no text beside them.
        """
        merged = merge_nodes(nodes, ancestors)
        if not merged:
            raise InvalidArgumentError(f"context: none of the {len(nodes):,} nodes holds text; pass nodes with text")
        mute = sum(1 for node in nodes if not text_of_node(node) and _has_media(node))
        if mute:
            warn_caller(
                f"context: {mute:,} of the {len(nodes):,} nodes hold an image, sound or video and no text: left "
                "out, since an RLM reads text; describe them in their text to have them read"
            )
        documents = unique_ids([each.document for each in merged])
        spans = {document.id: each.spans for document, each in zip(documents, merged, strict=True)}
        return cls(Corpus(documents), spans)

    @classmethod
    def of_corpus(cls, corpus: Corpus) -> NodeCorpus:
        """A corpus that came from no nodes: each of its documents becomes one."""
        spans: dict[str, Sequence[NodeSpan]] = {}
        for document in corpus.documents:
            node = TextNode(id_=document.id or "context", text=document.text, metadata=dict(document.metadata))
            spans[document.id] = (NodeSpan(0, len(document.text), node),)
        return cls(corpus, spans)

    @property
    def nodes(self) -> list[BaseNode]:
        """All nodes, each once."""
        return list({span.node.node_id: span.node for spans in self._spans.values() for span in spans}.values())

    def spans_of(self, document_id: str) -> Sequence[NodeSpan]:
        """Empty for a document that is not of this corpus."""
        return self._spans.get(document_id, ())

    def touching(self, document_id: str, start: int, end: int) -> list[NodeSpan]:
        """Those that hold some of `[start:end)` of the document's text."""
        spans = self._ordered.get(document_id)
        if spans is None:
            spans = self._ordered[document_id] = NodeSpans(self.spans_of(document_id))
        return spans.touching(start, end)


def merge_nodes(nodes: Sequence[BaseNode], ancestors: Mapping[str, BaseNode] | None = None) -> list[MergedDocument]:
    """The documents that the nodes are chunks of, in the order in which they first appear.

    Chunks of one source are put together by their positions, a gap between them filled with a newline.
    Where the metadata that the model may see changes from one chunk to the next, a new document begins,
    without the overlap. A node without a source or a position is a document of its own, and one without text none.
    One that is given twice counts once.

    In a hierarchy of nodes (HierarchicalNodeParser) a position is one in the parent's text. `ancestors` are nodes by
    id that are not part of the corpus themselves, but tell where their children stood.
    """
    known = {**(ancestors or {}), **{node.node_id: node for node in nodes}}
    groups: dict[str, list[_Placed]] = {}
    for node in {(node.node_id, text_of_node(node)): node for node in nodes}.values():
        if text_of_node(node):
            source_id, start = _place(node, known)
            groups.setdefault(source_id, []).append(_Placed(node, start))
    return [merged for source_id, group in groups.items() for merged in _merge_group(source_id, group)]


def text_of_node(node: BaseNode) -> str:
    return node.get_content(metadata_mode=MetadataMode.NONE)


def _has_media(node: BaseNode) -> bool:
    if isinstance(node, Node):
        return any((node.image_resource, node.audio_resource, node.video_resource))
    return isinstance(node, ImageNode)


def visible_metadata(node: BaseNode) -> dict[str, Any]:
    """The node's metadata as plain JSON, without what `excluded_llm_metadata_keys` keeps from the model."""
    return forms.visible_metadata(node.metadata, list(node.excluded_llm_metadata_keys), node.node_id)


def document_of_node(node: BaseNode) -> Document:
    """The node as a document of its own."""
    return Document(node.node_id, text_of_node(node), visible_metadata(node))


@dataclass(frozen=True, slots=True)
class _Placed:
    node: BaseNode
    start: int | None
    """Where the node's text stood in its source; None where that is unknown, or no longer true of its text."""


def _merge_group(source_id: str, group: Sequence[_Placed]) -> list[MergedDocument]:
    loose = [placed.node for placed in group if placed.start is None]
    chunks = [_chunk(placed.node, placed.start) for placed in group if placed.start is not None]
    joined, misplaced = join_chunks(source_id, chunks)
    merged = [
        MergedDocument(each.document, tuple(NodeSpan(s.start, s.end, s.item, s.item_start) for s in each.spans))
        for each in joined
    ]
    return merged + [
        MergedDocument(document_of_node(node), (NodeSpan(0, len(text_of_node(node)), node),))
        for node in [*loose, *misplaced]
    ]


def _chunk(node: BaseNode, start: int) -> Chunk[BaseNode]:
    follows = None if node.prev_node is None else node.prev_node.node_id
    return Chunk(node, node.node_id, text_of_node(node), start, visible_metadata(node), follows)


def _place(node: BaseNode, known: Mapping[str, BaseNode]) -> tuple[str, int | None]:
    """The id of the text that the node was cut from, and where it stood in it."""
    source_id = node.ref_doc_id or node.node_id
    start = _own_start(node)
    if start is None or node.ref_doc_id is None:
        return source_id, None
    parent_id = _parent_id(node)
    while parent_id is not None:
        parent = known.get(parent_id)
        if parent is None:
            return parent_id, start
        if not text_of_node(parent).startswith(text_of_node(node), start):
            return source_id, start  # a parent in another sense
        parent_start = _own_start(parent)
        if parent_start is None:
            return parent_id, start
        start += parent_start
        parent_id = _parent_id(parent)
    return source_id, start


def _own_start(node: BaseNode) -> int | None:
    if not isinstance(node, TextNode):
        return None
    start, end = node.start_char_idx, node.end_char_idx
    return start if start is not None and end is not None and 0 <= start == end - len(node.text) else None


def _parent_id(node: BaseNode) -> str | None:
    parent = node.parent_node
    return None if parent is None else parent.node_id
