"""What the functions of formats give and raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

from rlm_integrations.files.rows import Table
from rlm_integrations.frozen import frozen

Note = Callable[[str], None]
"""Told what a user should know of how a file was read. Files of which the same is to be said are counted together:
what holds for one alone stands behind ": ".
"""


@frozen
class Part:
    """A text of a file. `place` is its part of an id, as "page=3"; "" where the file has this text alone."""

    text: str
    place: str = ""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


@frozen
class TableHead:
    """What the rows have in common. `forms` says of each column whose cells are told as they are written how to read
    them: "int", "float", or "" for a str; None where cells are told as values.
    """

    table: Table
    forms: list[str] | None = None


@frozen
class TableRows:
    """The cells of some rows, in the order of the columns. Of a row that ends early, the last are missing."""

    rows: list[list[Any]]


Parts = Iterator[Part | TableHead | TableRows]


class UnreadableError(Exception):
    """The file cannot be converted. `kind` is for counting, as "encrypted"."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail


def numbered(place: str, number: int, text: str, metadata: Mapping[str, Any] | None = None) -> Part:
    """The part with that number among others of its kind."""
    return Part(text, f"{place}={number}", {**(metadata or {}), place: number})
