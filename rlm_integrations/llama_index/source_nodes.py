"""The nodes that an answer rests on: cited ones first, then what went to sub-calls, then what was printed.

Never all nodes of a long document, and never nodes that the user did not bring. (What code computed over them has a
node of its own: `computation_node.py`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from llama_index.core.schema import BaseNode, NodeRelationship, NodeWithScore, TextNode

from rlm_integrations.core.corpus.whole import shown_whole
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.frozen import frozen
from rlm_integrations.llama_index.documents import NodeCorpus
from rlm_integrations.llama_index.node_spans import NodeSpan
from rlm_integrations.llama_index.node_text import text_of_node
from rlm_integrations.llama_index.retriever import node_with_score

SOURCE_NODES = 50
"""A response carries at most so many. It travels in events, in chat memories and in prompts of evaluators."""


@frozen
class NodePlace:
    """`[start:end)` of a node's own text, without its metadata, holds a quote, or a part of one."""

    node_id: str
    start: int
    end: int
    whole: bool = True


@frozen
class Evidence:
    """What an answer rests on."""

    sources: list[NodeWithScore]
    more_sources: bool
    """Whether there are more than SOURCE_NODES."""
    places: list[list[NodePlace]]
    """For each citation of the result, where its quote stands in the nodes that hold all of it; where none does, in
    those that hold some."""
    complete: bool
    """Whether the sources are all the nodes that there were to read."""

    def source_numbers(self) -> list[list[int]]:
        """For each citation the numbers, from 1, of the source that holds its quote, or of those that hold its parts.

        There is none for a node that was left out.
        """
        numbers = {source.node.node_id: number for number, source in enumerate(self.sources, 1)}
        needed = [places[:1] if places and places[0].whole else places for places in self.places]
        return [[numbers[place.node_id] for place in places if place.node_id in numbers] for places in needed]

    def with_scores(self, scores: Mapping[str, float | None]) -> Evidence:
        """With the scores that the nodes, by id, were found with."""
        scored = [NodeWithScore(node=each.node, score=scores.get(each.node.node_id)) for each in self.sources]
        return replace(self, sources=scored)

    def with_more(self, more: Sequence[NodeWithScore]) -> Evidence:
        """With these after the others, each once."""
        if not more:
            return self
        joined = _evidence([*self.sources, *more], self.places)
        return replace(joined, more_sources=self.more_sources or joined.more_sources, complete=self.complete)


def corpus_evidence(result: RLMResult[Any], corpus: NodeCorpus) -> Evidence:
    """Of an answer over nodes, without scores.

    Of a context that the root saw whole, where nothing was cited: all nodes, last.
    """
    nodes: Iterable[BaseNode] = _used(result, corpus)
    direct = result.trace.route == "direct"
    if not result.citations and (direct or shown_whole(corpus.corpus, result.trace.limits)):
        nodes = [*nodes, *corpus.nodes]
    places = [_places_of(citation, _spans_of_quote(citation, corpus)) for citation in result.citations]
    evidence = _evidence((NodeWithScore(node=_as_text_node(node)) for node in nodes), places)
    return replace(evidence, complete=not corpus.has_more_nodes_than(len(evidence.sources)))


def retrieved_evidence(result: RLMResult[Any]) -> Evidence:
    """Of an answer over a retriever, with its scores: the nodes that were used, then the others retrieved."""
    found = result.evidence.retrieved
    ids = dict.fromkeys([*(citation.document_id for citation in result.citations), *result.sources, *found])
    places = [
        [NodePlace(cited.document_id, cited.start_index, cited.end_index)] if cited.document_id in found else []
        for cited in result.citations
    ]
    evidence = _evidence((node_with_score(found[name]) for name in ids if name in found), places)
    return replace(evidence, complete=not evidence.more_sources)


def _places_of(citation: Citation, spans: Sequence[NodeSpan]) -> list[NodePlace]:
    places: list[NodePlace] = []
    for span in spans:
        start, end = max(citation.start_index, span.start), min(citation.end_index, span.end)
        shift, whole = span.node_start - span.start, end - start == len(citation.cited_text)
        places.append(NodePlace(span.node_id, start + shift, end + shift, whole))
    return places


def _spans_of_quote(citation: Citation, corpus: NodeCorpus) -> list[NodeSpan]:
    """Those that hold all of the quote; where none does, those that hold some of it."""
    start, end = citation.start_index, citation.end_index
    some = corpus.touching(citation.document_id, start, end)
    return [span for span in some if span.start <= start and end <= span.end] or some


def _evidence(nodes: Iterable[NodeWithScore], places: list[list[NodePlace]]) -> Evidence:
    first: dict[str, NodeWithScore] = {}
    for node in nodes:
        first.setdefault(node.node.node_id, node)
        if len(first) > SOURCE_NODES:
            break
    return Evidence(list(islice(first.values(), SOURCE_NODES)), len(first) > SOURCE_NODES, places, complete=False)


def _used(result: RLMResult[Any], corpus: NodeCorpus) -> Iterator[BaseNode]:
    for citation in result.citations:
        yield from (span.node for span in _spans_of_quote(citation, corpus))
    for place in result.evidence.places:
        spans = corpus.spans_of(place.document_id)
        if len(spans) > 1:
            spans = corpus.touching(place.document_id, place.start, place.end)
        yield from (span.node for span in spans)
    for name in result.sources:  # of which pictures were seen
        yield from (span.node for span in corpus.with_pictures(name))


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
