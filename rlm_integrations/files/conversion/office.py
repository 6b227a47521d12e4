"""Office Open XML: documents, slides and sheets."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from rlm_integrations.files.conversion.formulas import formulas_without_value
from rlm_integrations.files.conversion.parts import Note, Part, Parts, numbered

_TITLE_CHARS = 40
_NOTE_CHARS = 300
_BESIDE = {
    "header": "header",
    "footer": "footer",
    "footnotes": "footnotes",
    "endnotes": "endnotes",
    "comments": "comments",
}


def text_of_docx(data: bytes, note: Note) -> Parts:
    """All that is written: body, tables, text boxes and what was inserted; then headers, notes and comments."""
    from docx import Document
    from docx.oxml import parse_xml

    document: Any = Document(io.BytesIO(data))
    lines = list(_blocks(document.element.body))
    seen: set[str] = set()
    for relation in document.part.rels.values():
        kind = _BESIDE.get(relation.reltype.rpartition("/")[2])
        if kind is None or relation.is_external:
            continue
        text = "\n".join(line for line in _blocks(parse_xml(relation.target_part.blob)) if line.strip())
        if text and text not in seen:
            seen.add(text)
            lines += ["", f"[{kind}]", text]
    yield Part("\n".join(lines))


def _blocks(element: Any) -> Iterator[str]:
    for child in element:
        name = _name(child)
        if name == "p":
            yield _inline(child)
        elif name == "tr":
            yield "\t".join(" ".join(filter(None, _blocks(cell))) for cell in _cells(child))
        elif name not in ("Fallback", "del", "moveFrom", "sectPr"):
            yield from _blocks(child)


def _cells(row: Any) -> Iterator[Any]:
    for child in row:
        if _name(child) == "tc":
            yield child
        elif _name(child) in ("sdt", "sdtContent", "ins"):
            yield from _cells(child)


def _inline(element: Any) -> str:
    """A paragraph's text, what was deleted left out. A text box in it has lines of its own."""
    pieces: list[str] = []
    for child in element:
        name = _name(child)
        if name == "t":
            pieces.append(child.text or "")
        elif name in ("tab", "ptab"):
            pieces.append("\t")
        elif name in ("br", "cr"):
            pieces.append("\n")
        elif name == "noBreakHyphen":
            pieces.append("-")
        elif name == "txbxContent":
            pieces.append("\n" + "\n".join(_blocks(child)) + "\n")
        elif name not in ("Fallback", "del", "moveFrom", "pPr", "rPr"):
            pieces.append(_inline(child))
    return "".join(pieces)


def _name(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""  # a comment's tag is a function


def slides_of_pptx(data: bytes, note: Note) -> Parts:
    """Each slide with its tables, groups and notes."""
    from pptx import Presentation

    for number, slide in enumerate(Presentation(io.BytesIO(data)).slides, 1):
        lines = [line for shape in slide.shapes for line in _shape(shape)]
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            notes = slide.notes_slide.notes_text_frame.text
            lines += ["[notes]", notes] if notes.strip() else []
        text = "\n".join(line for line in lines if line.strip())
        if text:
            yield numbered("slide", number, text)


def _shape(shape: Any) -> Iterator[str]:
    if hasattr(shape, "shapes"):
        for inner in shape.shapes:
            yield from _shape(inner)
    elif getattr(shape, "has_table", False):
        for row in shape.table.rows:
            yield "\t".join(cell.text for cell in row.cells)
    elif shape.has_text_frame:
        yield shape.text_frame.text


def sheets_of_xlsx(data: bytes, note: Note) -> Parts:
    """Each sheet, a row a line with tabs between the cells: values, not formulas. Where a program wrote formulas and no
    spreadsheet program has computed them since, a cell has its formula.
    """
    from openpyxl import load_workbook

    book: Any = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    without: dict[str, int] = {}
    for sheet in book.worksheets:
        formulas = formulas_without_value(data, getattr(sheet, "_worksheet_path", ""))
        lines: list[str] = []
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            cells = ["" if value is None else str(value) for value in row]
            for column, formula in formulas.get(number, {}).items():
                cells += [""] * (column - len(cells))
                cells[column - 1] = cells[column - 1] or formula
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                lines.append("\t".join(cells))
        if formulas:
            without[sheet.title] = sum(map(len, formulas.values()))
        if lines:
            yield Part("\n".join(lines), f"sheet={sheet.title}", {"sheet": sheet.title})
    if without:
        named = ", ".join(f"{count:,} in {title[:_TITLE_CHARS]!r}" for title, count in without.items())
        note(f"with formulas that were never computed, which stand for their values: {named}"[:_NOTE_CHARS])
