"""What a typed map asks, as it is sent: a task, and items that are each to be answered by a value.

One long text: the task and each item as a line of JSON, an empty line, and the texts of the items, one behind the
other. So nobody reads much at once, which would hold up all threads of the host. Standard library only.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Sequence
from typing import Any, Literal, cast

from rlm_integrations.frozen import frozen
from rlm_integrations.wire.calls import LARGEST_COUNT, WrongCallError

globals()["__builtins__"] = vars(builtins).copy()  # before the classes: what dataclass writes for them looks here too

MAX_ITEMS = 200_000
MAX_SCHEMA_CHARS = 20_000
"""Of the schema of a value, as JSON."""
_MAX_LINE_CHARS = 500_000
_WHY_CHARS = 300
_LABEL_CHARS = 50

MapKind = Literal["map", "filter", "pairs", "query"]
_KINDS: tuple[MapKind, ...] = ("map", "filter", "pairs", "query")

_encode, _decode = json.JSONEncoder(ensure_ascii=False).encode, json.JSONDecoder().decode


@frozen
class MapTask:
    """What is asked of each item. A query has no instruction: its items are prompts."""

    kind: MapKind
    instruction: str = ""
    schema: dict[str, Any] | None = None
    """JSON schema of a value; None for any words."""


@frozen
class MapItem:
    """An item that is to be answered, or one that is not."""

    index: int
    """Its place among all items of the map, from 0: less than MAX_ITEMS."""
    text: str = ""
    why: str = ""
    """Why what it was answered with before could not be taken; "" where it is asked for the first time."""
    label: str = ""
    """What code calls it by, where that is not its index."""

    @property
    def name(self) -> str:
        return self.label or str(self.index)


def write_map(task: MapTask, items: Sequence[MapItem]) -> str:
    """What `read_map` reads. Raises TypeError and ValueError for a schema that is no JSON, too deep or too long."""
    try:
        schema = "null" if task.schema is None else _encode(task.schema)
    except RecursionError:
        raise ValueError("schema: nested too deeply") from None
    if len(schema) > MAX_SCHEMA_CHARS:
        raise ValueError(f"schema: {len(schema):,} characters, at most {MAX_SCHEMA_CHARS:,} are taken")
    return f"{_encode([task.kind, task.instruction, schema])}\n{write_items(items)}"


def write_items(items: Sequence[MapItem]) -> str:
    """What `read_items` reads. Raises ValueError where there are too many."""
    if len(items) > MAX_ITEMS:
        raise ValueError(f"items: {len(items):,} of them, at most {MAX_ITEMS:,} are taken")
    lines = [
        _encode([item.index, len(item.text), item.why[:_WHY_CHARS], item.label[:_LABEL_CHARS]]) + "\n" for item in items
    ]
    return "".join([*lines, "\n", *(item.text for item in items)])


def read_map(sent: str) -> tuple[MapTask, list[MapItem]]:
    """The task and its items. Raises WrongCallError: what was sent is hostile input."""
    line, at = _next_line(sent, 0)
    match _json(line):
        case [str(name), str(instruction), str(schema)] if name in _KINDS and len(schema) <= MAX_SCHEMA_CHARS:
            kind, read = _KINDS[_KINDS.index(name)], _json(schema)
        case _:
            raise WrongCallError("llm_map: its task is none")
    if read is not None and not isinstance(read, dict):
        raise WrongCallError("llm_map: its schema is no object")
    return MapTask(kind, instruction, cast("dict[str, Any] | None", read)), read_items(sent, at)


def read_items(sent: str, at: int = 0) -> list[MapItem]:
    """The items that are written from there on. Raises WrongCallError: what was sent is hostile input."""
    begun: list[tuple[int, int, str, str]] = []
    while True:
        line, at = _next_line(sent, at)
        if not line:
            break
        match _json(line):
            # Larger ones could be chosen such that a dict of them takes the square of their number to be made.
            case [int(index), int(chars), str(why), str(label)] if _is_index(index) and _is_count(chars):
                begun.append((index, chars, why[:_WHY_CHARS], label[:_LABEL_CHARS]))
            case _:
                raise WrongCallError("llm_map: a line that is no item")
        if len(begun) > MAX_ITEMS:
            raise WrongCallError("llm_map: too many items")
    items: list[MapItem] = []
    for index, chars, why, label in begun:
        items.append(MapItem(index, sent[at : at + chars], why, label))
        at += chars
    if at != len(sent):
        raise WrongCallError("llm_map: its texts are not as long as it says")
    if len({item.index for item in items}) != len(items):
        raise WrongCallError("llm_map: an item stands there twice")
    return items


def _next_line(sent: str, start: int) -> tuple[str, int]:
    """The line that begins there, and where the next one does."""
    end = sent.find("\n", start, start + _MAX_LINE_CHARS + 1)
    if end < 0:
        raise WrongCallError("llm_map: a line has no end, or is too long")
    return sent[start:end], end + 1


def _json(line: str) -> object:
    try:
        value: object = _decode(line)
    except (ValueError, RecursionError):
        raise WrongCallError("llm_map: a line that is no JSON") from None
    return value


def _is_count(value: int) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_COUNT


def _is_index(value: int) -> bool:
    return type(value) is int and 0 <= value < MAX_ITEMS
