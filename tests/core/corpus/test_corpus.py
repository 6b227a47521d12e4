"""What may be passed as a corpus, and corpora that are joined."""

from __future__ import annotations

import datetime
import gc
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import Document as LlamaDocument
from llama_index.core.schema import NodeWithScore, TextNode

from rlm_integrations.core.corpus.corpus import Corpus, once_per_corpus
from rlm_integrations.core.corpus.document import Document

from .refusals import refused

ODD = "CR\r\nLF\n, NUL \0, a lone surrogate \ud800, \u2028, \ufeff and \U0001f600"


class Retrieves:
    async def retrieve(self, query: str) -> Sequence[Document]:
        return [Document("hit", query)]


# -- what may be passed


def test_none_is_no_corpus() -> None:
    corpus = Corpus.of(None)
    assert (corpus.kind, corpus.documents, corpus.chars, corpus.as_documents()) == ("none", (), 0, ())


def test_a_str_stays_a_str() -> None:
    corpus = Corpus.of(ODD)
    assert (corpus.kind, corpus.text, corpus.chars) == ("str", ODD, len(ODD))
    assert corpus.documents == (Document("", ODD),)
    assert corpus.as_documents() == (Document("context", ODD),)


def test_a_corpus_is_passed_through() -> None:
    corpus = Corpus.of("text")
    assert Corpus.of(corpus) is corpus
    assert corpus.shared is corpus


def test_a_mapping_goes_from_name_to_text() -> None:
    corpus = Corpus.of(MappingProxyType({"a.txt": ODD, 2: "two"}))
    assert corpus.kind == "documents"
    assert corpus.documents == (Document("a.txt", ODD), Document("2", "two"))
    assert corpus.by_id["2"].text == "two"


def test_any_iterable_of_texts() -> None:
    def lazily() -> Iterator[str]:
        yield from ("one", "", ODD)

    for context in (["one", "", ODD], ("one", "", ODD), lazily()):
        assert Corpus.of(context).documents == (Document("doc-1", "one"), Document("doc-2", ""), Document("doc-3", ODD))


@pytest.mark.parametrize(
    ("item", "document"),
    [
        ({"text": "t"}, Document("doc-1", "t")),
        ({"id": "x", "text": "t", "metadata": {"year": 2021}}, Document("x", "t", {"year": 2021})),
        ({"id": 0, "page_content": "t"}, Document("0", "t")),
        ({"id": "", "content": "t"}, Document("doc-1", "t")),
        ({"id": None, "text": "t", "title": "A", "n": 1}, Document("doc-1", "t", {"title": "A", "n": 1})),
        ({"text": "same", "label": "same"}, Document("doc-1", "same", {"label": "same"})),
        ({"text": 5, "content": "t"}, Document("doc-1", "t", {"text": 5})),
        ({"text": "t", "metadata": None, "by": "x"}, Document("doc-1", "t", {"by": "x"})),
        ({"text": "t", "title": "A", "metadata": {"page": 3}}, Document("doc-1", "t", {"page": 3, "title": "A"})),
        ({"id": "x", "text": "t", "page": 3, "metadata": {"page": 3}}, Document("x", "t", {"page": 3})),
        ({"text": "t", "metadata": '{"page": 3}'}, Document("doc-1", "t", {"metadata": '{"page": 3}'})),
        ({"text": "t", "n": 1, "metadata": [2]}, Document("doc-1", "t", {"n": 1, "metadata": [2]})),
        ({"text": "", "content": "t", "metadata": {}}, Document("doc-1", "t")),
        ({"text": " ", "page_content": "", "content": "t"}, Document("doc-1", "t", {"text": " "})),
        ({"text": "", "page_content": ""}, Document("doc-1", "", {"page_content": ""})),
        (LangChainDocument("t", metadata={"page": 3}).model_dump(), Document("doc-1", "t", {"page": 3})),
        (LlamaDocument(text="t", metadata={"page": 3}).to_dict(), Document("doc-1", "t", {"page": 3})),
        (TextNode(text="t", metadata={"page": 3}).to_dict(), Document("doc-1", "t", {"page": 3})),
    ],
)
def test_a_dict_is_a_document(item: dict[str, Any], document: Document) -> None:
    assert Corpus.of([item]).documents == (document,)


def test_a_key_that_a_dict_has_twice_with_different_values_is_refused() -> None:
    assert refused(["a", {"text": "t", "page": 4, "metadata": {"page": 3}}]) == (
        "context: item 2 has 'page' twice, beside its \"metadata\" and in it, with different values; rename or leave "
        "out one of them"
    )


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            {1: "one", "1": "uno"},
            "the metadata of document 'd' holds two keys that are both written '1'; rename one of them",
        ),
        (
            {"a": {None: 1, "None": 2}},
            "the metadata of document 'd' holds a mapping with two keys that are both written 'None' under 'a'; rename "
            "one of them",
        ),
    ],
)
def test_keys_that_would_become_one_are_refused(metadata: dict[Any, Any], message: str) -> None:
    for document in (
        {"id": "d", "text": "t", "metadata": metadata},
        {"id": "d", "text": "t", **dict(metadata.items())},
    ):
        assert refused([document]) == f"context: {message}"


def test_rows_of_which_two_columns_would_become_one_are_refused() -> None:
    assert refused([{"city": "Oslo"}, {2023: "x", "2023": "y"}]) == (
        "context: row 2 has two columns that are both called '2023'; rename one of them"
    )
    assert Corpus.of([{2023: "x"}, {"2023": "y"}]).by_id["row-1"].metadata == {"2023": "y"}


def test_keys_that_are_hidden_do_not_clash() -> None:
    node = TextNode(text="t", id_="n", metadata={"1": "a", "secret": "b"}, excluded_llm_metadata_keys=["secret"])
    assert Corpus.of([node]).documents == (Document("n", "t", {"1": "a"}),)


def test_documents_of_the_core_are_kept_as_they_are() -> None:
    own = Document("a", "text", {"k": "v"})
    assert Corpus.of([own]).documents[0] is own
    assert Corpus.of(own).documents[0] is own


def test_langchain_documents() -> None:
    first = LangChainDocument(id="lc", page_content="one", metadata={"day": datetime.date(2020, 5, 1), "tags": {"x"}})
    corpus = Corpus.of([first, LangChainDocument(page_content="two"), LangChainDocument(id="", page_content="three")])
    assert corpus.documents == (
        Document("lc", "one", {"day": "2020-05-01", "tags": ["x"]}),
        Document("doc-2", "two"),
        Document("doc-3", "three"),
    )
    assert Corpus.of(first).documents == corpus.documents[:1]


def test_llama_index_documents_and_nodes_without_what_is_hidden_from_models() -> None:
    document = LlamaDocument(
        text="one", id_="li", metadata={"page": 3, "secret": "s"}, excluded_llm_metadata_keys=["secret"]
    )
    node = TextNode(text="two", id_="node", metadata={"page": 4})
    corpus = Corpus.of([document, node, NodeWithScore(node=TextNode(text="three", id_="scored"), score=0.5)])
    assert corpus.documents == (
        Document("li", "one", {"page": 3}),
        Document("node", "two", {"page": 4}),
        Document("scored", "three"),
    )
    assert Corpus.of(node).documents == (Document("node", "two", {"page": 4}),)


def test_items_of_many_kinds_together(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("from a file")
    corpus = Corpus.of([tmp_path / "f.txt", "str", {"id": "d", "text": "dict"}, LangChainDocument(page_content="lc")])
    assert [document.text for document in corpus.documents] == ["from a file", "str", "dict", "lc"]


def test_a_retriever_is_known_by_its_async_method() -> None:
    retriever = Retrieves()
    corpus = Corpus.of(retriever)
    assert corpus.retriever is retriever
    assert (corpus.kind, corpus.documents) == ("none", ())
    assert corpus.preceded_by([Document("a", "x")]).retriever is retriever


def test_a_calls_documents_stand_in_front() -> None:
    base = Corpus.of({"a": "base", "c": "other"})
    joined = base.preceded_by([Document("a", "brought"), Document("b", "two")])
    assert joined.documents == (
        Document("a", "brought"),
        Document("b", "two"),
        Document("a#2", "base"),
        Document("c", "other"),
    )
    assert joined.shared is base
    assert joined.brought == (Document("a", "brought"), Document("b", "two"))
    assert joined.chars == sum(map(len, ("brought", "two", "base", "other")))
    assert joined.by_id["a#2"].text == "base"
    assert base.documents[0].id == "a"


def test_documents_in_front_of_a_str_make_it_a_document_too() -> None:
    joined = Corpus.of("text").preceded_by([Document("m", "message")])
    assert joined.kind == "documents"
    assert joined.documents == (Document("m", "message"), Document("context", "text"))


def test_joining_nothing_and_joining_to_nothing() -> None:
    corpus = Corpus.of("text")
    assert corpus.preceded_by([]) is corpus
    alone = Corpus.of(None).preceded_by([Document("a", "x"), Document("a", "y")])
    assert (alone.kind, [d.id for d in alone.documents]) == ("documents", ["a", "a#2"])
    assert alone.shared is alone


def test_what_was_prepared_once_stays_shared_through_several_joins() -> None:
    base, retriever = Corpus.of({"a": "base"}), Retrieves()
    once = Corpus([Document("b", "hit")], join_to=base, retriever=retriever)
    twice = once.preceded_by([Document("c", "message")])
    assert twice.shared is base
    assert [document.id for document in twice.documents] == ["c", "b", "a"]
    assert [document.id for document in twice.brought] == ["c", "b"]
    assert twice.retriever is retriever
    assert Corpus([], join_to=once).retriever is retriever


def test_something_known_of_a_corpus_is_found_out_once_and_forgotten_with_it() -> None:
    asked: list[int] = []

    @once_per_corpus
    def size(corpus: Corpus) -> int:
        """Characters."""
        asked.append(corpus.chars)
        return corpus.chars

    corpus = Corpus.of("four")
    assert [size(corpus), size(corpus), size(Corpus.of("five!"))] == [4, 4, 5]
    assert asked == [4, 5]
    gone = weakref.ref(corpus)
    del corpus
    gc.collect()
    assert gone() is None
