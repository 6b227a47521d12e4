"""Corpora, retrieved documents and citations."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.testing.sandbox_contract.contract import Contract, ReplOpener
from rlm_integrations.wire.calls import Cite, Retrieve

ODD = "CRLF\r\nNUL\0 astral 😀 中文 é\x85\u2028 end"

_PLAIN: list[dict[str, Any]] = [{"id": "a", "text": ODD, "metadata": {}}, {"id": "b", "text": "", "metadata": {}}]

CORPORA: dict[str, tuple[Any, str, str]] = {
    "nothing": (None, "context is None", "True"),
    "a text": (ODD, f"context == {ODD!r}", "True"),
    "a long text": (ODD + "x" * 9_000_000, "len(context), context[-1]", f"({len(ODD) + 9_000_000}, 'x')"),
    "documents": (
        {"a": ODD, "b": ""},
        "context",
        repr(_PLAIN),
    ),
    "a long document": (
        {"a": "1", "b": "y" * 9_000_000, "c": "3"},
        "[len(d['text']) for d in context]",
        "[1, 9000000, 1]",
    ),
    "metadata": (
        [{"text": "x", "metadata": {"n": [1, 2.5, None, True, "é"], "d": {"k": "v"}}}],
        "context[0]['metadata']",
        "{'n': [1, 2.5, None, True, 'é'], 'd': {'k': 'v'}}",
    ),
    "lone surrogates": ("a\ud800b", "len(context), context[0], context[2]", "(3, 'a', 'b')"),
}


class CorpusContract(Contract):
    """Corpora, retrieved documents and citations."""

    async def test_citations_are_made_with_their_place(self, open_repl: ReplOpener) -> None:
        live = await open_repl(["Rent is\n 40 marks.", "é Rent is 55."], answer=lambda call: True)
        assert await live.value("hit = search('55')[0]\nprint(cite('Rent is 40 marks'), cite('55', hit))") == (
            "Rent is\n 40 marks 55"
        )
        assert [call.call for call in live.calls] == [
            Cite("doc-1", 0, 17, "Rent is\n 40 marks"),
            Cite("doc-2", 10, 12, "55"),
        ]

    async def test_a_citation_from_a_text_with_lone_surrogates_is_of_the_original(self, open_repl: ReplOpener) -> None:
        live = await open_repl([{"id": "odd\udcff", "text": "ab \ud800 cd"}], answer=lambda call: True)
        await live.value("cite(context[0]['text'][3:8])")
        assert live.calls[0].call == Cite("odd\udcff", 3, 7, "\ud800 cd")

    @pytest.mark.parametrize("kind", CORPORA)
    async def test_the_corpus_arrives(self, open_repl: ReplOpener, kind: str) -> None:
        context, code, shown = CORPORA[kind]
        assert await (await open_repl(context)).value(code) == shown

    async def test_retrieved_documents_stand_behind_the_corpus(self, open_repl: ReplOpener) -> None:
        live = await open_repl({"a": "1"}, retrieved=(Document("hit", "9", {"s": 1}),))
        assert await live.value("[d['id'] for d in context], context[-1]['metadata']") == "(['a', 'hit'], {'s': 1})"

    async def test_retrieve_appends_what_is_new(self, open_repl: ReplOpener) -> None:
        found: list[Any] = [
            {"id": "new", "text": "fresh \ud800 text", "metadata": {}},
            {"id": "a", "text": "1", "metadata": {}},
        ]
        live = await open_repl(
            {"a": "1"}, retriever=True, answer=lambda call: found if isinstance(call, Retrieve) else True
        )
        assert await live.value(
            "print([d['id'] for d in retrieve('q')], len(context), len(retrieve('q')), len(context))"
        ) == ("['new', 'a'] 2 2 2")
        assert await live.value("print(search('fresh')[0].id, cite('fresh', 'new'))") == "new fresh"

    async def test_a_step_shows_a_passage_once(self, open_repl: ReplOpener) -> None:
        passage = "The kiln was lit in May, and it burnt on until the river came."
        live = await open_repl({"a": f"{passage} It cooled."})
        shown = await live.value("print(search('kiln'))\nprint(search('river'))")
        assert shown.count(passage) == 1
