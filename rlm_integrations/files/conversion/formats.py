"""Which function reads which format."""

from __future__ import annotations

from collections.abc import Callable

from rlm_integrations.files.conversion import (
    mail,
    markup,
    notebook,
    office,
    packed_markup,
    parquet,
    pdf,
    rich_text,
    tables,
)
from rlm_integrations.files.conversion.parts import Note, Parts

_FORMATS: dict[str, Callable[[bytes, Note], Parts]] = {
    "csv": tables.rows_of_csv,
    "docx": office.text_of_docx,
    "eml": mail.message,
    "epub": packed_markup.chapters_of_epub,
    "html": markup.page,
    "ipynb": notebook.cells,
    "jsonl": tables.rows_of_jsonl,
    "mbox": mail.messages_of_mbox,
    "parquet": parquet.rows_of_parquet,
    "pdf": pdf.pages,
    "pptx": office.slides_of_pptx,
    "rtf": rich_text.text_of_rtf,
    "xlsx": office.sheets_of_xlsx,
}


def convert(kind: str, data: bytes, note: Note) -> Parts:
    """The parts of a file of that kind.

    Raises UnreadableError, ImportError where a library is missing, and whatever a parser raises.
    """
    return _FORMATS[kind](data, note)
