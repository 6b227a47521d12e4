"""Formulas of a sheet that nobody has computed: openpyxl reads values or formulas, and has no value for these."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_UNSURE = re.compile(rb"(?:</f>|<f[^<>]{0,300}+/>)\s{0,9}+(?:</c>|<v\s{0,9}+/>|<v>\s{0,9}+</v>)")
"""After a formula stands no value, or an empty one."""
_CHUNK = 1 << 20
_LONGEST = 400
"""Bytes that such a place has at most."""
_PLACE = re.compile(r"([A-Z]{1,3}+)([0-9]{1,7}+)")
_FORMULA_CHARS = 8_192
"""As many as a spreadsheet program takes."""


def formulas_without_value(data: bytes, path: str) -> dict[int, dict[int, str]]:
    """By row and by column, from 1: "=A1*2". Of one that is shared, the cells after its first have "=" alone."""
    found: dict[int, dict[int, str]] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if path not in archive.namelist() or not _may_have_some(archive, path):
            return found
        for row, column, formula in _formulas(archive, path):
            found.setdefault(row, {})[column] = formula
    return found


def _may_have_some(archive: zipfile.ZipFile, path: str) -> bool:
    """To look for the bytes takes a small part of the time that parsing does."""
    with archive.open(path) as file:
        before = b""
        while chunk := file.read(_CHUNK):
            if _UNSURE.search(before + chunk):
                return True
            before = chunk[-_LONGEST:]
    return False


def _formulas(archive: zipfile.ZipFile, path: str) -> Iterator[tuple[int, int, str]]:
    from openpyxl.xml.functions import iterparse  # as openpyxl itself reads sheets

    with archive.open(path) as file:
        cell: Any
        for _, cell in iterparse(file):
            if cell.tag == f"{_MAIN}row":
                cell.clear()
            if cell.tag != f"{_MAIN}c" or cell.get("t") == "str":  # a text, and be it an empty one
                continue
            formula, place = cell.find(f"{_MAIN}f"), _PLACE.fullmatch(cell.get("r", ""))
            if formula is not None and place is not None and not cell.findtext(f"{_MAIN}v"):
                yield int(place[2]), _column(place[1]), "=" + (formula.text or "")[:_FORMULA_CHARS]


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number
