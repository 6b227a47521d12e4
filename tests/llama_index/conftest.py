from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from llama_index.core import (
    ComposableGraph,
    Document,
    DocumentSummaryIndex,
    KnowledgeGraphIndex,
    PropertyGraphIndex,
    Settings,
    SimpleKeywordTableIndex,
    StorageContext,
    SummaryIndex,
    TreeIndex,
    VectorStoreIndex,
)
from llama_index.core.embeddings.mock_embed_model import MockEmbedding
from llama_index.core.indices.property_graph import ImplicitPathExtractor
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.tools import QueryEngineTool

from rlm_integrations.llama_index import RLMQueryEngine, install
from rlm_integrations.testing.llama_index import ScriptedLLM


def knowledge_graph(docs: list[Document], **kwargs: Any) -> KnowledgeGraphIndex:
    """One triplet for each node that holds "Alice"; LlamaIndex has deprecated this class and users still have it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return KnowledgeGraphIndex.from_documents(
            docs, kg_triplet_extract_fn=lambda text: [("Alice", "met", "Bob")] if "Alice" in text else [], **kwargs
        )


BuildIndex = Callable[[list[Document]], object]

BUILDERS: dict[str, BuildIndex] = {
    "vector": lambda docs: VectorStoreIndex.from_documents(docs),
    "summary": lambda docs: SummaryIndex.from_documents(docs),
    "tree": lambda docs: TreeIndex.from_documents(docs, num_children=2),
    "keyword": lambda docs: SimpleKeywordTableIndex.from_documents(docs),
    "knowledge_graph": lambda docs: knowledge_graph(docs),
    "property_graph": lambda docs: PropertyGraphIndex.from_documents(
        docs, kg_extractors=[ImplicitPathExtractor()], use_async=False
    ),
    "document_summary": lambda docs: DocumentSummaryIndex.from_documents(docs),
    "graph": lambda docs: ComposableGraph.from_indices(
        SummaryIndex,
        [SummaryIndex.from_documents(docs[:2]), VectorStoreIndex.from_documents(docs[2:])],
        index_summaries=["the first", "the others"],
        storage_context=StorageContext.from_defaults(),
    ),
}


class RememberingSplitter(SentenceSplitter):
    """LlamaIndex's default splitter, which splits the same text once for all tests."""

    def _split_text(self, text: str, chunk_size: int) -> list[str]:
        return [*_split(text, chunk_size)]


@cache
def _split(text: str, chunk_size: int) -> list[str]:
    return SentenceSplitter()._split_text(text, chunk_size)


@pytest.fixture(scope="session")
def splitter() -> RememberingSplitter:
    return RememberingSplitter()


@pytest.fixture(autouse=True)
def settings(splitter: RememberingSplitter) -> Iterator[None]:
    """Offline defaults, put back after each test."""
    before = replace(Settings)
    Settings.llm = MockLLM(max_tokens=8)
    Settings.embed_model = MockEmbedding(embed_dim=8)
    Settings.node_parser = splitter
    Settings.callback_manager = None  # type: ignore[assignment] - as at the start of a program
    install()
    yield
    Settings.__dict__.update(before.__dict__)
    install()


@pytest.fixture(scope="session")
def new_documents() -> Callable[[], list[Document]]:
    """Makes five short documents with metadata."""
    return lambda: [
        Document(
            text=f"Doc {i}. Alice met Bob number {i}.",
            doc_id=f"d{i}",
            metadata={"i": i, "owner": "ann" if i < 2 else "bo"},
        )
        for i in range(5)
    ]


@pytest.fixture
def documents(new_documents) -> list[Document]:
    return new_documents()


@pytest.fixture(scope="session")
def long_text() -> str:
    """54,000 characters whose lines are all different; the passphrase stands once."""
    lines = [f"Line {i:05d} of the ledger, entry {i * 7919 % 100_003}, kept by clerk {i % 37}." for i in range(900)]
    lines[555] = "Line 00555 holds the passphrase: heliotrope under glass."
    return "\n".join(lines)


@pytest.fixture(params=sorted(BUILDERS))
def index_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def build_index() -> Callable[[str, list[Document]], object]:
    """An index of a kind over documents."""
    return lambda kind, docs: BUILDERS[kind](docs)


@pytest.fixture
def build_knowledge_graph() -> Callable[..., KnowledgeGraphIndex]:
    return knowledge_graph


@pytest.fixture
def scripted() -> type[ScriptedLLM]:
    return ScriptedLLM


@pytest.fixture
def ledger_engine(long_text, finding_llm) -> RLMQueryEngine:
    """Finds and cites the passphrase in one step, whatever it is asked."""
    return RLMQueryEngine.from_documents([Document(text=long_text, doc_id="ledger")], llm=finding_llm())


@pytest.fixture
def ledger_tool(ledger_engine) -> QueryEngineTool:
    return QueryEngineTool.from_defaults(ledger_engine, name="ledger", description="Questions on the ledger.")


@pytest.fixture
def judge(scripted) -> ScriptedLLM:
    """Says YES where the passphrase stands in the answer and in the source that it is shown together."""
    found = "heliotrope under glass"
    return scripted(always=lambda messages: "YES" if messages[-1].content.count(found) > 1 else "NO")


@pytest.fixture
def finding_llm() -> Callable[[], ScriptedLLM]:
    """A root LM that finds the passphrase by code, cites it and answers; each run takes one reply."""
    code = (
        "```repl\n"
        "doc = next(d for d in context if 'passphrase' in d['text'])\n"
        "at = doc['text'].index('heliotrope under glass')\n"
        "cite('heliotrope under glass', doc['id'])\n"
        "answer['content'] = doc['text'][at:at + 22]\n"
        "answer['ready'] = True\n"
        "```"
    )
    return lambda: ScriptedLLM(always=lambda messages: code)
