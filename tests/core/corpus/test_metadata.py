"""Metadata becomes plain JSON, or names its document."""

from __future__ import annotations

import datetime
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import pytest
from langchain_core.documents import Document as LangChainDocument

from rlm_integrations import RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.plain_values import plain
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.testing import ScriptedModel

from ...odd_values import nested  # noqa: TID252 - of the tests, which are no package


class Colour(str, Enum):  # noqa: UP042 - unlike a StrEnum, its str() is its name
    RED = "red"


class Kind(Enum):
    OF = False


class Level(IntEnum):
    HIGH = 3


class OtherNumber(Fraction):
    pass


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
