"""The corpus made of nodes: de-overlapped documents, and which part of them came from which node.

Splitters let neighbouring chunks overlap, so chunks joined as they are hold some text twice and every count
over them is wrong. `start_char_idx` and `end_char_idx` say where a chunk stood in its document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llama_index.core.schema import BaseNode, TextNode

from rlm_integrations.core.corpus.corpus import Corpus, unique_ids
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index.caller_warning import warn_caller
from rlm_integrations.llama_index.joining import Fit, Joiner, MergedDocument
from rlm_integrations.llama_index.node_spans import NodeSpan, NodeSpans
from rlm_integrations.llama_index.node_text import document_of_node, has_media, text_of_node
from rlm_integrations.llama_index.overlaps import LEAST_OVERLAP
from rlm_integrations.llama_index.placing import Placed, are_linked, in_order_of_parsing, place

_LEAST_REPEATED = 64
"""Characters. Less than so many may well stand in two texts of one source."""
_TRIED = 16
"""Nodes that begin alike: so many are compared with a text."""


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
        mute = sum(1 for node in nodes if not text_of_node(node) and has_media(node))
        if mute:
            warn_caller(
                f"context: {mute:,} of the {len(nodes):,} nodes hold an image, sound or video and no text: left "
                "out, since an RLM reads text; describe them in their text to have them read"
            )
        _warn_of_doubts(nodes, merged)
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

    def has_more_nodes_than(self, count: int) -> bool:
        seen: set[str] = set()
        for spans in self._spans.values():
            for span in spans:
                seen.add(span.node.node_id)
                if len(seen) > count:
                    return True
        return False

    def spans_of(self, document_id: str) -> Sequence[NodeSpan]:
        """Empty for a document that is not of this corpus."""
        return self._spans.get(document_id, ())

    def touching(self, document_id: str, start: int, end: int) -> list[NodeSpan]:
        """Those that hold some of `[start:end)` of the document's text."""
        spans = self._ordered.get(document_id)
        if spans is None:
            spans = self._ordered[document_id] = NodeSpans(self.spans_of(document_id))
        return spans.touching(start, end)


def _warn_of_doubts(nodes: Sequence[BaseNode], merged: Sequence[MergedDocument]) -> None:
    guesses = sum(each.guesses for each in merged)
    if guesses:
        warn_caller(
            f"context: the place of {guesses:,} of the {len(nodes):,} chunks is a guess, since their text repeats "
            "itself or contradicts their positions: counts over them may be off; from_documents reads the documents "
            "themselves"
        )
    in_corpus = {span.node.node_id for each in merged for span in each.spans}
    repeated = sum(1 for node in nodes if node.node_id not in in_corpus and text_of_node(node))
    if repeated:
        warn_caller(
            f"context: {repeated:,} of the {len(nodes):,} nodes are parts of other nodes of the same source: left out, "
            "so that their text counts once"
        )


def merge_nodes(nodes: Sequence[BaseNode], ancestors: Mapping[str, BaseNode] | None = None) -> list[MergedDocument]:
    """The documents that the nodes are chunks of, in the order in which they first appear.

    Chunks of one source are put together by their positions, a small gap between them filled with a newline. Where
    more is missing between them, or the text is divided by metadata (see `Joiner.documents`), a new document begins.
    A node without a source or a position is a document of its own, and one without text none. One that is given twice
    counts once.

    A position is one in the text that a parser was given: where parsers worked one after the other, in what the one
    before had made of the source. Then positions contradict each other, or are missing, and only those chunks are put
    together that are known to follow one another; what begins anew is a document of its own.

    In a hierarchy of nodes (HierarchicalNodeParser) a position is one in the parent's text. `ancestors` are nodes by
    id that are not part of the corpus themselves, but tell where their children stood. Without them the children of two
    parents are put together where they overlap.
    """
    known = {**(ancestors or {}), **{node.node_id: node for node in nodes}}
    groups: dict[str, list[Placed]] = {}
    for node in {(node.node_id, text_of_node(node)): node for node in nodes}.values():
        if text_of_node(node):
            source_id, start = place(node, known)
            groups.setdefault(source_id, []).append(Placed(node, start))
    return [merged for source_id, group in groups.items() for merged in _merge_group(source_id, group)]


def _merge_group(source_id: str, group: Sequence[Placed]) -> list[MergedDocument]:
    loose = [each for each in group if each.start is None]
    joined = None if loose and are_linked(group) else _join([each for each in group if each.start is not None])
    if joined is None:
        joined, loose = _without_repeated(_join_proven(group), group), []
    one_id = source_id if len(joined) == 1 and not loose else None
    merged = [document for joiner in joined for document in joiner.documents(one_id)]
    return merged + [_alone(each.node) for each in loose]


def _alone(node: BaseNode) -> MergedDocument:
    return MergedDocument(document_of_node(node), (NodeSpan(0, len(text_of_node(node)), node),))


def _join(group: Sequence[Placed]) -> list[Joiner] | None:
    """The texts that chunks of one source make up; None where their positions contradict each other."""
    joined: list[Joiner] = []
    for each in sorted(group, key=lambda each: (each.start or 0, len(text_of_node(each.node)))):
        fit = joined[-1].add(each) if joined else Fit.APART
        if fit is Fit.CONFLICT:
            return None
        if fit is Fit.APART:
            joined.append(Joiner())
            joined[-1].add(each)
    return joined


def _join_proven(group: Sequence[Placed]) -> list[Joiner]:
    joined: list[Joiner] = []
    for each in in_order_of_parsing(group):
        if not joined or joined[-1].add(each) is not Fit.JOINED:
            within = (each.start or 0) > LEAST_OVERLAP or (bool(joined) and each.node.parent_node is not None)
            unknown = each.node.prev_node is None and within
            joined.append(Joiner(proven=True))
            joined[-1].add(each)
            joined[-1].guesses += unknown  # it follows on another one, and nothing says on which
    return joined


def _without_repeated(joined: Sequence[Joiner], group: Sequence[Placed]) -> list[Joiner]:
    """Without those that another, larger node holds all of: cut from it to be found by (small to big)."""
    beginning: dict[str, list[BaseNode]] = {}
    for each in group:
        beginning.setdefault(text_of_node(each.node)[:LEAST_OVERLAP], []).append(each.node)
    return [
        joiner
        for joiner in joined
        if joiner.chars < _LEAST_REPEATED
        or not any(
            _holds_all(node, joiner.placed)
            for node in beginning.get(text_of_node(joiner.placed[0].node)[:LEAST_OVERLAP], [])[:_TRIED]
        )
    ]


def _holds_all(larger: BaseNode, parts: Sequence[Placed]) -> bool:
    text = text_of_node(larger)
    return all(
        len(part_text := text_of_node(part.node)) < len(text) and text.startswith(part_text, part.start or 0)
        for part in parts
    )
