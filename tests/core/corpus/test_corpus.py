from __future__ import annotations

import datetime
import gc
import io
import re
import weakref
from collections.abc import AsyncIterator, Iterator, Sequence
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.document_loaders import BaseLoader, Blob
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document as LlamaDocument
from llama_index.core.schema import NodeWithScore, TextNode

from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus, once_per_corpus, unique_ids
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import document_of
from rlm_integrations.core.corpus.plain_values import plain
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.testing import ScriptedModel

ODD = "CR\r\nLF\n, NUL \0, a lone surrogate \ud800, \u2028, \ufeff and \U0001f600"


def refused(context: object) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        Corpus.of(context)
    return str(caught.value)


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


# -- what is refused


def test_nothing_to_read_is_refused() -> None:
    empty = "context: is empty; pass the documents, or None to ask without a corpus"
    for context in ([], (), {}, iter(()), set[str]()):
        assert refused(context) == empty
    assert refused("") == "context: is an empty str; pass the text, or None to ask without a corpus"


@pytest.mark.parametrize("context", [42, 1.5, object()])
def test_what_is_no_corpus_is_refused_by_the_name_of_its_type(context: object) -> None:
    assert refused(context) == (
        f"context: {type(context).__name__} is not a corpus; pass a str, a Path or several, a mapping of name to text, "
        "an iterable of str, dicts, documents or nodes, a table, an object with `async retrieve(query)`, or None"
    )


def test_a_retriever_that_is_not_async_is_refused_with_what_is_needed() -> None:
    class Blocking:
        def retrieve(self, query: str) -> list[str]:
            return [query]

    assert "an object with `async retrieve(query)`" in refused(Blocking())


READ_IT = "read it, and pass its text: file.read(); or pass Path(...), which names the document"


@pytest.mark.parametrize(
    ("context", "remedy"),
    [
        (b"bytes", "bytes is not a corpus; decode it: data.decode()"),
        (io.StringIO("a\nb"), f"StringIO is not a corpus; {READ_IT}"),
        (io.BytesIO(b"a\nb"), f"BytesIO is not a corpus; {READ_IT}"),
        ([io.StringIO("a\nb")], f"item 1 is StringIO, which is not a document; {READ_IT}"),
        ([bytearray(b"x")], "item 1 is bytearray, which is not a document; decode it: data.decode()"),
        (open, "builtin_function_or_method is not a corpus; call the function, and pass what it returns"),
        (lambda: ["a"], "function is not a corpus; call the function, and pass what it returns"),
        (
            [(Document("a", "x"), 0.5)],
            "item 1 is tuple, which is not a document; of pairs of documents and scores pass",
        ),
        ([["a"], ["b"]], "item 1 is list, which is not a document; pass one flat list of documents"),
    ],
)
def test_what_is_nearly_a_corpus_has_a_remedy_of_its_own(context: object, remedy: str) -> None:
    assert refused(context).startswith(f"context: {remedy}")


@pytest.mark.parametrize("item", [5, 1.5, ("a", "b", "c")])
def test_an_item_that_is_no_document_is_named_by_its_place(item: object) -> None:
    assert refused(["fine", item]).startswith(
        f"context: item 2 is {type(item).__name__}, which is not a document; pass a str"
    )


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_dict_without_text_among_others_is_refused_with_its_keys(place: int) -> None:
    items: list[Any] = ["a", {"text": "b"}]
    items.insert(place - 1, {"body": "x", "n": 1})
    assert refused(items) == (
        f"context: item {place} is a dict without a str under \"text\"; its keys: ['body', 'n']. Only a list of "
        "nothing but such dicts is read as the rows of a table: give each a text, or none"
    )


def test_a_mapping_of_anything_but_text_is_refused() -> None:
    assert refused({"a": "fine", "b": 5}) == (
        "context: the value of 'b' is int, not str; a mapping goes from name to text, or to an Image"
    )


def test_a_str_that_names_a_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("inside")
    assert refused(str(file)) == (
        f"context: the str {str(file)!r} names an existing file or folder; pass Path({str(file)!r}) to read it, "
        f"or [{str(file)!r}] to take it as text"
    )
    assert "names an existing file or folder" in refused(str(tmp_path))
    assert Corpus.of([str(file)]).documents == (Document("doc-1", str(file)),)
    assert Corpus.of(f"{file}\n").text == f"{file}\n"


def test_a_str_that_cannot_name_a_file_is_a_text() -> None:
    for text in ("\0", "\ud800", "a" * 5_000, "no such file.txt", "x" * 300):
        assert Corpus.of(text).text == text


# -- ids and joining


def test_equal_ids_are_told_apart() -> None:
    texts = [Document(name, str(place)) for place, name in enumerate(["a", "a", "a#2", "b", "a"])]
    assert [(d.id, d.text) for d in unique_ids(texts)] == [
        ("a", "0"),
        ("a#3", "1"),
        ("a#2", "2"),
        ("b", "3"),
        ("a#4", "4"),
    ]


@pytest.mark.parametrize(
    ("context", "ids"),
    [
        (["first", {"id": "doc-1", "text": "second"}], ["doc-1#2", "doc-1"]),
        ([{"text": "first"}, "second", {"id": "doc-2", "text": "third"}], ["doc-1", "doc-2#2", "doc-2"]),
        ([{"id": "doc-2", "text": "first"}, {"text": "second"}], ["doc-2", "doc-2#2"]),
        ([{"id": "doc-1", "text": "a"}, {"id": "doc-1", "text": "b"}, {"id": "doc-1#2", "text": "c"}], None),
        ([LangChainDocument("first"), Document("doc-1", "second")], ["doc-1#2", "doc-1"]),
        ([{"id": None, "n": 1}, {"id": "row-0", "n": 2}], ["row-0#2", "row-0"]),
    ],
)
def test_an_id_that_is_made_up_gives_way_to_a_given_one(context: list[Any], ids: list[str] | None) -> None:
    assert [document.id for document in Corpus.of(context).documents] == (ids or ["doc-1", "doc-1#3", "doc-1#2"])


@given(st.lists(st.sampled_from(["a", "a#2", "a#2#2", "a#3", "b", ""]), max_size=12))
def test_ids_are_unique_and_no_document_is_lost(names: list[str]) -> None:
    documents = [Document(name, str(place), {"n": place}) for place, name in enumerate(names)]
    unique = unique_ids(documents)
    assert len({document.id for document in unique}) == len(names)
    assert [(d.text, d.metadata) for d in unique] == [(d.text, d.metadata) for d in documents]
    assert all(new.id == old.id or new.id.startswith(f"{old.id}#") for new, old in zip(unique, documents, strict=True))
    for name in set(names):  # the first of a name keeps it
        assert next(d for d in unique if d.id == name).text == str(names.index(name))


def test_many_equal_ids_take_no_time_to_speak_of() -> None:
    unique = unique_ids([Document("same", "")] * 50_000)
    assert unique[-1].id == "same#50000"


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


# -- metadata


class Colour(str, Enum):  # noqa: UP042 - unlike a StrEnum, its str() is its name
    RED = "red"


class Kind(Enum):
    OF = False


class Level(IntEnum):
    HIGH = 3


class OtherNumber(Fraction):
    pass


def nested(deep: int) -> object:
    value: object = 1
    for _ in range(deep):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [(10**5_000, "an integer of more than 4,000 digits"), (nested(3_000), "values nested more than 100 deep")],
    ids=["long", "deep"],
)
def test_metadata_that_cannot_be_written_names_its_document(value: object, words: str) -> None:
    for document in (
        {"id": "d7", "text": "x", "metadata": {"a": value}},
        LangChainDocument("x", id="d7", metadata={"a": value}),
    ):
        with pytest.raises(InvalidArgumentError, match=f"the metadata of document 'd7' holds {words}"):
            Corpus.of(["fine", document])
    assert Corpus.of([{"text": "x", "metadata": {"a": 10**3_900, "b": nested(90)}}]).documents[0].metadata["a"]


def test_metadata_becomes_plain_json() -> None:
    value = {
        1: [None, True, 2, 2.5, "s"],
        "date": datetime.datetime(2020, 5, 1, 12, 30),
        "nested": {"tuple": (1, {2}), "path": Path("a/b")},
        "enums": [Colour.RED, Level.HIGH, Kind.OF, {Kind.OF: 1}],
        "uuid": UUID(int=7),
        "numbers": [OtherNumber(1, 4), *map(Decimal, ("1.10", "7", "1.0000000000000000001", "NaN", "1E+99999"))],
    }
    made = plain(value)
    assert made == {
        "1": [None, True, 2, 2.5, "s"],
        "date": "2020-05-01 12:30:00",
        "nested": {"tuple": [1, [2]], "path": "a/b"},
        "enums": ["red", 3, False, {"False": 1}],
        "uuid": "00000000-0000-0000-0000-000000000007",
        "numbers": [0.25, 1.1, 7, "1.0000000000000000001", "NaN", "1E+99999"],
    }
    assert [type(item) for item in made["enums"]] == [str, int, bool, dict]


def test_numbers_of_numpy_stay_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    made = [plain(numpy.int64(2021)), plain(numpy.float64(0.5)), plain(numpy.float32(0.5)), plain(numpy.bool_(False))]
    assert made == [2021, 0.5, 0.5, False]
    assert [type(item) for item in made] == [int, float, float, bool]
    assert plain({"a": numpy.array([[1, 2], [3, 4]]), "b": numpy.array(True), "c": numpy.array(["x"])}) == {
        "a": [[1, 2], [3, 4]],
        "b": True,
        "c": ["x"],
    }
    day = numpy.datetime64("2020-05-01", "ns")  # as a number it would count nanoseconds
    assert plain([day, numpy.array([day])]) == [str(day), [str(day)]]


def test_a_boolean_of_numpy_is_one_in_the_repl() -> None:
    numpy = pytest.importorskip("numpy")
    documents = [LangChainDocument(f"letter {n}", metadata={"open": numpy.bool_(n == 2)}) for n in range(5)]
    with ScriptedModel(["```repl\nFINAL(str(sum(1 for d in context if d['metadata']['open'])))\n```"]) as llm:
        assert RLMEngine(llm).run("How many are open?", context=documents).answer == "1"


def test_a_document_without_an_id_is_named_by_its_place() -> None:
    assert document_of("text", 7) == Document("doc-7", "text")


class Letters(BaseLoader):
    def lazy_load(self) -> Iterator[LangChainDocument]:
        yield LangChainDocument("a letter")


class Pages(BaseReader):
    def lazy_load_data(self, *args: Any, **kwargs: Any) -> Iterator[LlamaDocument]:
        yield LlamaDocument(text="a page")


async def streamed() -> AsyncIterator[str]:
    yield "a"


async def fetched() -> list[str]:
    return ["a"]


BLOB = Blob.from_data("abc")


@pytest.mark.parametrize(
    ("given", "named", "remedy"),
    [
        (streamed(), "async_generator", "collect it, and pass the list: .document async for"),
        (BLOB, "Blob", r"pass its text, blob\.as_string\(\)"),
        (Letters, "the class Letters", r"make an instance, Letters\(\.\.\.\)"),
        (LangChainDocument, "the class Document", r"make an instance, Document\(\.\.\.\)"),
        (Pages, "the class Pages", r"make an instance, Pages\(\.\.\.\)"),
        (Letters(), "Letters", r"pass what it loads: Letters\(\.\.\.\)\.load\(\)"),
        (Pages(), "Pages", r"pass what it loads: Pages\(\.\.\.\)\.load_data\(\)"),
        (partial(str, 1), "partial", "call the function, and pass what it returns"),
    ],
)
def test_what_is_nearly_a_corpus_is_refused_with_what_to_pass(given: object, named: str, remedy: str) -> None:
    assert re.fullmatch(f"context: {named} is not a corpus; .*{remedy}.*", refused(given))
    assert re.fullmatch(f"context: item 2 is {named}, which is not a document; .*{remedy}.*", refused(["a", given]))


async def test_what_was_not_awaited_is_refused_with_the_remedy() -> None:
    one, other = fetched(), fetched()
    assert refused(one) == "context: coroutine is not a corpus; await it, and pass what it gives"
    assert "item 1 is coroutine, which is not a document; await it" in refused([other])
    assert await one == await other == ["a"]
