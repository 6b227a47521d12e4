"""Rows of a table as texts with metadata, wherever they come from. Standard library only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rlm_integrations.frozen import frozen

TEXT_COLUMNS = ("text", "page_content", "content")
_MOST_DIGITS = 4_000  # Python writes integers of up to 4,300
_MIDNIGHT = " 00:00:00"
_ARROW_NUMBERS = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_ARROW_TYPES = {
    "double": "float64",
    "float": "float32",
    "halffloat": "float16",
    "string": "str",
    "large_string": "str",
    "string_view": "str",
}


@frozen
class Column:
    name: str
    dtype: str = ""
    """What pandas calls its type; "" where the source has none, and its values tell."""


@frozen
class Table:
    """What the rows of a table have in common. Cells that are missing are in no row."""

    columns: tuple[Column, ...]
    text_column: str = ""
    """The column that holds the text of a row; "" where that is all columns, one a line."""

    @classmethod
    def of(cls, columns: Sequence[Column], text_columns: Iterable[str] = ()) -> Table:
        """With the first of the columns of texts that is called as one is; see `TEXT_COLUMNS`."""
        texts = set(text_columns)
        return cls(tuple(columns), next((name for name in TEXT_COLUMNS if name in texts), ""))

    def row(self, fields: dict[str, Any], written: dict[str, str] | None = None) -> tuple[str, dict[str, Any]]:
        """The text and the metadata of a row, given its cells by their columns: the metadata is all but the text.

        `written` has the cells as they stand in the source, where that is known. A row whose text is blank has for text
        what it has besides.
        """
        if self.text_column:
            words = str(fields.setdefault(self.text_column, ""))
            if words.strip():
                del fields[self.text_column]
                return words, fields
        cells = fields if written is None else written
        lines = (f"{name}: {cell}" for name, cell in cells.items() if name != self.text_column)
        return "\n".join(lines), fields


def common_table(tables: Sequence[Table]) -> Table | None:
    """The table that all of these are parts of, if there is one."""
    return tables[0] if tables and all(each == tables[0] for each in tables) else None


def repeated_name(names: Sequence[str]) -> str | None:
    """A column's name that another has too."""
    if len(set(names)) == len(names):
        return None
    counts = Counter(names)
    return next(name for name in names if counts[name] > 1)


def pandas_dtype(arrow_type: str, *, holes: bool) -> str:
    """What pandas calls a type of Arrow; "" for one that it knows no better than by its values.

    `holes`: some values are missing, which only some types of pandas can say of integers and truth values.
    """
    if arrow_type in _ARROW_NUMBERS:
        return arrow_type.replace("int", "Int").replace("uI", "UI") if holes else arrow_type
    if arrow_type == "bool":
        return "boolean" if holes else "bool"
    if arrow_type.startswith("timestamp["):
        unit, _, zone = arrow_type.removeprefix("timestamp[").removesuffix("]").partition(", tz=")
        return f"datetime64[{unit}, {zone}]" if zone else f"datetime64[{unit}]"
    if arrow_type.startswith("date"):
        return "datetime64[s]"
    return "category" if arrow_type.startswith("dictionary<") else _ARROW_TYPES.get(arrow_type, "")


def cells_of(values: Iterable[Any]) -> list[Any]:
    """The cells of a column as values of Python, None where one is missing (NaN is): dates in ISO 8601, and decimal
    numbers as numbers, where that loses no digit. Times that are all midnight are dates. Bytes are told by their count.
    """
    cells = list(values)
    kinds = set(map(type, cells))
    if any(issubclass(kind, (float, datetime)) for kind in kinds):
        cells = [None if isinstance(each, (float, datetime)) and each != each else each for each in cells]
    if any(issubclass(kind, datetime) for kind in kinds):
        written = [str(each) if isinstance(each, datetime) else each for each in cells]
        days = all(each.endswith(_MIDNIGHT) for each in written if isinstance(each, str))
        return [each[: -len(_MIDNIGHT)] if days and isinstance(each, str) else each for each in written]
    if kinds & {Decimal, bytes, bytearray}:
        return [_cell(each) for each in cells]
    return cells


def _cell(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value):,} bytes>"
    return decimal_number(value) if isinstance(value, Decimal) else value


def decimal_number(value: Decimal) -> int | float | str:
    """The same number, without a digit more or less; its str where there is none."""
    if not value.is_finite() or value.adjusted() > _MOST_DIGITS:
        return str(value)
    if value == value.to_integral_value():
        return int(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)
