"""Tables as a corpus: a document a row. No library of them is imported: a table is known by its methods.

A row's metadata is its cells as values, by their columns; its text is that of a column of texts, or the names and
values of all columns, one a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.plain_values import MOST_VALUES, NotPlainError, checked_name, plain
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.files.rows import Column, Table, cells_of, pandas_dtype, repeated_name
from rlm_integrations.frozen import frozen

_PLAIN_TYPES = frozenset({str, bool, float, type(None)})


@frozen
class Rows:
    """A table, and a document for each of its rows."""

    table: Table
    documents: list[Document]
    made_up: list[str]
    """The ids, as objects, of rows that have none, where others have."""


def is_table(context: object) -> bool:
    """Whether it is a DataFrame of pandas or polars, or a table, a batch, a reader or a dataset of Arrow."""
    return _is_arrow(context) or _is_polars(context) or _is_pandas(context)


def read_rows(context: object) -> Rows | None:
    """The rows of a table; None of anything else.

    Ids are the column "id", or else "row-" and the label of the row, from 0 where rows have none. Cells that are
    missing are left out. Raises InvalidArgumentError for columns of one name, and for values that cannot be written.
    """
    if _is_arrow(context):
        return _rows_of_arrow(context)
    if _is_polars(context):
        rows: list[Mapping[Any, Any]] = list(cast(Any, context).to_dicts())
        return rows_of_dicts(rows, [_column(name) for name in cast(Any, context).columns])
    return _rows_of_pandas(context) if _is_pandas(context) else None


def rows_of_dicts(rows: Sequence[Mapping[Any, Any]], names: Sequence[str] | None = None) -> Rows:
    """Each dict is a row. Columns are in the order in which they are first met, if no names are given.

    Raises InvalidArgumentError for a row of which two columns would be one.
    """
    by_name = [{_column(name): cell for name, cell in row.items()} for row in rows]
    for number, (row, cells) in enumerate(zip(rows, by_name, strict=True), 1):
        if len(cells) < len(row):
            name = repeated_name([_column(name) for name in row])
            raise InvalidArgumentError(
                f"context: row {number} has two columns that are both called {name!r:.200}; rename one of them"
            )
    if names is None:
        names = list(dict.fromkeys(name for row in by_name for name in row))
    return _rows(names, [""] * len(names), ([row.get(name) for row in by_name] for name in names), range(len(rows)))


def _column(name: object) -> str:
    return name if type(name) is str else checked_name(name, "the name of a column")


def _is_arrow(context: object) -> bool:
    return type(context).__module__.partition(".")[0] == "pyarrow" and hasattr(context, "schema")


def _is_polars(context: object) -> bool:
    return hasattr(context, "columns") and callable(getattr(context, "to_dicts", None))


def _is_pandas(context: object) -> bool:
    frame: Any = context
    return all(hasattr(frame, name) for name in ("columns", "index", "dtypes")) and callable(
        getattr(frame, "isna", None)
    )


def _rows_of_pandas(context: object) -> Rows:
    frame: Any = context
    names = [_column(name) for name in frame.columns]
    dtypes = [str(dtype) for dtype in frame.dtypes]
    columns = (_cells_of_series(frame.iloc[:, place]) for place in range(len(names)))
    return _rows(names, dtypes, columns, frame.index)


def _cells_of_series(series: Any) -> list[Any]:
    """None where a value is missing."""
    values: list[Any] = series.astype(object).to_numpy().tolist()
    if not series.isna().any():
        return values
    missing: list[bool] = series.isna().to_numpy().tolist()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def _rows_of_arrow(context: object) -> Rows:
    table: Any = context
    read: Callable[[], Any] | None = getattr(table, "read_all", None) or getattr(table, "to_table", None)
    if read is not None:  # a reader, or a dataset
        table = read()
    dtypes = [
        pandas_dtype(str(field.type), holes=table.column(place).null_count > 0) for place, field in _fields(table)
    ]
    columns = (table.column(place).to_pylist() for place, _ in _fields(table))
    return _rows([str(field.name) for _, field in _fields(table)], dtypes, columns, range(table.num_rows))


def _fields(table: Any) -> list[tuple[int, Any]]:
    return list(enumerate(cast("Iterable[Any]", table.schema)))


def _rows(
    names: Sequence[str], dtypes: Sequence[str], columns: Iterable[Iterable[Any]], labels: Iterable[object]
) -> Rows:
    if len(names) > MOST_VALUES:
        raise InvalidArgumentError(
            f"context: the table has {len(names):,} columns, more than {MOST_VALUES:,}; pass those that are asked about"
        )
    if (name := repeated_name(names)) is not None:
        raise InvalidArgumentError(f"context: two of its columns are called {name!r}; rename one of them")
    cells = [_plain_cells(name, cells_of(column)) for name, column in zip(names, columns, strict=True)]
    texts = [name for name, column in zip(names, cells, strict=True) if any(isinstance(cell, str) for cell in column)]
    table = Table.of([Column(name, dtype) for name, dtype in zip(names, dtypes, strict=True)], texts)
    by_row: Iterable[tuple[Any, ...]] = zip(*cells, strict=True) if cells else ()
    documents: list[Document] = []
    made_up: list[str] = []
    for label, row in zip(labels, by_row, strict=bool(cells)):
        fields = {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
        given = fields.get("id")
        name = f"row-{checked_name(label, 'the label of a row')}" if given is None or given == "" else str(given)
        if given is None or given == "":
            made_up.append(name)
        text, metadata = table.row(fields)
        documents.append(Document(name, text, metadata))
    return Rows(table, documents, made_up)


def _plain_cells(name: str, cells: list[Any]) -> list[Any]:
    if set(map(type, cells)) <= _PLAIN_TYPES:
        return cells
    try:
        return [plain(cell, MOST_VALUES) for cell in cells]
    except NotPlainError as error:
        raise InvalidArgumentError(
            f"context: the column {name!r:.200} holds {error}; {error.remedy}"
        ) from error.__cause__
