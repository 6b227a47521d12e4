"""What is no corpus, or only nearly one, is refused with the remedy."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader, Blob
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document as LlamaDocument

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document

from .refusals import refused


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
