"""`context` where its documents are the rows of a table: a list of them, with all of it as a DataFrame too.

Standard library only: pandas is what the session has of it, if it was asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

DocumentDict = dict[str, Any]


class Table(list[DocumentDict]):
    """Documents, of which those from `first` on, `count` of them, are rows."""

    def __init__(self, documents: Iterable[DocumentDict] = ()) -> None:
        super().__init__(documents)
        self._columns: Sequence[tuple[str, str]] = ()
        self._text_column = ""
        self._first, self._count = 0, len(self)
        self._df: Any = None

    def begin(self, columns: Sequence[tuple[str, str]], text_column: str, *, first: int, count: int) -> None:
        """Say what the rows are: their columns, each with what pandas calls its type or "", and where they stand."""
        self._columns, self._text_column = columns, text_column
        self._first, self._count = first, count

    @property
    def df(self) -> Any:
        """The rows as a pandas DataFrame, its index their ids: made when it is first asked for, and kept.

        Raises AttributeError where the session has no pandas.
        """
        if self._df is None:
            pandas = sys.modules.get("pandas")
            if pandas is None:
                raise AttributeError(
                    'context.df: this session has no pandas; d["metadata"] of each d in context has the columns as '
                    'values. (Whoever starts the run gives it pandas by sandbox=ProcessSandbox(imports=["pandas"]).)'
                )
            self._df = self._frame(pandas)
        return self._df

    def _frame(self, pandas: Any) -> Any:
        rows = self[self._first : self._first + self._count]
        index = pandas.Index([row["id"] for row in rows], dtype=object)
        columns = {name: _series(pandas, self._cells(name, rows), dtype, index) for name, dtype in self._columns}
        return pandas.DataFrame(columns, index=index)

    def _cells(self, name: str, rows: list[DocumentDict]) -> list[Any]:
        if name == self._text_column:
            return [row["metadata"].get(name, row["text"]) for row in rows]
        return [row["metadata"].get(name) for row in rows]


def _series(pandas: Any, cells: list[Any], dtype: str, index: Any) -> Any:
    """With its type in the source, where the cells are of that; else with what pandas takes them for."""
    if dtype:
        try:
            return pandas.Series(cells, dtype=dtype, index=index)
        except (TypeError, ValueError):
            pass
    return pandas.Series(cells, index=index)
