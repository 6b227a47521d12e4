"""What a query engine answers over: nodes, read once, or a retriever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.indices.base import BaseIndex
from llama_index.core.indices.composability.graph import ComposableGraph
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle

from rlm_integrations.core.calls.once import Once
from rlm_integrations.core.calls.threads import within_loop
from rlm_integrations.core.corpus.corpus import NO_CORPUS, Corpus
from rlm_integrations.core.corpus.frames import is_table
from rlm_integrations.core.corpus.nearly_a_corpus import is_no_collection
from rlm_integrations.core.corpus.own_ids import OwnIds
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.session.memory import SessionMemory
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.frozen import frozen
from rlm_integrations.llama_index.caller_warning import for_caller, warn_caller
from rlm_integrations.llama_index.documents import NodeCorpus
from rlm_integrations.llama_index.index_changes import IndexChanges
from rlm_integrations.llama_index.index_nodes import (
    AnyIndex,
    ancestors_in_docstore,
    check_can_be_read,
    each_node_of_index,
    is_surely_empty,
    objects_of_index,
)
from rlm_integrations.llama_index.index_retriever import IndexRetriever
from rlm_integrations.llama_index.node_objects import Pointers, with_objects
from rlm_integrations.llama_index.node_selection import NodeSelection
from rlm_integrations.llama_index.read_node import ReadNodes
from rlm_integrations.llama_index.response import EMPTY_RESPONSE
from rlm_integrations.llama_index.retriever import NodeRetriever, node_with_score
from rlm_integrations.llama_index.source_nodes import Evidence, corpus_evidence, retrieved_evidence

QueryContext = AnyIndex | BaseRetriever | Iterable[Any] | Path | Corpus
"""An index, a retriever, nodes, documents, or whatever else the core takes as a context (texts, paths)."""


@frozen
class NodesContext:
    """The same corpus for every run."""

    nodes: NodeCorpus
    changes: IndexChanges | None = None
    """Of the index that they were read from."""
    selects_nothing: str = ""
    """What of the selection no node passed: then nothing is asked of any model."""

    def for_run(self) -> NodesContext:
        if self.changes is not None:
            self.changes.tell()
        return self

    async def afor_run(self) -> NodesContext:
        return self.for_run()

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """All of them, without scores: whatever the query is, this is what it is answered over."""
        return [NodeWithScore(node=node) for node in self.nodes.nodes]

    def over(self, nodes: Sequence[NodeWithScore], more: Sequence[NodeWithScore]) -> GivenNodes:
        """These nodes; where there are none, or all of them, the whole corpus as it was read."""
        is_whole = not nodes or self.nodes.is_made_of(hit.node for hit in nodes)
        return GivenNodes(self if is_whole else _read_given(nodes), nodes, more)

    @property
    def core_context(self) -> Corpus:
        return self.nodes.corpus

    def evidence(self, result: RLMResult[Any]) -> Evidence:
        return corpus_evidence(result, self.nodes)


class UnreadContext:
    """A corpus that is read when it is first needed: an event loop was running when it was named, and must go on.

    What a run needs is read in a thread where the run is async. Everything else here is sync, and reads where it is
    called. A copy by pickle or deepcopy is one of what was read, so that it needs no index.
    """

    def __init__(self, read: Callable[[], NodesContext]) -> None:
        self._read = Once(for_caller(read))

    def for_run(self) -> NodesContext:
        return self._read.get().for_run()

    async def afor_run(self) -> NodesContext:
        return (await self._read.aget()).for_run()

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self.for_run().retrieve(query_bundle)

    def over(self, nodes: Sequence[NodeWithScore], more: Sequence[NodeWithScore]) -> GivenNodes:
        if nodes and not self._read.is_there:  # then they are others
            return GivenNodes(_read_given(nodes), nodes, more)
        return self.for_run().over(nodes, more)

    @property
    def core_context(self) -> Corpus:
        return self.for_run().core_context

    def __reduce__(self) -> tuple[Any, ...]:
        read = self.for_run()
        return NodesContext, (read.nodes, None, read.selects_nothing)


@frozen
class RetrieverContext:
    """The same retriever for every run. What it found in one, that run's result knows."""

    core_context: NodeRetriever

    def for_run(self) -> RetrieverContext:
        return self

    async def afor_run(self) -> RetrieverContext:
        return self

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """What it finds. No run names these, so they are told apart here."""
        return [*map(node_with_score, OwnIds(NO_CORPUS).each_once(self.core_context.retrieve_sync(query_bundle)))]

    def over(self, nodes: Sequence[NodeWithScore], more: Sequence[NodeWithScore]) -> GivenNodes:
        """These hits and no others: where there are none, they may have been dropped because none may be seen."""
        return GivenNodes(_read_given(nodes) if nodes else _EMPTY, nodes, more)

    def evidence(self, result: RLMResult[Any]) -> Evidence:
        return retrieved_evidence(result)

    @property
    def selects_nothing(self) -> str:
        """Never known beforehand: each search may find something else."""
        return ""


@frozen
class GivenNodes:
    """What one question is to be answered over, with sources that somebody else found."""

    context: NodesContext
    hits: Sequence[NodeWithScore]
    more: Sequence[NodeWithScore]

    @property
    def core_context(self) -> Corpus:
        return self.context.core_context

    @property
    def selects_nothing(self) -> str:
        return self.context.selects_nothing

    def evidence(self, result: RLMResult[Any]) -> Evidence:
        scores = {hit.node.node_id: hit.score for hit in self.hits}
        return self.context.evidence(result).with_scores(scores).with_more(self.more)


RunContext = NodesContext | RetrieverContext | GivenNodes


@dataclass(slots=True)
class Chat:
    """What the questions of a chat share: their session, and what it is over."""

    memory: SessionMemory
    context: RunContext | None = None
    """Taken by the first question."""


_EMPTY = NodesContext(NodeCorpus(Corpus(()), ()))


def _read_given(hits: Sequence[NodeWithScore]) -> NodesContext:
    nodes = with_objects([hit.node for hit in hits], {})
    return NodesContext(NodeCorpus.of_nodes(nodes, {node.node_id: node for node in nodes}))


def read_context(
    context: object, selection: NodeSelection, postprocessors: Sequence[BaseNodePostprocessor]
) -> NodesContext | RetrieverContext | UnreadContext:
    """What was passed as `context`: read now, or when it is first needed, where that would hold up an event loop.

    Raises InvalidArgumentError for what cannot be one, or cannot be narrowed as asked. What only reading tells is
    raised when it is read.
    """
    if isinstance(context, IndexRetriever):
        return RetrieverContext(NodeRetriever(context.retriever, postprocessors, selection))
    if isinstance(context, BaseRetriever):
        if selection.given:
            names = " and ".join(selection.given)
            raise InvalidArgumentError(
                f"{names}: cannot be applied to what a retriever returns without losing hits; set them on the "
                f"retriever itself, for instance index.as_retriever({selection.given[0]}=...)"
            )
        return RetrieverContext(NodeRetriever(context, postprocessors, selection))
    if postprocessors:
        raise InvalidArgumentError(
            "node_postprocessors: work on the hits of a retriever, and this engine reads a whole corpus; apply them to "
            'the nodes and pass those as nodes=, or pass retriever= or corpus="retriever"'
        )
    if isinstance(context, (BaseIndex, ComposableGraph)):
        index = cast(AnyIndex, context)
        check_can_be_read(index)
        read = partial(_read_index, index, selection)
        return read() if is_surely_empty(index) else _now_or_later(read)
    if context is None:
        raise InvalidArgumentError("context: none given; pass an index, a retriever, nodes or documents")
    if selection.given and not _may_be_nodes(context):
        raise _no_nodes_to_select(context, selection)
    if _is_small(context):
        return _read_items(context, selection)
    # A list is taken as it is now, whatever becomes of it.
    items = cast(object, tuple(context) if isinstance(context, list) else context)  # pyright: ignore[reportUnknownArgumentType]
    return _now_or_later(partial(_read_items, items, selection))


def _now_or_later(read: Callable[[], NodesContext]) -> NodesContext | UnreadContext:
    return UnreadContext(read) if within_loop() else read()


def _read_index(index: AnyIndex, selection: NodeSelection) -> NodesContext:
    nodes, pointers, count = ReadNodes(), Pointers(objects_of_index(index)), 0
    changes = IndexChanges(index)
    for node in each_node_of_index(index, selection.filters):
        count += 1
        if selection.passes(node):
            found = pointers.follow(node)
            nodes.add(found, fresh=found is node)
    if not count:
        warn_caller(
            f"{type(index).__name__}: it holds no nodes, so this engine answers over an empty corpus; an index is "
            "read once for an engine: after nodes were inserted, make a new one"
        )
        return NodesContext(_EMPTY.nodes, changes)
    if not nodes.count:
        return _nothing_selected(selection, count)
    pointers.warn()
    nodes.ancestors = ancestors_in_docstore(index, nodes.parent_ids())
    return NodesContext(NodeCorpus.of(nodes), changes)


def _read_items(context: object, selection: NodeSelection) -> NodesContext:
    given, rest = _nodes_of(context)
    if given is not None:
        seen = selection.of(given)
        if not seen:
            return _nothing_selected(selection, len(given))
        return NodesContext(NodeCorpus.of_nodes(with_objects(seen, {}), {node.node_id: node for node in given}))
    if selection.given:
        raise _no_nodes_to_select(context, selection)
    return NodesContext(NodeCorpus.of_corpus(Corpus.of(rest)))


def _nothing_selected(selection: NodeSelection, count: int) -> NodesContext:
    """No fault of the user's: a tenant may have no documents yet. LlamaIndex's own engines answer all the same."""
    why = f"{' and '.join(selection.given)}: none of the {count:,} nodes passes"
    warn_caller(
        f"{why}, so this engine answers every query with {EMPTY_RESPONSE!r}, as LlamaIndex's own engines do, and calls "
        "no model; if some should pass, check them against the nodes' metadata and ids"
    )
    return NodesContext(_EMPTY.nodes, selects_nothing=why)


def _no_nodes_to_select(context: object, selection: NodeSelection) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{' and '.join(selection.given)}: need nodes, and context is {type(context).__name__}; pass an index, "
        "nodes or documents of LlamaIndex"
    )


def _may_be_nodes(context: object) -> bool:
    """False for what cannot hold nodes, as its type or its first item tells."""
    if isinstance(context, (list, tuple)):
        return isinstance(next(iter(cast("Iterable[object]", context)), None), (BaseNode, NodeWithScore))
    return isinstance(context, Iterable) and not isinstance(context, (str, bytes, bytearray, Mapping, Corpus))


def _is_small(context: object) -> bool:
    """Whether it takes no time to read: one text, nothing, or what is no corpus."""
    if isinstance(context, (str, bytes, bytearray, Corpus)):
        return True
    if isinstance(context, Sized) and not is_no_collection(context) and not len(context):
        return True
    return not isinstance(context, (Iterable, Path)) and not is_table(context)


def _nodes_of(context: object) -> tuple[list[BaseNode] | None, object]:
    """The nodes that the context is made of, or None and the context, read if it could be read only once."""
    if isinstance(context, (BaseNode, NodeWithScore)):
        return _nodes_of([context])
    if is_table(context) or isinstance(context, (str, bytes, bytearray, Mapping, Corpus)) or is_no_collection(context):
        return None, context  # pyright: ignore[reportUnknownVariableType]
    items = list(cast("Iterable[object]", context))
    nodes = [item.node if isinstance(item, NodeWithScore) else item for item in items]
    if items and all(isinstance(node, BaseNode) for node in nodes):
        return [node for node in nodes if isinstance(node, BaseNode)], items
    return None, items
