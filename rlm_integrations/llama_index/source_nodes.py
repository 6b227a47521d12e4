"""The nodes that an answer rests on: cited ones first, then what went to sub-calls, then what was printed.

Never all nodes of a long document, and never nodes that the user did not bring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.schema import BaseNode, NodeRelationship, NodeWithScore, TextNode

from rlm_integrations.core.describe import shown_whole
from rlm_integrations.core.result import RLMResult
from rlm_integrations.llama_index.documents import NodeCorpus, NodeSpan, text_of_node
from rlm_integrations.llama_index.piece_finder import PieceFinder

SOURCE_NODES = 50
"""A response carries at most so many. It travels in events, in chat memories and in prompts of evaluators."""


def corpus_sources(result: RLMResult[Any], corpus: NodeCorpus) -> list[NodeWithScore]:
    """The sources of an answer over nodes, without scores. Of a context that the root saw whole: all, last."""
    nodes: Iterable[BaseNode] = _used(result, corpus)
    if shown_whole(corpus.corpus, result.trace.limits):
        nodes = [*nodes, *corpus.nodes]
    return _first(NodeWithScore(node=_as_text_node(node)) for node in nodes)


def retrieved_sources(result: RLMResult[Any], found: Mapping[str, NodeWithScore]) -> list[NodeWithScore]:
    """The sources of an answer over a retriever, with its scores: those used, then the others retrieved."""
    used = [citation.document_id for citation in result.citations]
    ids = [*used, *result.sources, *found]
    return _first(found[node_id] for node_id in ids if node_id in found)


def nodes_at(spans: Sequence[NodeSpan], start: int, end: int) -> list[BaseNode]:
    """The nodes that hold all of `[start, end)`; where none does, those that hold some of it."""
    some = touching(spans, start, end)
    covering = [span for span in some if span.start <= start and end <= span.end]
    return [span.node for span in covering or some]


def _first(nodes: Iterable[NodeWithScore]) -> list[NodeWithScore]:
    first: dict[str, NodeWithScore] = {}
    for node in nodes:
        first.setdefault(node.node.node_id, node)
        if len(first) == SOURCE_NODES:
            break
    return list(first.values())


def _used(result: RLMResult[Any], corpus: NodeCorpus) -> Iterator[BaseNode]:
    for citation in result.citations:
        spans = corpus.spans_of(citation.document_id)
        yield from nodes_at(spans, citation.start_index, citation.end_index)
    for document_id in result.sources:
        spans = corpus.spans_of(document_id)
        if len(spans) == 1:
            yield spans[0].node
    executions = result.trace.executions
    sent = [call.prompt for execution in executions for call in execution.sub_calls]
    finder = PieceFinder(corpus.corpus.documents)
    for text in [*sent, *(execution.output for execution in executions)]:
        for piece in finder.pieces_in(text):
            yield from (span.node for span in touching(corpus.spans_of(piece.document_id), piece.start, piece.end))


def _as_text_node(node: BaseNode) -> BaseNode:
    """A Document as the one chunk that a splitter would make of it: `NodeWithScore.text` takes nothing else."""
    if isinstance(node, TextNode):
        return node
    return TextNode(
        id_=node.node_id,
        text=text_of_node(node),
        metadata=node.metadata,
        excluded_embed_metadata_keys=node.excluded_embed_metadata_keys,
        excluded_llm_metadata_keys=node.excluded_llm_metadata_keys,
        relationships={NodeRelationship.SOURCE: node.as_related_node_info()},
    )


def touching(spans: Sequence[NodeSpan], start: int, end: int) -> list[NodeSpan]:
    return [span for span in spans if span.start < end and start < span.end]
