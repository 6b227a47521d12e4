"""Parquet as rows."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from rlm_integrations.files.conversion.parts import Note, Parts, TableHead, TableRows, UnreadableError
from rlm_integrations.files.conversion.tables import MOST_ROWS
from rlm_integrations.files.rows import Column, Table, cells_of, pandas_dtype, repeated_name

_BATCH = 1_000
_STRINGS = ("string", "large_string", "string_view", "dictionary<values=string", "dictionary<values=large_string")


def rows_of_parquet(data: bytes, note: Note) -> Parts:
    """The rows, with the types of their columns. Raises UnreadableError, and ImportError where pyarrow is missing."""
    pyarrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # the others take address space ahead
    pyarrow.set_cpu_count(1)
    table: Any = parquet.read_table(pyarrow.BufferReader(data), use_threads=False)
    if not table.num_rows:
        raise UnreadableError("empty", "it has no rows")
    if table.num_rows > MOST_ROWS:
        raise UnreadableError("many rows", f"more than {MOST_ROWS:,} rows")
    names = [str(field.name) for field in table.schema]
    if (name := repeated_name(names)) is not None:
        raise UnreadableError("not converted", f"two of its columns are called {name!r}")
    columns: list[Column] = []
    texts: list[str] = []
    for place, field in enumerate(table.schema):
        cells = table.column(place)
        columns.append(Column(field.name, pandas_dtype(str(field.type), holes=cells.null_count > 0)))
        if str(field.type).startswith(_STRINGS) and cells.null_count < table.num_rows:
            texts.append(field.name)
        if str(field.type).startswith("timestamp["):
            table = table.set_column(place, field.name, _readable_times(cells))
    return _told(table, TableHead(Table.of(columns, texts)))


def _readable_times(cells: Any) -> Any:
    """Days where all times are midnight. Nanoseconds, which Python has not, stay where they lose nothing."""
    pyarrow: Any = import_module("pyarrow")
    compute: Any = import_module("pyarrow.compute")
    kind = cells.type
    if kind.tz is None:
        days = cells.cast(pyarrow.date32(), safe=False)
        if compute.all(compute.equal(days.cast(kind, safe=False), cells)).as_py() is not False:
            return days
    if kind.unit != "ns":
        return cells
    try:
        return cells.cast(pyarrow.timestamp("us", kind.tz))
    except pyarrow.ArrowInvalid:
        return cells.cast(pyarrow.string())


def _told(table: Any, head: TableHead) -> Iterator[TableHead | TableRows]:
    yield head
    for batch in table.to_batches(max_chunksize=_BATCH):
        columns = [cells_of(batch.column(place).to_pylist()) for place in range(batch.num_columns)]
        yield TableRows([list(row) for row in zip(*columns, strict=True)])
