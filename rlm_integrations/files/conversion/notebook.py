"""Jupyter notebooks: the cells and what they printed, without pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from rlm_integrations.files.conversion.parts import Note, Part, Parts, UnreadableError

_terminal_codes = re.compile(r"\x1b\[[0-9;?]*+[A-Za-z]")


def cells(data: bytes, note: Note) -> Parts:
    """Raises UnreadableError for JSON that is no notebook."""
    book: Any = json.loads(data)
    try:
        found: list[dict[str, Any]] = (
            book["cells"] if "cells" in book else [cell for sheet in book["worksheets"] for cell in sheet["cells"]]
        )  # sheets: before version 4
    except (KeyError, TypeError):
        raise UnreadableError("damaged", "it is no notebook") from None
    yield Part("\n\n".join(_cell(number, cell) for number, cell in enumerate(found, 1)))


def _cell(number: int, cell: dict[str, Any]) -> str:
    kind = cell.get("cell_type", "code")
    lines = [f"[cell {number}: {kind}]", _joined(cell.get("source", cell.get("input", "")))]
    shown = [text for output in cell.get("outputs", []) for text in _texts(output) if text.strip()]
    if shown:
        lines += [f"[output of cell {number}]", *shown]
    return "\n".join(line.rstrip("\n") for line in lines)


def _texts(output: dict[str, Any]) -> Iterator[str]:
    if output.get("output_type") == "error" or "traceback" in output:
        yield _terminal_codes.sub("", "\n".join(output.get("traceback", [])) or str(output.get("evalue", "")))
        return
    data: dict[str, Any] = output.get("data", {})
    text = output.get("text", data.get("text/markdown", data.get("text/plain")))
    if text is not None:
        yield _terminal_codes.sub("", _joined(text))
    for kind in data:
        if kind.startswith(("image/", "application/pdf", "audio/", "video/")):
            yield f"[{kind}]"


def _joined(text: Any) -> str:
    return "".join(text) if isinstance(text, list) else str(text)  # pyright: ignore[reportUnknownArgumentType]
