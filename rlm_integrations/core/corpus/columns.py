"""What the root LM is told of the columns of a table: their types and some values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from rlm_integrations.core.corpus.distinct import distinct
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.wording import number, one_line, plural
from rlm_integrations.files.rows import Column, Table

_WITH_VALUES = 30
_NAMED = 150
_LISTED = 6
_NAME_CHARS = 60
_VALUE_CHARS = 30


def columns_line(table: Table, documents: Sequence[Document]) -> str:
    """Each column with its type and its values where they are few, else their number and range; of very many columns
    the last are only counted.
    """
    columns = [column for column in table.columns if column.name != table.text_column]
    shown = [_with_values(column, documents) for column in columns[:_WITH_VALUES]]
    shown += [_name(column) for column in columns[_WITH_VALUES:_NAMED]]
    more = f"; and {number(len(columns) - _NAMED)} more" if len(columns) > _NAMED else ""
    return "; ".join(shown) + more


def _with_values(column: Column, documents: Sequence[Document]) -> str:
    rows = [document.metadata for document in documents]
    cells = [row[column.name] for row in rows if row.get(column.name) is not None]
    kinds = sorted({type(cell).__name__ for cell in cells})
    type_name = " or ".join(kinds) or "no values"
    if "datetime" in column.dtype and kinds == ["str"]:
        type_name = "date as ISO str"
    lacking = "" if len(cells) == len(documents) else f" in {plural(len(cells), 'row')}"
    return f"{_name(column)} {type_name}{lacking}{_values(cells, kinds)}"


def _values(cells: list[Any], kinds: list[str]) -> str:
    if not cells:
        return ""
    if not set(kinds) <= {"int", "float", "bool", "str"}:
        return f" (as {shown_value(cells[0])})"
    found: Collection[Any] = set(cells) if kinds == ["str"] else distinct(cells)
    comparable = "str" not in kinds or kinds == ["str"]
    if len(found) > _LISTED:
        ends = (
            f", {shown_value(min(found))} to {shown_value(max(found))}"
            if comparable
            else f", as {shown_value(cells[0])}"
        )
        return f" ({number(len(found))} values{ends})"
    order = sorted(found) if comparable else sorted(found, key=repr)
    return f" ({', '.join(map(shown_value, order))})"


def _name(column: Column) -> str:
    return one_line(column.name, _NAME_CHARS)


def shown_value(value: object) -> str:
    """Its repr, in a line. Where it is cut, it says so."""
    form = repr(value)
    return one_line(form if len(form) <= _VALUE_CHARS else f"{form[: _VALUE_CHARS - 1]}…")
