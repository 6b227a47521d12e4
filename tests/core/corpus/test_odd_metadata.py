"""Metadata that cannot be written end no run with a bare error: each is refused by its document and its key."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import TextNode

from rlm_integrations import Document, InvalidArgumentError, RLMEngine, RunError
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.testing import ScriptedModel

from ...odd_values import Mute, nested  # noqa: TID252 - of the tests, which are no package

HUGE = 10**5_000
"""More digits than CPython writes."""
SHOWS = "```repl\nFINAL(str(context[0]['metadata']))\n```"


class Ends(Mute):
    def __str__(self) -> NoReturn:
        raise SystemExit(3)


class Closed:
    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError(f"no {name}")


class Shut(dict[str, Any]):
    def items(self) -> NoReturn:
        raise RuntimeError("no items")


def doubled(times: int) -> object:
    """Small in memory, and of 2**times values where each is looked at."""
    value: object = [1]
    for _ in range(times):
        value = [value, value]
    return value


def cycle() -> list[Any]:
    within: list[Any] = []
    within.append(within)
    return within


ODD: dict[str, tuple[dict[Any, Any], str]] = {
    "huge": ({"a": HUGE}, "an integer of more than 4,000 digits under 'a'"),
    "huge within": ({"a": [{"b": HUGE}]}, "an integer of more than 4,000 digits under 'a'"),
    "huge key": ({HUGE: 1}, "a key that is an integer of more than 4,000 digits"),
    "huge key within": ({"a": {HUGE: 1}}, "a key that is an integer of more than 4,000 digits under 'a'"),
    "huge words": (
        {"a": SimpleNamespace(x=HUGE)},
        r"a SimpleNamespace that cannot be written \(ValueError: .*\) under",
    ),
    "huge fraction": ({"a": Fraction(HUGE, 3)}, r"a Fraction that cannot be written \(OverflowError: .*\) under 'a'"),
    "deep": ({"a": nested(3_000)}, "values nested more than 100 deep under 'a'"),
    "cycle": ({"a": cycle()}, "values nested more than 100 deep under 'a'"),
    "doubled": (
        {"a": doubled(60)},
        "more than 50,000 values, the last of them under 'a'; put what is to be read into",
    ),
    "many keys": (dict.fromkeys(map(str, range(50_001))), "50,001 keys, more than 50,000; put what is to be read"),
    "long": ({"a": "x" * 9_999_990, "b": ["y" * 11]}, "10,000,001 characters, more than 10,000,000; put what is to"),
    "mute": ({"a": Mute()}, r"a Mute that cannot be written \(KeyError: 'no words'\) under 'a'"),
    "mute within": ({"a": [Mute()]}, r"a list that cannot be written \(KeyError: 'no words'\) under 'a'"),
    "mute key": ({Mute(): 1}, r"a key that is a Mute that cannot be written \(KeyError: 'no words'\)"),
    "ends": ({"a": Ends()}, r"an? Ends that cannot be written \(SystemExit: 3\) under 'a'"),
    "closed": ({"a": Closed()}, r"a Closed that cannot be written \(RuntimeError: no .*\) under 'a'"),
    "shut": ({"a": Shut(b=1)}, r"a Shut that cannot be written \(RuntimeError: no items\) under 'a'"),
}


def as_langchain(metadata: dict[Any, Any]) -> LangChainDocument:
    document = LangChainDocument("text", id="d7")
    document.metadata.update(metadata)
    return document


def as_node(metadata: dict[Any, Any]) -> TextNode:
    node = TextNode(text="text", id_="d7")
    node.metadata.update(metadata)
    return node


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "made",
    [
        lambda metadata: Document("d7", "text", metadata),
        lambda metadata: {"id": "d7", "text": "text", "metadata": metadata},
        as_langchain,
        as_node,
    ],
    ids=["core", "dict", "langchain", "llama_index"],
)
def test_what_cannot_be_written_is_refused_by_its_document_and_its_key(odd: str, made: Any) -> None:
    metadata, words = ODD[odd]
    with pytest.raises(InvalidArgumentError, match=f"context: the metadata of document 'd7' holds {words}"):
        RLMEngine(ScriptedModel()).run("What is in it?", ["first", made(metadata)])


class Finds:
    def __init__(self, found: object) -> None:
        self._found = found

    async def retrieve(self, query: str) -> Any:
        return self._found


@pytest.mark.parametrize("odd", ODD)
def test_so_is_what_a_retriever_of_the_users_finds(odd: str) -> None:
    metadata, words = ODD[odd]
    with pytest.raises(RunError, match=f"the retriever failed .*: the metadata of document 'd7' holds {words}"):
        RLMEngine(ScriptedModel()).run("What is in it?", Finds([Document("d7", "text", metadata)]))


def test_a_retriever_may_find_what_a_corpus_is_made_of_and_nothing_else() -> None:
    found: Sequence[object] = [
        "a text",
        LangChainDocument("another", id="lc", metadata={"day": datetime.date(2020, 5, 1)}),
    ]
    with ScriptedModel(["```repl\nFINAL(str([(d['id'], d['metadata']) for d in context]))\n```"]) as llm:
        answer = RLMEngine(llm).run("What is in it?", Finds(found)).answer
    assert answer == "[('doc-1', {}), ('lc', {'day': '2020-05-01'})]"
    for nothing, words in ((None, "returned NoneType, not a list of Documents"), ([5], "item 1 is int, which is not")):
        with pytest.raises(RunError, match=f"context: the retriever.*{words}"):
            RLMEngine(ScriptedModel()).run("What is in it?", Finds(nothing))


def test_what_is_odd_and_can_be_written_is_read_as_plain_values() -> None:
    odd: dict[Any, Any] = {
        1: "int",
        (1, 2): "tuple",
        None: "none",
        b"k": b"\xff",
        "nan": math.nan,
        "inf": -math.inf,
        "set": {1},
        "day": datetime.date(2020, 5, 1),
        "many": list(range(9_000)),
    }
    for made in (Document("d7", "text", odd), {"id": "d7", "text": "text", "metadata": odd}, as_langchain(odd)):
        metadata = Corpus.of([made]).by_id["d7"].metadata
        assert [*metadata][:4] == ["1", "(1, 2)", "None", "b'k'"]
        assert metadata["b'k'"] == r"b'\xff'"
        assert math.isnan(metadata["nan"])
        assert metadata["inf"] == -math.inf
        assert (metadata["set"], metadata["day"], len(metadata["many"])) == ([1], "2020-05-01", 9_000)
        with ScriptedModel([SHOWS]) as llm:
            assert "'(1, 2)': 'tuple'" in RLMEngine(llm).run("What is in it?", [made]).answer


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ([{"id": HUGE, "text": "t"}], "the id of item 1 is an integer of more than 4,000 digits; pass a str"),
        (["a", {"id": Mute(), "text": "t"}], r"the id of item 2 is a Mute that cannot be written \(KeyError"),
        ({HUGE: "t"}, "the name of a text is an integer of more than 4,000 digits"),
        ([{HUGE: "x"}, {"b": 1}], "the name of a column is an integer of more than 4,000 digits; pass a str"),
        ([{"a": Mute()}, {"a": 1}], r"the column 'a' holds a Mute that cannot be written \(KeyError: 'no words'\)"),
        ([{"a": doubled(60)}], "the column 'a' holds more than 50,000 values"),
        (
            ["x", {HUGE: 1, Mute(): 2}],
            r"item 2 is a dict without a str under \"text\"; its keys: \['<not shown: an int",
        ),
        ([{"text": "t", HUGE: 1, "metadata": {HUGE: 2}}], r"item 1 has '<not shown: an integer .*>' twice"),
        ([Document(5, "t")], r"item 1 is a Document of int, str and dict; pass Document\(id: str,"),  # type: ignore[arg-type]
        ([Document("a", None)], "item 1 is a Document of str, NoneType and dict"),  # type: ignore[arg-type]
        ([Document("a", "t", None)], "item 1 is a Document of str, str and NoneType"),  # type: ignore[arg-type]
    ],
)
def test_odd_ids_and_names_are_refused_by_their_place(context: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"context: {words}"):
        RLMEngine(ScriptedModel()).run("What is in it?", context)
