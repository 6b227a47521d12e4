"""The corpus made of nodes: de-overlapped documents, and which part of them came from which node.

Splitters let neighbouring chunks overlap, so chunks joined as they are hold some text twice and every count
over them is wrong. `start_char_idx` and `end_char_idx` say where a chunk stood in its document.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from llama_index.core.schema import BaseNode

from rlm_integrations.core.corpus.corpus import Corpus, unique_ids
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.llama_index.caller_warning import warn_caller
from rlm_integrations.llama_index.joining import Fit, Joiner, MergedDocument
from rlm_integrations.llama_index.node_spans import NodeSpan, NodeSpans
from rlm_integrations.llama_index.node_text import text_of_node
from rlm_integrations.llama_index.overlaps import LEAST_OVERLAP, overlapping
from rlm_integrations.llama_index.placing import Placed, are_linked, in_order_of_parsing, place
from rlm_integrations.llama_index.read_node import ReadNode, ReadNodes, Row

_LEAST_REPEATED = 64
"""Characters. Less than so many may well stand in two texts of one source."""
_TRIED = 16
"""Nodes that begin alike: so many are compared with a text."""


class NodeCorpus:
    """A corpus, and the way back from its documents to the nodes."""

    def __init__(self, corpus: Corpus, origins: Sequence[Row | list[NodeSpan]], pictured: Collection[str] = ()) -> None:
        """`origins`: for each document the node that is all of it, or its spans. `pictured`: nodes with pictures."""
        self.corpus = corpus
        self._pictured = pictured
        self._origins = {document.id: each for document, each in zip(corpus.documents, origins, strict=True)}
        self._ordered: dict[str, NodeSpans] = {}

    @classmethod
    def of_nodes(cls, nodes: Iterable[BaseNode], ancestors: Mapping[str, BaseNode] | None = None) -> NodeCorpus:
        """`of`, over nodes of the user's."""
        return cls.of(read_all(nodes, ancestors))

    @classmethod
    def of(cls, nodes: ReadNodes) -> NodeCorpus:
        """See `merged_documents`. Raises InvalidArgumentError where the nodes hold neither text nor pictures.

        Sound and video are left out, with a warning where a node has no text beside them; images at a path or a URL,
        which is not read, with a warning in any case.
        """
        documents: list[Document] = []
        origins: list[Row | list[NodeSpan]] = []
        guesses = 0
        for merged in merged_documents(nodes):
            documents.append(merged.document)
            origins.append(merged.only_row or list(merged.spans))
            guesses += merged.guesses
        if not documents:
            raise InvalidArgumentError(
                f"context: none of the {nodes.count:,} nodes holds text or a picture; pass nodes with some"
            )
        if nodes.mute:
            why = f" ({nodes.untaken})" if nodes.untaken else ""
            warn_caller(
                f"context: {nodes.mute:,} of the {nodes.count:,} nodes hold an image, sound or video and no text: left "
                f"out, since an RLM reads text and pictures{why}; describe them in their text to have them read"
            )
        if nodes.captions:
            warn_caller(
                f"context: {nodes.captions:,} of the {nodes.count:,} nodes hold an image that is not taken, and are "
                f"read by their text alone ({nodes.untaken})"
            )
        corpus = cls(Corpus(unique_ids(documents)), origins, nodes.images)
        corpus._warn_of_doubts(nodes, guesses)
        return corpus

    @classmethod
    def of_corpus(cls, corpus: Corpus) -> NodeCorpus:
        """A corpus that came from no nodes: each of its documents becomes one."""
        return cls(
            corpus,
            [ReadNode.of_text(each.id or "context", each.text, each.metadata).row for each in corpus.documents],
            {each.id for each in corpus.documents if each.images},
        )

    @property
    def nodes(self) -> list[BaseNode]:
        """All nodes, each once."""
        return [read.node for read in {read.node_id: read for read in self._read()}.values()]

    def is_made_of(self, nodes: Iterable[BaseNode]) -> bool:
        """Whether they are all of its nodes, with the texts that were read."""
        return {node.node_id: text_of_node(node) for node in nodes} == {
            read.node_id: read.text for read in self._read()
        }

    def has_more_nodes_than(self, count: int) -> bool:
        seen: set[str] = set()
        for read in self._read():
            seen.add(read.node_id)
            if len(seen) > count:
                return True
        return False

    def spans_of(self, document_id: str) -> Sequence[NodeSpan]:
        """Empty for a document that is not of this corpus."""
        origin = self._origins.get(document_id, [])
        return origin if isinstance(origin, list) else (NodeSpan(0, len(origin[1]), origin),)

    def with_pictures(self, document_id: str) -> list[NodeSpan]:
        """Those whose nodes have pictures."""
        return [span for span in self.spans_of(document_id) if span.node_id in self._pictured]

    def touching(self, document_id: str, start: int, end: int) -> list[NodeSpan]:
        """Those that hold some of `[start:end)` of the document's text."""
        spans = self._ordered.get(document_id)
        if spans is None:
            spans = self._ordered[document_id] = NodeSpans(self.spans_of(document_id))
        return spans.touching(start, end)

    def _read(self) -> Iterator[ReadNode]:
        for origin in self._origins.values():
            if isinstance(origin, list):
                yield from (ReadNode(span.row) for span in origin)
            else:
                yield ReadNode(origin)

    def _warn_of_doubts(self, nodes: ReadNodes, guesses: int) -> None:
        if guesses:
            warn_caller(
                f"context: the place of {guesses:,} of the {nodes.count:,} chunks is a guess, since their text repeats "
                "itself or contradicts their positions: counts over them may be off; from_documents reads the "
                "documents themselves"
            )
        in_corpus = {read.node_id for read in self._read()}
        repeated = sum(1 for read in nodes if read.text and read.node_id not in in_corpus)
        if repeated:
            warn_caller(
                f"context: {repeated:,} of the {nodes.count:,} nodes are parts of other nodes of the same source: left "
                "out, so that their text counts once"
            )


def read_all(nodes: Iterable[BaseNode], ancestors: Mapping[str, BaseNode] | None = None) -> ReadNodes:
    """Nodes of the user's, taken apart."""
    read = ReadNodes()
    for node in nodes:
        read.add(node)
    read.ancestors = ancestors or {}
    return read


def merged_documents(nodes: ReadNodes) -> Iterator[MergedDocument]:
    """The documents that the nodes are chunks of, in the order in which they first appear.

    Chunks of one source are put together by their positions, a small gap between them filled with a newline. Where
    more is missing between them, or the text is divided by metadata (see `Joiner.documents`), a new document begins.
    A node without a source or a position is a document of its own, and one without text none. One that is given twice
    counts once.

    A position is one in the text that a parser was given: where parsers worked one after the other, in what the one
    before had made of the source. Then positions contradict each other, or are missing, and only those chunks are put
    together that are known to follow one another, and what overlaps; what begins anew is a document of its own.

    In a hierarchy of nodes (HierarchicalNodeParser) a position is one in the parent's text. `nodes.ancestors` are nodes
    by id that are not part of the corpus themselves, but tell where their children stood. Without them the children of
    two parents are put together where they overlap.

    They have the pictures of their nodes; nodes that are pictures alone come last.
    """
    if not nodes.images:
        yield from _merged_texts(nodes)
        return
    for merged in _merged_texts(nodes):
        held = [nodes.images[span.node_id] for span in merged.spans if span.node_id in nodes.images]
        images = tuple(dict.fromkeys(image for images in held for image in images))
        yield replace(merged, document=replace(merged.document, images=images)) if images else merged
    for node in nodes:
        if not node.text and node.node_id in nodes.images:
            document = Document(node.node_id, "", node.metadata, nodes.images[node.node_id])
            yield MergedDocument(document, (NodeSpan(0, 0, node.row),))


def _merged_texts(nodes: ReadNodes) -> Iterator[MergedDocument]:
    """One after the other, so that what is made for one group is gone before the next."""
    sources: dict[str, int] = {}
    numbers, starts, source_of = list[int](), list[int | None](), list[int]()
    for number, node in enumerate(nodes):
        if node.text:
            source_id, start = place(node, nodes)
            numbers.append(number)
            starts.append(start)
            source_of.append(sources.setdefault(source_id, len(sources)))
    names = list(sources)
    for source, places in groupby(sorted(range(len(numbers)), key=source_of.__getitem__), key=source_of.__getitem__):
        yield from _merge_group(names[source], [Placed(nodes[numbers[each]], starts[each]) for each in places])


def _merge_group(source_id: str, group: Sequence[Placed]) -> list[MergedDocument]:
    loose = [each for each in group if each.start is None]
    joined = None if loose and are_linked(group) else _join([each for each in group if each.start is not None])
    if joined is None:
        joined, loose = _join_overlapping(_without_repeated(_join_proven(group), group)), []
    one_id = source_id if len(joined) == 1 and not loose else None
    merged = [document for joiner in joined for document in joiner.documents(one_id)]
    return merged + [_alone(each.node) for each in loose]


def _alone(node: ReadNode) -> MergedDocument:
    return MergedDocument(Document(node.node_id, node.text, node.metadata), (NodeSpan(0, len(node.text), node.row),))


def _join(group: Sequence[Placed], *, sure: bool = False) -> list[Joiner] | None:
    """The texts that chunks of one source make up; None where their positions contradict each other."""
    joined: list[Joiner] = []
    for each in sorted(group, key=lambda each: (each.start or 0, len(each.node.text))):
        fit = joined[-1].add(each) if joined else Fit.APART
        if fit is Fit.CONFLICT:
            return None
        if fit is Fit.APART:
            joined.append(Joiner(sure=sure))
            joined[-1].add(each)
    return joined


def _join_proven(group: Sequence[Placed]) -> list[Joiner]:
    joined: list[Joiner] = []
    for each in in_order_of_parsing(group):
        if not joined or joined[-1].add(each) is not Fit.JOINED:
            within = (each.start or 0) > LEAST_OVERLAP or (bool(joined) and each.node.parent_id is not None)
            unknown = each.node.previous_id is None and within
            joined.append(Joiner(proven=True))
            joined[-1].add(each)
            joined[-1].guesses += unknown  # it follows on another one, and nothing says on which
    return joined


def _join_overlapping(joined: list[Joiner]) -> list[Joiner]:
    """With those that overlap put together: what the first of several parsers made of the source overlaps too.

    Which of them say the same, and whether the source does, is not known: that is a guess.
    """
    if len(joined) < 2:
        return joined
    texts = [each.text for each in joined]
    made: dict[int, Joiner | None] = {}
    for found in overlapping(texts):
        parts = [joined[number] for number in found.places]
        placed = [each for number, place in found.places.items() for each in joined[number].placed_from(place)]
        whole = _join(placed, sure=True) if found.sure else None
        if whole is None or len(whole) > 1:
            for part in parts[1:]:
                part.guesses += 1
        else:
            whole[0].guesses += sum(part.guesses for part in parts)
            made |= dict.fromkeys(found.places) | {min(found.places): whole[0]}
    seen: set[str] = set()
    for each, text in zip(joined, texts, strict=True):
        each.guesses += text in seen and len(text) > LEAST_OVERLAP
        seen.add(text)
    every = (made.get(number, each) for number, each in enumerate(joined))
    return [each for each in every if each is not None]


def _without_repeated(joined: Sequence[Joiner], group: Sequence[Placed]) -> list[Joiner]:
    """Without those that another, larger node holds all of: cut from it to be found by (small to big)."""
    beginning: dict[str, list[ReadNode]] = {}
    for each in group:
        beginning.setdefault(each.node.text[:LEAST_OVERLAP], []).append(each.node)
    return [
        joiner
        for joiner in joined
        if joiner.chars < _LEAST_REPEATED
        or not any(
            _holds_all(node, joiner.placed)
            for node in beginning.get(joiner.placed[0].node.text[:LEAST_OVERLAP], [])[:_TRIED]
        )
    ]


def _holds_all(larger: ReadNode, parts: Sequence[Placed]) -> bool:
    text = larger.text
    return all(
        len(part_text := part.node.text) < len(text) and text.startswith(part_text, part.start or 0) for part in parts
    )
