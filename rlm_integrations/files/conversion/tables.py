"""CSV and JSON lines: a part for each row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, cast

from rlm_integrations.files.conversion.parts import Note, Part, Parts, UnreadableError, numbered
from rlm_integrations.files.decoding import decode

MOST_ROWS = 100_000
_DELIMITERS = ",;\t|"
_TEXT_KEYS = ("text", "page_content", "content")  # as in dicts that are passed as context
_DEEPEST = 20
_NUMBER_BITS = 10_000
_SNIFFED_CHARS = 1 << 16


def rows_of_csv(data: bytes, note: Note) -> Parts:
    """Each row as lines of "name: value", in the order of the columns; of one with a text, the text, and the other
    columns as metadata.

    Raises UnreadableError for what is no table with a header: it is read as it stands.
    """
    text = _decoded(data, note)
    csv.field_size_limit(1 << 30)
    delimiter = _delimiter(text)
    rows = _rows(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    header = [name.strip() for name in next(rows, list[str]())]
    if len(header) < 2 or not all(header) or len(set(header)) < len(header) or any(map(_is_number, header)):
        raise UnreadableError("no table", "its first line names no columns")
    return _counted(_csv_parts(header, rows))


def _rows(reader: Any) -> Iterator[list[str]]:
    """Read strictly: a stray quote would hide all rows up to the next one in a cell."""
    try:
        yield from reader
    except csv.Error as error:
        raise UnreadableError("no table", f"line {reader.line_num}: {error}") from error


def _csv_parts(header: list[str], rows: Iterator[list[str]]) -> Parts:
    for number, row in enumerate((row for row in rows if any(row)), 1):
        if len(row) > len(header):
            raise UnreadableError("no table", f"row {number} has {len(row)} cells, the first line {len(header)}")
        cells = dict(zip(header, row, strict=False))
        key = _text_key(cells)
        if key is None:
            yield numbered("row", number, "\n".join(f"{name}: {cell}" for name, cell in cells.items()))
        else:
            yield _with_metadata(number, cells.pop(key), cells)


def rows_of_jsonl(data: bytes, note: Note) -> Parts:
    """Each line's value as JSON; of an object with a text, the text, and the rest as metadata."""
    return _counted(_json_parts(_decoded(data, note)))


def _json_parts(text: str) -> Parts:
    number = 0
    for place, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        number += 1
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnreadableError("no JSON lines", f"line {place} is not JSON") from error
        yield _json_part(number, value)


def _json_part(number: int, value: object) -> Part:
    if isinstance(value, dict) and _is_small(cast(object, value)):
        fields = dict(cast("dict[str, Any]", value))
        key = _text_key(fields)
        if key is not None:
            return _with_metadata(number, fields.pop(key), fields)
    return numbered("row", number, json.dumps(value, ensure_ascii=False))


def _text_key(fields: dict[str, Any]) -> str | None:
    return next((key for key in _TEXT_KEYS if isinstance(fields.get(key), str) and fields[key].strip()), None)


def _with_metadata(number: int, text: str, fields: dict[str, Any]) -> Part:
    return numbered("row", number, text, {name: value for name, value in fields.items() if name != "file"})


def _is_small(value: object, depth: int = 0) -> bool:
    """Whether it can be metadata: not nested deeply, and without numbers of thousands of digits."""
    if isinstance(value, dict):
        return depth < _DEEPEST and all(
            _is_small(each, depth + 1) for each in cast("dict[str, object]", value).values()
        )
    if isinstance(value, list):
        return depth < _DEEPEST and all(_is_small(each, depth + 1) for each in cast("list[object]", value))
    return not isinstance(value, int) or value.bit_length() < _NUMBER_BITS


def _counted(parts: Parts) -> Parts:
    """All of them, once it is known that they are not too many: a file becomes rows as a whole or not at all."""
    kept: list[Part] = []
    for part in parts:
        kept.append(part)
        if len(kept) > MOST_ROWS:
            raise UnreadableError("many rows", f"more than {MOST_ROWS:,} rows")
    if not kept:
        raise UnreadableError("no table", "it has no rows")
    return iter(kept)


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
