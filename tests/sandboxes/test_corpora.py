"""What arrives as `context`, and how a corpus is shared by the REPLs over it."""

from __future__ import annotations

import asyncio
import enum
import gc
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.sandboxes.process.helper_client import HOLDER_MIN_CHARS
from rlm_integrations.sandboxes.process.sandbox import ProcessSandbox
from rlm_integrations.sandboxes.process_worker import document_file
from rlm_integrations.sandboxes.process_worker.document_file import RecordReader, RecordWriter

ODD = "CRLF\r\nNUL\0 lone \ud800 pair \ud83d\ude00 astral 😀 中文 é\x85\u2028 end"


@pytest.fixture
def over(settings, attach):
    """The value of an expression in a new REPL over a corpus."""

    async def value(corpus: Corpus, code: str, retrieved: tuple[Document, ...] = ()) -> str:
        repl = await ProcessSandbox().open(corpus, settings(), retrieved)
        try:
            return await attach(repl).value(code)
        finally:
            await repl.close()

    return value


@pytest.mark.parametrize("size", [1, HOLDER_MIN_CHARS])
async def test_a_text_stays_as_it_is(over, size):
    text = ODD * size if size == 1 else ODD + "x" * size
    assert await over(
        Corpus.of(text), f"print(type(context) is str, context == {ODD!r} + 'x' * {len(text) - len(ODD)})"
    ) == ("True True")


@pytest.mark.parametrize("size", [0, HOLDER_MIN_CHARS])
async def test_documents_stay_as_they_are(over, size):
    documents = [
        {"id": "a\ud800", "text": ODD, "metadata": {"year": 2024, "tags": ["x", None, 1.5, True], ODD: {"k": ODD}}},
        {"id": "empty", "text": "", "metadata": {}},
        {"id": "long", "text": "y" * size, "metadata": {}},
    ]
    assert await over(
        Corpus.of(documents), f"context == {documents!r}" if not size else f"context[:2] == {documents[:2]!r}"
    ) == ("True")
    assert await over(Corpus.of(documents), "[len(d['text']) for d in context]") == f"[{len(ODD)}, 0, {size}]"


async def test_no_corpus_is_none_until_something_is_retrieved(over):
    assert await over(Corpus.of(None), "print(context)") == "None"
    found = (Document("hit", "text", {"score": 1}),)
    assert await over(Corpus.of(None), "context", found) == "[{'id': 'hit', 'text': 'text', 'metadata': {'score': 1}}]"


@pytest.mark.parametrize("size", [1, HOLDER_MIN_CHARS])
async def test_what_a_call_brings_stands_in_front_and_what_was_retrieved_behind(over, size):
    shared = Corpus.of({"a": "1" * size, "b": "2"})
    joined = shared.preceded_by([Document("question", "0"), Document("b", "new")])
    assert await over(joined, "[d['id'] for d in context]", (Document("hit", "9"),)) == str(
        [document.id for document in joined.documents] + ["hit"]
    )
    assert await over(joined, "[d['text'][:3] for d in context]") == str([each.text[:3] for each in joined.documents])
    assert await over(shared, "[d['id'] for d in context]") == "['a', 'b']", "the shared part is as it was"


@pytest.mark.parametrize("size", [1, HOLDER_MIN_CHARS])
async def test_a_text_beside_other_documents_is_one_of_them(over, size):
    joined = Corpus.of("x" * size).preceded_by([Document("question", "0")])
    ids = [document.id for document in joined.documents]
    assert await over(joined, "[(d['id'], len(d['text'])) for d in context]") == str(
        list(zip(ids, [1, size], strict=True))
    )


class _Colour(enum.StrEnum):
    RED = "red"


class _Ratio(float):
    pass


async def test_metadata_of_other_types_becomes_plain(over):
    metadata: dict[Any, Any] = {"colour": _Colour.RED, "ratio": _Ratio(0.5), "of": {"set": {1}}, 7: object}
    corpus = Corpus([Document("a", "text", metadata)])
    assert await over(corpus, "d = context[0]['metadata']\nprint(d['colour'], d['ratio'], d['of'], d['7'])") == (
        "red 0.5 {'set': [1]} <class 'object'>"
    )


@pytest.mark.parametrize("size", [1, HOLDER_MIN_CHARS])
async def test_texts_and_values_of_numpy_are_texts_and_values(over, size):
    numpy = pytest.importorskip("numpy")
    text = numpy.str_("é" * size)
    for corpus in (Corpus.of(numpy.array([text])), Corpus.of({numpy.str_("doc-1"): text}), Corpus.of([{"text": text}])):
        assert await over(corpus, "d = context[0]\nprint(d['id'], len(d['text']), d['text'][:1])") == f"doc-1 {size} é"
    assert await over(Corpus.of(text), "print(len(context), context[:1])") == f"{size} é"
    metadata = {
        "ratio": numpy.float64(0.5),
        "year": numpy.int64(2021),
        "owner": numpy.str_("ann"),
        "of": [numpy.str_("x")],
    }
    corpus = Corpus.of([Document(numpy.str_("a"), text, metadata)])
    assert await over(corpus, "print(context[0]['id'], context[0]['metadata'])") == (
        "a {'ratio': 0.5, 'year': 2021, 'owner': 'ann', 'of': ['x']}"
    )


async def test_metadata_nested_too_deeply_is_an_error_that_names_the_document(over):
    metadata: dict[str, Any] = {}
    for _ in range(100_000):
        metadata = {"in": metadata}
    with pytest.raises(InvalidArgumentError, match="context: the metadata of document 'deep' is nested too deeply"):
        await over(Corpus([Document("deep", "text", metadata)]), "1")
    while metadata:  # its destructor recurses
        metadata = metadata["in"]


@pytest.mark.parametrize("metadata", [dict.fromkeys(map(str, range(5_000)), 1), {"a": [[1] * 50] * 100}])
def test_documents_of_many_values_are_not_written_a_hundred_at_once(metadata, monkeypatch):
    written = list[Any]()
    value = RecordWriter.value
    monkeypatch.setattr(RecordWriter, "value", lambda writer, each: (written.append(each), value(writer, each)))
    writer = RecordWriter("test")
    writer.documents(100, ((str(i), "text", metadata, ()) for i in range(100)))
    assert all(len(record) <= 5 for record in written[1:])
    with closing(RecordReader(writer.finish())) as reader:
        assert [each["metadata"] for each in reader.documents()] == [metadata] * 100


def test_long_texts_are_written_in_pieces(monkeypatch):
    monkeypatch.setattr(document_file, "SHARED_MIN_CHARS", 10)
    monkeypatch.setattr(document_file, "PIECE_CHARS", 10)
    texts = ["", "x" * 9, "x" * 10, "x" * 11, ODD, "y" * 100]
    writer = RecordWriter("test")
    writer.documents(len(texts), ((str(i), text, {}, ()) for i, text in enumerate(texts)))
    reader = RecordReader(writer.finish())
    assert [document["text"] for document in reader.documents()] == texts
    reader.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
def test_documents_that_are_written_together_are_read_one_by_one(monkeypatch, count):
    monkeypatch.setattr(document_file, "TOGETHER", 3)
    monkeypatch.setattr(document_file, "TOGETHER_CHARS", 30)
    monkeypatch.setattr(document_file, "SHARED_MIN_CHARS", 35)
    monkeypatch.setattr(document_file, "PIECE_CHARS", 40)
    texts = ["", "x", "y" * 35, "z" * 100, "w", ODD, "v" * 41][:count]
    pictures = [{"id": "p", "bytes": 1}]
    writer = RecordWriter("test")
    writer.documents(count, ((str(n), text, {"n": n}, pictures * (n % 2)) for n, text in enumerate(texts)))
    writer.value("what comes next")
    reader = RecordReader(writer.finish())
    assert reader.documents() == [
        {"id": str(n), "text": text, "metadata": {"n": n}} | ({"images": pictures} if n % 2 else {})
        for n, text in enumerate(texts)
    ]
    assert reader.value() == "what comes next"
    reader.close()


async def test_a_large_corpus_is_sent_once_for_all_repls(open_repl, holders, until):
    corpus = Corpus.of([f"document {i} " * 100 for i in range(3_000)])
    before = set(holders())
    opened = await asyncio.gather(*(open_repl(corpus) for _ in range(8)))
    (holder,) = set(holders()) - before
    values = await asyncio.gather(
        *(live.value("len(context), sum(len(d['text']) for d in context)") for live in opened)
    )
    assert values == [f"(3000, {corpus.chars})"] * 8
    again = await open_repl(corpus)
    assert await again.value("len(context)") == "3000"
    assert set(holders()) - before == {holder}


async def test_what_one_repl_does_to_its_documents_no_other_sees(open_repl):
    corpus = Corpus.of(["x" * HOLDER_MIN_CHARS, "y"])
    first = await open_repl(corpus)
    await first.value("context.clear()")
    assert await (await open_repl(corpus)).value("len(context)") == "2"


async def test_the_holder_ends_with_the_corpus(settings, attach, holders, until):
    before = set(holders())
    corpus = Corpus.of("x" * HOLDER_MIN_CHARS)
    repl = await ProcessSandbox().open(corpus, settings())
    assert len(set(holders()) - before) == 1
    del corpus
    gc.collect()
    assert await attach(repl).value("len(context)") == str(HOLDER_MIN_CHARS), "a REPL that runs keeps it"
    await repl.close()
    del repl
    gc.collect()
    await until(lambda: set(holders()) <= before)


async def test_a_holder_that_was_killed_is_replaced(open_repl, holders):
    import os
    import signal

    corpus = Corpus.of("x" * HOLDER_MIN_CHARS)
    before = set(holders())
    live = await open_repl(corpus)
    (holder,) = set(holders()) - before
    os.kill(holder, signal.SIGKILL)
    assert await live.death("while True: pass") == "its process was ended from outside"
    assert await (await open_repl(corpus)).value("len(context)") == str(HOLDER_MIN_CHARS)


class _WaitsForTheLoop(Mapping[str, Any]):
    """Metadata that is read only once `allowed` is set; `reached` tells that somebody tries."""

    def __init__(self) -> None:
        self.reached, self.allowed = threading.Event(), threading.Event()

    def __getitem__(self, key: str) -> Any:
        return "value"

    def __iter__(self) -> Iterator[str]:
        self.reached.set()
        if not self.allowed.wait(10):
            raise RuntimeError("the loop stood still while the corpus was prepared")
        return iter(["key"])

    def __len__(self) -> int:
        return 1


@pytest.fixture
def held_up():
    """A large corpus whose preparation stops in the middle until it is allowed to go on."""
    metadata = _WaitsForTheLoop()
    yield metadata, Corpus([Document("a", "x" * HOLDER_MIN_CHARS), Document("b", "text", metadata)])
    metadata.allowed.set()


async def test_the_loop_runs_while_a_corpus_is_prepared(open_repl, until, held_up):
    metadata, corpus = held_up
    opening = asyncio.ensure_future(open_repl(corpus))
    await until(metadata.reached.is_set)
    metadata.allowed.set()
    assert await (await opening).value("context[1]['metadata']") == "{'key': 'value'}"


async def test_waiting_for_a_corpus_can_be_given_up_and_it_is_there_for_the_next(open_repl, until, held_up, holders):
    before = set(holders())
    metadata, corpus = held_up
    opening = asyncio.ensure_future(open_repl(corpus))
    await until(metadata.reached.is_set)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not metadata.allowed.is_set()
    metadata.allowed.set()
    assert await (await open_repl(corpus)).value("context[1]['text']") == "text"
    assert len(set(holders()) - before) == 1, "what was begun was not begun again"
