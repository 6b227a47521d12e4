"""What several parsers made, in a chain or a hierarchy, counts once."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache

import pytest
from llama_index.core import Document
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import (
    HierarchicalNodeParser,
    MarkdownNodeParser,
    NodeParser,
    SentenceSplitter,
    SentenceWindowNodeParser,
    TokenTextSplitter,
    get_leaf_nodes,
)
from llama_index.core.schema import BaseNode, IndexNode

from rlm_integrations.llama_index.documents import NodeCorpus

from .merging import merge_nodes


@pytest.fixture(scope="module")
def long_text(long_text: str) -> str:
    """Three quarters of it: LlamaIndex's splitters take most of the time here."""
    return long_text[:40_000].rpartition("\n")[0]


@cache
def hierarchy(text: str, sizes: tuple[int, ...], overlap: int = 20) -> list[BaseNode]:
    parser = HierarchicalNodeParser.from_defaults(chunk_sizes=[*sizes], chunk_overlap=overlap)
    return parser.get_nodes_from_documents([Document(text=text, doc_id="ledger")])


def test_a_hierarchy_of_nodes_counts_once(long_text):
    nodes = hierarchy(long_text, (2048, 512, 128))
    assert [merged.document.text for merged in merge_nodes(nodes)] == [long_text]


def test_leaves_find_their_place_through_ancestors_that_are_no_part_of_the_corpus(long_text):
    nodes = hierarchy(long_text, (2048, 512, 128))
    leaves = get_leaf_nodes(nodes)
    (merged,) = merge_nodes(leaves, {node.node_id: node for node in nodes})
    assert (merged.document.id, merged.document.text) == ("ledger", long_text)
    assert all(long_text[span.start : span.end] == span.node.text for span in merged.spans)


@pytest.mark.parametrize("overlap", [0, 20])
@pytest.mark.parametrize("sizes", [(2048, 512), (2048, 512, 128)])
def test_leaves_without_their_ancestors_count_once(long_text, sizes, overlap):
    leaves = get_leaf_nodes(hierarchy(long_text, sizes, overlap))
    if overlap:
        (merged,) = merge_nodes(leaves)
        assert (merged.document.id, merged.document.text, merged.guesses) == ("ledger", long_text, 0)
        assert all(long_text[span.start : span.end] == span.node.text for span in merged.spans)
        return
    parts = merge_nodes(leaves)  # nothing says which parent follows on which
    assert "\n".join(part.document.text for part in parts) == long_text
    with pytest.warns(UserWarning, match=f"the place of {len(parts) - 1} of the {len(leaves)} chunks is a guess"):
        NodeCorpus.of_nodes(leaves)


def test_leaves_without_ancestors_in_another_order_are_never_glued_together_and_doubt_is_told(long_text):
    leaves = get_leaf_nodes(hierarchy(long_text, (2048, 512)))
    for number in range(20):
        some = random.Random(number).sample(leaves, 12)
        assert all(part.document.text in long_text for part in merge_nodes(some))
    with pytest.warns(UserWarning, match="chunks is a guess"):
        NodeCorpus.of_nodes(random.Random(0).sample(leaves, len(leaves)))


def words(text: str) -> str:
    return " ".join(text.split())


HANDBOOK = "# Handbook\n\n" + "\n".join(
    f"## Section {k}\n\n"
    + " ".join(f"Entry {k}-{i} was made by the clerk on day {i * 7 % 30}." for i in range(40 + 9 * k))
    for k in range(6)
)


@cache
def handbook_nodes(parsers: Callable[[bool], list[NodeParser]], links: bool) -> list[BaseNode]:
    return IngestionPipeline(transformations=parsers(links)).run(documents=[Document(text=HANDBOOK, doc_id="handbook")])


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize(
    "parsers",
    [
        lambda links: [
            MarkdownNodeParser(),
            SentenceSplitter(chunk_size=256, chunk_overlap=40, include_prev_next_rel=links),
        ],
        lambda links: [
            SentenceSplitter(chunk_size=1024),
            SentenceSplitter(chunk_size=256, chunk_overlap=20, include_prev_next_rel=links),
        ],
        lambda links: [
            SentenceSplitter(chunk_size=512, chunk_overlap=0),
            SentenceWindowNodeParser.from_defaults(include_prev_next_rel=links),
        ],
        lambda links: [MarkdownNodeParser(), TokenTextSplitter(chunk_size=200, include_prev_next_rel=links)],
    ],
    ids=["sections", "twice", "sentences", "tokens"],
)
@pytest.mark.parametrize("shuffled", [False, True])
def test_what_parsers_in_a_chain_made_holds_no_text_that_no_document_has(parsers, links, shuffled):
    nodes = handbook_nodes(parsers, links)
    ordered = sorted(nodes, key=lambda node: node.text[::-1]) if shuffled else nodes
    merged, whole = merge_nodes(ordered), words(HANDBOOK)
    for each in merged:
        assert words(each.document.text) in whole
        assert all(each.document.text[span.start : span.end] == span.node.text for span in each.spans)
    found = [entry for each in merged for entry in re.findall(r"Entry (\d+-\d+) was", each.document.text)]
    assert set(found) == set(re.findall(r"Entry (\d+-\d+) was", HANDBOOK))


def test_what_parsers_in_a_chain_made_counts_once():
    parsers = [MarkdownNodeParser(), SentenceSplitter(chunk_size=256, chunk_overlap=40)]
    nodes = IngestionPipeline(transformations=parsers).run(documents=[Document(text=HANDBOOK, doc_id="handbook")])
    merged = merge_nodes(nodes)
    assert len(merged) == 7  # the title, and six sections
    assert sum(each.document.text.count("Entry") for each in merged) == HANDBOOK.count("Entry")
    assert not any(each.guesses for each in merged)


CHAINS = {
    "tokens, sentences": [
        TokenTextSplitter(chunk_size=300, chunk_overlap=50),
        SentenceSplitter(chunk_size=64, chunk_overlap=20),
    ],
    "sentences, tokens": [
        SentenceSplitter(chunk_size=256, chunk_overlap=40),
        TokenTextSplitter(chunk_size=70, chunk_overlap=15),
    ],
    "three": [
        TokenTextSplitter(chunk_size=300, chunk_overlap=50),
        SentenceSplitter(chunk_size=128, chunk_overlap=32),
        TokenTextSplitter(chunk_size=70, chunk_overlap=15),
    ],
}


ENTRIES = " ".join(f"Entry {i} was made by the clerk on day {i * 7 % 30}." for i in range(300))


@cache
def chain_nodes(chain: str) -> list[BaseNode]:
    """Of the entries."""
    document = Document(text=ENTRIES, doc_id="ledger")
    return IngestionPipeline(transformations=CHAINS[chain]).run(documents=[document])


@pytest.mark.parametrize("extracted", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("chain", CHAINS)
def test_what_overlapping_parsers_in_a_chain_made_counts_once(chain, shuffled, extracted, recwarn):
    nodes = [
        node.model_copy(update={"metadata": {"section_summary": f"Chunk {number}."} if extracted else {}})
        for number, node in enumerate(chain_nodes(chain))
    ]
    ordered = sorted(nodes, key=lambda node: node.text[::-1]) if shuffled else nodes
    corpus = NodeCorpus.of_nodes(ordered)
    (document,) = corpus.corpus.documents
    assert (document.id, words(document.text)) == ("ledger", words(ENTRIES))
    spans = corpus.spans_of("ledger")
    assert {span.node_id for span in spans} == {node.node_id for node in nodes}
    assert all(document.text[span.start : span.end] == span.node.text for span in spans)
    assert not recwarn.list


def test_of_overlapping_parsers_what_cannot_be_put_together_is_told():
    text = "".join(f"Entry {i} was made by the clerk on day {i * 7 % 30}.   " for i in range(300))
    parsers = [SentenceSplitter(chunk_size=256, chunk_overlap=40), SentenceWindowNodeParser.from_defaults()]
    nodes = IngestionPipeline(transformations=parsers).run(documents=[Document(text=text, doc_id="ledger")])
    with pytest.warns(UserWarning, match=rf"the place of \d+ of the {len(nodes)} chunks is a guess"):
        NodeCorpus.of_nodes(nodes)


def test_small_nodes_that_point_at_larger_ones_count_with_them():
    document = Document(text=HANDBOOK, doc_id="handbook")
    large = SentenceSplitter(chunk_size=1024).get_nodes_from_documents([document])
    small = [
        IndexNode.from_text_node(part, node.node_id)
        for size in (128, 256, 512)
        for node in large
        for part in SentenceSplitter(chunk_size=size, chunk_overlap=20).get_nodes_from_documents([node])
    ]
    nodes = [*small, *(IndexNode.from_text_node(node, node.node_id) for node in large)]
    assert [words(each.document.text) for each in merge_nodes(nodes)] == [words(HANDBOOK)]


def test_small_nodes_beside_larger_ones_that_they_do_not_name_are_left_out_and_counted():
    document = Document(text=HANDBOOK, doc_id="handbook")
    large = SentenceSplitter(chunk_size=1024).get_nodes_from_documents([document])
    splitter = SentenceSplitter(chunk_size=128, chunk_overlap=20)
    small = [part for node in large for part in splitter.get_nodes_from_documents([node])]
    with pytest.warns(
        UserWarning, match=f"{len(small)} of the {len(small) + len(large)} nodes are parts of other nodes"
    ):
        corpus = NodeCorpus.of_nodes([*small, *large])
    assert [words(document.text) for document in corpus.corpus.documents] == [words(HANDBOOK)]
