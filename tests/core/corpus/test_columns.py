"""What the root LM is told of the columns of a table."""

from __future__ import annotations

from rlm_integrations.core.corpus.columns import columns_line
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.files.rows import Column, Table


def _line(cells: list[int]) -> str:
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
