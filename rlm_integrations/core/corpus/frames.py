"""Data frames as a corpus: a document a row. No library of them is imported: a frame is known by its methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.forms import document_of, plain

TEXT_COLUMNS = ("text", "page_content", "content")


def frame_documents(context: object) -> list[Document] | None:
    """The rows of a pandas or polars DataFrame; None of anything else.

    The text of a row is that of its column "text", "page_content" or "content", and the other columns are its metadata.
    A frame without such a column of str has for text the names and values of all columns, one a line. Ids are the
    column "id", or else "row-" and the label of the row, from 0 where rows have none. Cells that are missing are left
    out.
    """
    rows = _rows(context)
    if rows is None:
        return None
    text_column = next((name for name in TEXT_COLUMNS if any(isinstance(row.get(name), str) for _, row in rows)), None)
    return [_document(label, row, text_column, number) for number, (label, row) in enumerate(rows, 1)]


def _rows(context: object) -> list[tuple[object, dict[str, Any]]] | None:
    frame: Any = context
    if not hasattr(frame, "columns"):
        return None
    to_dicts: Callable[[], Iterable[Mapping[Any, Any]]] | None = getattr(frame, "to_dicts", None)  # polars
    if callable(to_dicts):
        return [(label, _present(row)) for label, row in enumerate(to_dicts())]
    if not (
        hasattr(frame, "index") and callable(getattr(frame, "to_dict", None)) and callable(getattr(frame, "isna", None))
    ):
        return None
    names, missing = [str(name) for name in frame.columns], frame.isna().to_numpy().tolist()
    values = frame.astype(object).to_numpy().tolist()
    return [
        (label, {name: value for name, value, gone in zip(names, row, holes, strict=True) if not gone})
        for label, row, holes in zip(cast("Iterable[object]", frame.index), values, missing, strict=True)
    ]


def _present(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items() if value is not None}


def _document(label: object, row: dict[str, Any], text_column: str | None, number: int) -> Document:
    name = row.get("id", f"row-{label}")
    metadata = {key: value for key, value in row.items() if key not in ("id", text_column)}
    if text_column is None:
        words = "\n".join(f"{key}: {plain(value)}" for key, value in row.items())
    else:
        words = str(row.get(text_column, ""))
    return document_of({"id": name, "text": words, "metadata": metadata}, number)
