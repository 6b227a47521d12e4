"""What the root LM is told of the columns of a table."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rlm_integrations import Corpus
from rlm_integrations.core.corpus.columns import columns_line
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.facts import columns_of, metadata_line
from rlm_integrations.files.rows import Column, Table


def _line(cells: list[Any]) -> str:
    table = Table.of([Column("n", "")], [])
    return columns_line(table, [Document(f"row-{place}", "", {"n": cell}) for place, cell in enumerate(cells)])


def test_numbers_whose_hashes_are_alike_are_each_compared_a_few_times() -> None:
    """All multiples of 2**61 - 1 have the hash 0, and a document may hold as many of them as it likes."""
    compared = 0

    def equal(one: int, other: object) -> bool:
        nonlocal compared
        compared += 1
        return int.__eq__(one, other)

    counting = type("int", (int,), {"__eq__": equal, "__hash__": int.__hash__})
    many = 300
    line = _line([counting(n * (2**61 - 1)) for n in range(many)])
    assert line == f"n int (300 values, 0 to {299 * (2**61 - 1)})"
    assert compared < 10 * many


def test_each_number_is_named_once() -> None:
    assert _line([2, 1, 2, 2, 1]) == "n int (1, 2)"


ALIKE: list[tuple[list[Any], str]] = [
    ([1, 1.0, True], "1"),
    ([True, 1, 0, False], "0, True"),
    ([0.0, -0.0], "0.0"),
    ([2.0, 1, 2, 1.5], "1, 1.5, 2.0"),
    ([2**53, float(2**53), 2**53 + 1], f"{2**53}, {2**53 + 1}"),
    (["1", 1], "'1', 1"),
    (["True", True], "'True', True"),
    ([2.5, float("inf"), 7], "2.5, 7, inf"),
]


@pytest.mark.parametrize(("cells", "told"), ALIKE)
def test_values_are_one_where_pandas_counts_one(cells: list[Any], told: str) -> None:
    series = pd.Series(cells, dtype=object)
    line = columns_of(Corpus.of(pd.DataFrame({"text": "a text", "v": series})))
    assert line.partition(" (")[2] == f"{told})"
    assert len(told.split(", ")) == series.nunique()


@pytest.mark.parametrize(("cells", "told"), ALIKE)
def test_so_are_those_of_documents(cells: list[Any], told: str) -> None:
    line = metadata_line([Document("a", "", {"v": cell}) for cell in cells])
    assert sorted(line.partition(" (")[2].removesuffix(").").split(", ")) == sorted(told.split(", "))


def test_many_values_are_counted_so_too() -> None:
    assert _line([each for n in range(10) for each in (n, float(n))]) == "n float or int (10 values, 0 to 9)"
