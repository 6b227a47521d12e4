"""CSV and JSON lines as rows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from rlm_integrations.files.conversion.parts import Note, Part, Parts, TableHead, TableRows, UnreadableError, numbered
from rlm_integrations.files.decoding import decode
from rlm_integrations.files.rows import TEXT_COLUMNS, Column, Table

MOST_ROWS = 2_000_000
_MOST_COLUMNS = 1_000  # of JSON lines: objects with more keys between them are no rows of one table
_BATCH = 1_000  # rows that are told at once
_DELIMITERS = ",;\t|"
_DEEPEST = 20
_SMALL = frozenset({str, float, bool, type(None)})  # values that are, whatever they are
_NUMBER_BITS = 10_000
_SNIFFED_CHARS = 1 << 16
_INT = re.compile(r"-?+(?:0|[1-9][0-9]{0,17}+)")
_as_json = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` would make one for each row
_FLOAT = re.compile(r"-?+(?:0|[1-9][0-9]{0,17}+)(?>(?:\.[0-9]{1,300}+)?)(?>(?:[eE][+-]?+[0-9]{1,2}+)?)")


def rows_of_csv(data: bytes, note: Note) -> Parts:
    """The rows, and which columns hold numbers: all of the cells of such a one that are not empty are written as that.

    Raises UnreadableError for what is no table with a header: it is read as it stands.
    """
    text = _decoded(data, note)
    csv.field_size_limit(1 << 30)
    delimiter = _delimiter(text)
    head = _head_of_csv(_lines_of_csv(text, delimiter))
    rows = _lines_of_csv(text, delimiter)
    next(rows)
    return _told(head, (row for row in rows if any(row)))


def _lines_of_csv(text: str, delimiter: str) -> Iterator[list[str]]:
    """Read strictly: a stray quote would hide all rows up to the next one in a cell."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise UnreadableError("no table", f"line {reader.line_num}: {error}") from error


def _head_of_csv(lines: Iterator[list[str]]) -> TableHead:
    """What all rows are read for before any is told: a file becomes rows as a whole or not at all."""
    header = [name.strip() for name in next(lines, list[str]())]
    if len(header) < 2 or not all(header) or len(set(header)) < len(header) or any(map(_is_number, header)):
        raise UnreadableError("no table", "its first line names no columns")
    forms = [_CellForms() for _ in header]
    number = 0
    for row in lines:
        if not any(row):
            continue
        number += 1
        if len(row) > len(header):
            raise UnreadableError("no table", f"row {number} has {len(row)} cells, the first line {len(header)}")
        for form, cell in zip(forms, row, strict=False):
            form.meet(cell)
        _check_count(number)
    if not number:
        raise UnreadableError("no table", "it has no rows")
    texts = [name for name, form in zip(header, forms, strict=True) if form.of_column == "" and form.filled]
    return TableHead(Table.of([Column(name) for name in header], texts), [form.of_column for form in forms])


class _CellForms:
    """In which form all the cells of a column are."""

    def __init__(self) -> None:
        self._ints = self._floats = True
        self.filled = False

    def meet(self, cell: str) -> None:
        if not cell or cell.isspace():
            return
        self.filled = True
        if self._floats:
            self._ints = self._ints and _INT.fullmatch(cell) is not None
            self._floats = self._ints or _FLOAT.fullmatch(cell) is not None

    @property
    def of_column(self) -> str:
        if not self.filled or not self._floats:
            return ""
        return "int" if self._ints else "float"


def _told(head: TableHead, rows: Iterable[list[Any]]) -> Parts:
    yield head
    batch: list[list[Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield TableRows(batch)
            batch = []
    yield TableRows(batch)


def rows_of_jsonl(data: bytes, note: Note) -> Parts:
    """Each line's value as JSON; of an object with a text, the text. Of each object its fields as metadata."""
    return _json_parts(_decoded(data, note))


def _json_parts(text: str) -> Parts:
    """Where all are objects with the same key for their text, or none with one, they are the rows of a table."""
    number = 0
    columns: dict[str, None] | None = {}
    text_keys = set[str]()
    for place, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        number += 1
        _check_count(number)
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnreadableError("no JSON lines", f"line {place} is not JSON") from error
        if not isinstance(value, dict) or not _is_small(cast(object, value)):
            columns = None
            yield numbered("row", number, _as_json(value))
            continue
        fields = cast("dict[str, Any]", value)
        key = _text_key(fields)
        text_keys.add(key or "")
        if columns is not None:
            columns.update(dict.fromkeys(fields))
            columns = columns if len(columns) <= _MOST_COLUMNS else None
        content = fields.pop(key) if key is not None else _as_json(fields)
        yield Part(content, f"row={number}", {"row": number} | fields)
    if not number:
        raise UnreadableError("no table", "it has no rows")
    if columns and len(text_keys) == 1:
        yield TableHead(Table(tuple(map(Column, columns)), text_keys.pop()))


def _text_key(fields: dict[str, Any]) -> str | None:
    for key in TEXT_COLUMNS:
        if isinstance(fields.get(key), str) and fields[key].strip():
            return key
    return None


def _is_small(value: object, depth: int = 0) -> bool:
    """Whether it can be metadata: not nested deeply, and without numbers of thousands of digits."""
    if isinstance(value, (dict, list)):
        inner = cast("dict[str, object]", value).values() if isinstance(value, dict) else cast("list[object]", value)
        return depth < _DEEPEST and all(type(each) in _SMALL or _is_small(each, depth + 1) for each in inner)
    return not isinstance(value, int) or value.bit_length() < _NUMBER_BITS


def _check_count(rows: int) -> None:
    if rows > MOST_ROWS:
        raise UnreadableError("many rows", f"more than {MOST_ROWS:,} rows")


def _delimiter(text: str) -> str:
    """What stands between the names of columns, most often."""
    line = text[:_SNIFFED_CHARS].partition("\n")[0]
    return max(_DELIMITERS, key=line.count)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _decoded(data: bytes, note: Note) -> str:
    decoded = decode(io.BytesIO(data), len(data))
    if decoded is None:
        raise UnreadableError("binary")
    if decoded.note:
        note(decoded.note)
    return decoded.text
