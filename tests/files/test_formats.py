from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from rlm_integrations.files import converter as converting
from rlm_integrations.files import reading, unpacking
from rlm_integrations.files.conversion import tables
from rlm_integrations.files.conversion.parts import TableHead, TableRows, UnreadableError
from rlm_integrations.files.conversion.tables import rows_of_csv
from rlm_integrations.files.converter import Converter, NotConvertedError
from rlm_integrations.files.report import FilesError
from rlm_integrations.files.rows import Column, Table

Here = Callable[[dict[str, str | bytes]], None]
Read = Callable[..., Any]


def pdf(*pages: str) -> bytes:
    """A PDF without compression, in which no byte is zero."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, text in enumerate(pages):
        content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        resources = "/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {resources} /Contents {5 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    body, places = "%PDF-1.4\n", list[int]()
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode("latin-1")


def zipped(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def by_id(texts: Any) -> dict[str, str]:
    return {text.id: text.text for text in texts}


def test_a_pdf_is_read_by_page(here: Here, read: Read) -> None:
    here({"n/contract.pdf": pdf("The contract ends in June.", "", "Signed."), "n/scan.pdf": pdf("", "")})
    texts, report = read("n")
    assert by_id(texts) == {
        "n/contract.pdf#page=1": "The contract ends in June.",
        "n/contract.pdf#page=3": "Signed.",
    }
    assert texts[1].metadata == {"file": "n/contract.pdf", "page": 3}
    assert "1 without text ('n/scan.pdf': scanned pages are not recognised)" in report.missed
    assert "1 with pages without text ('n/contract.pdf')" in report.missed
    assert report.line.startswith("2 documents of 1 file; ")


def test_a_pdf_that_is_none_never_passes_for_text(here: Here, read: Read) -> None:
    here({"n/a.txt": "a", "n/broken.pdf": b"%PDF-1.4\nstream of words without a zero byte\n" * 40})
    texts, report = read("n")
    assert by_id(texts) == {"n/a.txt": "a"}
    assert report.missed.startswith("skipped 1 damaged ('n/broken.pdf': ")
    with pytest.raises(FilesError, match=r"'n/broken.pdf' is not read as text: damaged"):
        read("n/broken.pdf")


def test_office_documents(here: Here, read: Read, tmp_path: Path) -> None:
    import docx
    import openpyxl
    import pptx

    here({})
    document = docx.Document()
    document.add_paragraph("Before the table.")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    document.add_paragraph("After it.")
    document.sections[0].header.paragraphs[0].text = "In the header."
    document.save("a.docx")
    slides = pptx.Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[5])
    slide.shapes.title.text = "A title"
    shape = slide.shapes.add_table(1, 2, 0, 0, 9, 9)
    shape.table.cell(0, 0).text, shape.table.cell(0, 1).text = "one", "two"
    slide.notes_slide.notes_text_frame.text = "A note."
    slides.save("b.pptx")
    book = openpyxl.Workbook()
    book.active.title = "Prices"
    book.active.append(["fruit", "price"])
    book.active.append(["pear", 3])
    book.create_sheet("Empty")
    book.save("c.xlsx")
    texts, report = read("a.docx", "b.pptx", "c.xlsx")
    assert by_id(texts) == {
        "a.docx": "Before the table.\nleft\tright\nAfter it.\n\n[header]\nIn the header.",
        "b.pptx#slide=1": "A title\none\ttwo\n[notes]\nA note.",
        "c.xlsx#sheet=Prices": "fruit\tprice\npear\t3",
    }
    assert report.line == "3 documents"
    assert not report.plain


def test_formulas_that_nobody_computed_stand_for_their_values_and_are_counted(here: Here, read: Read) -> None:
    import openpyxl

    here({})
    book = openpyxl.Workbook()
    book.active.title = "Prices"
    for row in (["fruit", "n", "price", "total"], ["pear", 2, 3, "=B2*C2"], ["fig", 5, 4, "=B3*C3"]):
        book.active.append(row)
    book.create_sheet("Sum")["B3"] = "=SUM(Prices!D2:D3)"
    book.create_sheet("Words").append(["=A1"])
    book["Words"]["A1"].data_type = "s"  # no formula
    book.save("never.xlsx")
    texts, report = read("never.xlsx")
    assert by_id(texts) == {
        "never.xlsx#sheet=Prices": "fruit\tn\tprice\ttotal\npear\t2\t3\t=B2*C2\nfig\t5\t4\t=B3*C3",
        "never.xlsx#sheet=Sum": "\t=SUM(Prices!D2:D3)",
        "never.xlsx#sheet=Words": "=A1",
    }
    assert report.missed == (
        "1 with formulas that were never computed, which stand for their values ('never.xlsx': 2 in 'Prices', 1 in "
        "'Sum')"
    )


def test_formulas_that_were_computed_are_their_values_also_where_that_is_empty(here: Here, read: Read) -> None:
    import openpyxl

    here({})
    book = openpyxl.Workbook()
    book.active.append(["=1+1", '=""', "end", "=1+2"])
    book.save("never.xlsx")
    with zipfile.ZipFile("never.xlsx") as never, zipfile.ZipFile("computed.xlsx", "w") as computed:
        for name in never.namelist():
            sheet = never.read(name)
            if name == "xl/worksheets/sheet1.xml":
                sheet = re.sub(rb"(<f>1\+1</f>)<v(?: ?/>|></v>)", rb"\1<v>2</v>", sheet)
                sheet = re.sub(rb"(<f>1\+2</f>)<v(?: ?/>|></v>)", rb"\1\n<v>3</v>", sheet)
                sheet = sheet.replace(b'<c r="B1">', b'<c r="B1" t="str">')
            computed.writestr(name, sheet)
    texts, report = read("computed.xlsx")
    assert by_id(texts) == {"computed.xlsx#sheet=Sheet": "2\t\tend\t3"}
    assert not report.missed


def test_an_epub_is_read_by_chapter(here: Here, read: Read) -> None:
    opf = "http://www.idpf.org/2007/opf"
    container = "urn:oasis:names:tc:opendocument:xmlns:container"
    here({"book.epub": zipped({
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": f'<container xmlns="{container}"><rootfiles>'
        '<rootfile full-path="O/b.opf"/></rootfiles></container>',
        "O/b.opf": f'<package xmlns="{opf}"><manifest><item id="a" href="t/a%20b.xhtml"/><item id="z" href="z.xhtml"/>'
        '</manifest><spine><itemref idref="z"/><itemref idref="a"/></spine></package>',
        "O/t/a b.xhtml": "<html><body><p>Second &amp; last.</p></body></html>",
        "O/z.xhtml": "<html><head><style>p {}</style></head><body><h1>First</h1></body></html>",
    })})  # fmt: skip
    texts, _ = read("book.epub")
    assert by_id(texts) == {"book.epub#chapter=1": "First", "book.epub#chapter=2": "Second & last."}


def test_html_is_its_text(here: Here, read: Read) -> None:
    page = (
        "<!doctype html><html><head><title>Title</title><style>p { }</style><script>if (a < b) x()</script></head>"
        "<body><!-- unseen --><p>One\n  <b>para</b>graph &lt;3</p><ul><li>first<li>second</ul>"
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1<td>2</table><pre>x\n  y</pre>end"
    )
    here({"a.html": page, "b.htm": b'<meta charset="windows-1251"><p>' + "шесть".encode("cp1251")})
    texts, report = read("a.html", "b.htm")
    assert texts[0].text == "Title\n\nOne paragraph <3\n\n- first\n- second\n\na\tb\n\n1\t2\n\nx\n  y\nend"
    assert texts[1].text == "шесть"
    assert report.line == "2 documents; 1 read as windows-1251 ('b.htm')"


def test_a_notebook_is_its_cells_and_what_they_printed(here: Here, read: Read) -> None:
    picture = "iVBORw0KGgo" * 1000
    outputs = [
        {"output_type": "stream", "text": ["1\n", "2\n"]},
        {"output_type": "display_data", "data": {"image/png": picture, "text/plain": ["<Figure>"]}},
        {"output_type": "error", "traceback": ["\x1b[31mValueError\x1b[0m: no"]},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Größe\n", "of it"]},
        {"cell_type": "code", "source": "print(1)", "outputs": outputs},
    ]
    here({"a.ipynb": json.dumps({"cells": cells, "nbformat": 4}), "b.ipynb": "[1]"})
    texts, report = read("a.ipynb", "b.ipynb")
    assert texts[0].text == (
        "[cell 1: markdown]\n# Größe\nof it\n\n[cell 2: code]\nprint(1)\n[output of cell 2]\n1\n2\n<Figure>\n"
        "[image/png]\nValueError: no"
    )
    assert texts[1].text == "[1]"
    assert report.line == "2 documents; 1 read as plain text, not as ipynb ('b.ipynb': it is no notebook)"


def mail(subject: str, **more: Any) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["Subject"] = "Jörg <j@example.org>", subject
    message.set_content("Die Größe ist drei.\nFrom here on it grows.\n", cte=more.get("cte", "base64"))
    return message


def test_mail_is_a_message_a_document_with_its_body_decoded(here: Here, read: Read) -> None:
    alone = mail("Größe", cte="quoted-printable")
    alone.add_alternative("<p>Die <b>Größe</b></p>", subtype="html")
    alone.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="contract.pdf")
    separator = b"From j@example.org Thu Jan  1 00:00:00 2026\n"
    box = b"".join(separator + bytes(mail(f"No. {n}", cte="8bit")) + b"\n" for n in range(3))
    here({"a.eml": bytes(alone), "b.mbox": box, "c.mbox": "no mailbox"})
    texts, report = read("a.eml", "b.mbox", "c.mbox")
    found = by_id(texts)
    assert found["a.eml"] == (
        "From: Jörg <j@example.org>\nSubject: Größe\nAttachment: contract.pdf (application/pdf)\n\n"
        "Die Größe ist drei.\nFrom here on it grows."
    )
    assert list(found) == ["a.eml", "b.mbox#message=1", "b.mbox#message=2", "b.mbox#message=3", "c.mbox"]
    assert found["b.mbox#message=3"].endswith("Subject: No. 2\n\nDie Größe ist drei.\nFrom here on it grows.")
    assert texts[3].metadata == {
        "file": "b.mbox", "message": 3, "from": "Jörg <j@example.org>", "subject": "No. 2",
    }  # fmt: skip
    assert report.missed == "1 read as plain text, not as mbox ('c.mbox': it is no mailbox)"


def test_tables_are_read_by_row(here: Here, read: Read) -> None:
    rows = io.StringIO()
    csv.writer(rows).writerows([["name", "said"], ["Ann", 'a "word",\nand another'], ["Bo", ""]])
    here({
        "a.csv": rows.getvalue(),
        "b.csv": "Name;Größe\r\nMüller;3,5\r\n".encode("cp1252"),
        "c.tsv": "x\ty\n1\t2\n\n3\t4\n",
        "e.csv": "label,text\nspam,Buy now\n",
        "f.jsonl": '{"text": "a", "deep": ' + "[" * 99 + "]" * 99 + "}\n",
        "d.jsonl": '{"text": "Gr\\u00f6\\u00dfe", "label": 1}\n\n{"k": ["\\u00e4"]}\n',
    })  # fmt: skip
    texts, report = read("a.csv", "b.csv", "c.tsv", "e.csv", "f.jsonl", "d.jsonl")
    assert by_id(texts) == {
        "a.csv#row=1": 'name: Ann\nsaid: a "word",\nand another',
        "a.csv#row=2": "name: Bo\nsaid: ",
        "b.csv#row=1": "Name: Müller\nGröße: 3,5",
        "c.tsv#row=1": "x: 1\ny: 2",
        "c.tsv#row=2": "x: 3\ny: 4",
        "e.csv#row=1": "Buy now",
        "f.jsonl#row=1": '{"text": "a", "deep": ' + "[" * 99 + "]" * 99 + "}",
        "d.jsonl#row=1": "Größe",
        "d.jsonl#row=2": '{"k": ["ä"]}',
    }
    assert texts[-2].metadata == {"file": "d.jsonl", "row": 1, "label": 1}
    assert texts[5].metadata == {"file": "e.csv", "row": 1, "label": "spam"}
    assert report.line == "9 documents of 6 files; 1 read as cp1252, a guess ('b.csv')"


def test_rows_come_all_in_their_order_or_not_at_all(here: Here, read: Read) -> None:
    lines = [f'{{"text": "{number}", "label": "{"x" * (number % 700)}"}}\n' for number in range(3_500)]
    long = [f'{{"text": "{str(number) * 30_000}"}}\n' for number in range(10, 40)]
    here({"many.jsonl": "".join(lines), "long.jsonl": "".join(long), "broken.jsonl": "".join(lines) + "{"})
    texts, report = read("broken.jsonl", "many.jsonl", "long.jsonl")
    assert texts[0].text == "".join(lines) + "{"
    assert [each.id for each in texts[1:3501]] == [f"many.jsonl#row={row}" for row in range(1, 3501)]
    assert [each.text for each in texts[1:3501]] == [str(number) for number in range(3_500)]
    assert texts[3500].metadata == {"file": "many.jsonl", "row": 3_500, "label": "x" * (3_499 % 700)}
    assert [each.text for each in texts[3501:]] == [str(number) * 30_000 for number in range(10, 40)]
    assert "line 3501 is not JSON" in report.missed


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", "1,2\n3,4\n", "its first line names no columns"),
        ("a.csv", "words, and no table\nbut prose, with, commas\n", "row 1 has 3 cells, the first line 2"),
        ("a.csv", "one column\n1\n", "its first line names no columns"),
        ("a.csv", "a,b\n", "it has no rows"),
        ("a.csv", 'a,b\n1,"two\n3,4\n5,6\n', "line 4: unexpected end of data"),
        ("a.csv", 'a,b\n1,"two\n3,"four\n', "line 3: ',' expected after '\"'"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2 is not JSON"),
    ],
)
def test_what_is_no_table_is_read_as_it_stands_and_that_is_said(
    here: Here, read: Read, name: str, content: str, why: str
) -> None:
    here({name: content})
    texts, report = read(name)
    assert by_id(texts) == {name: content}
    assert report.plain == {name}
    assert why in report.missed


def test_a_table_has_so_many_rows_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tables.MOST_ROWS == 2_000_000
    monkeypatch.setattr(tables, "MOST_ROWS", 1_500)
    _, *batches = rows_of_csv(b"a,b\n" + b"1,2\n" * 1_500, lambda _: None)
    assert sum(len(batch.rows) for batch in batches if isinstance(batch, TableRows)) == 1_500
    with pytest.raises(UnreadableError) as caught:
        list(rows_of_csv(b"a,b\n" + b"1,2\n" * 1_501, lambda _: None))
    assert caught.value.detail == "more than 1,500 rows"


def test_cells_of_csv_are_numbers_where_all_of_their_column_are(here: Here, read: Read) -> None:
    here({"a.csv": "zip,n,price,file,mixed,empty\n01234,5,1.50,x,7,\n00501,,-2e3,y,seven,\n"})
    texts, report = read("a.csv")
    assert [text.metadata for text in texts] == [
        {"file": "x", "row": 1, "zip": "01234", "n": 5, "price": 1.5, "mixed": "7", "empty": ""},
        {"file": "y", "row": 2, "zip": "00501", "price": -2000.0, "mixed": "seven", "empty": ""},
    ]
    assert texts[0].text == "zip: 01234\nn: 5\nprice: 1.50\nfile: x\nmixed: 7\nempty: "
    table = report.table_of(2)
    assert table is not None
    assert [column.name for column in table.columns] == ["zip", "n", "price", "file", "mixed", "empty"]


CELLS = st.one_of(
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["007", "1e999", "-0", "+5", "1_000", "٣", " 1", "nan", "inf", ".5", "5."]),
)


@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_a_number_of_csv_is_the_cell_and_any_other_cell_stays_as_it_is(rows: list[tuple[Any, Any]]) -> None:
    written = [[str(cell) for cell in row] for row in rows]
    written = [row for row in written if any(row)] or [["x", "y"]]
    file = io.StringIO()
    csv.writer(file).writerows([["a", "b"], *written])
    head, *batches = rows_of_csv(file.getvalue().encode(), lambda _: None)
    assert isinstance(head, TableHead)
    assert [row for batch in batches if isinstance(batch, TableRows) for row in batch.rows] == written
    for place, form in enumerate(head.forms or []):
        cells = [row[place] for row in written if row[place].strip()]
        if form == "int":
            assert [str(int(cell)) for cell in cells] == [
                cell.replace("-0", "0") if cell == "-0" else cell for cell in cells
            ]
        if form == "float":
            assert all(math.isfinite(float(cell)) and cell.lstrip("-")[:1].isdigit() for cell in cells)
        if not form:
            assert not cells or any(not _is_plain_number(cell) for cell in cells)


def _is_plain_number(cell: str) -> bool:
    digits = cell.lstrip("-")
    return len(digits) < 18 and digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0")


def test_json_lines_are_a_table_where_all_are_objects_of_one_kind(here: Here, read: Read) -> None:
    here({
        "rows.jsonl": '{"a": 1, "b": [2]}\n{"a": null, "c": "x"}\n',
        "said.jsonl": '{"text": "one", "a": 1}\n{"text": "two"}\n',
        "mixed.jsonl": '{"text": "one"}\n{"a": 1}\n',
        "list.jsonl": '{"a": 1}\n[2]\n',
    })  # fmt: skip
    texts, report = read("rows.jsonl")
    assert [text.metadata for text in texts] == [
        {"file": "rows.jsonl", "row": 1, "a": 1, "b": [2]},
        {"file": "rows.jsonl", "row": 2, "a": None, "c": "x"},
    ]
    assert texts[0].text == '{"a": 1, "b": [2]}'
    assert report.table_of(2) == Table((Column("a"), Column("b"), Column("c")))
    _, report = read("said.jsonl")
    assert report.table_of(2) == Table((Column("text"), Column("a")), "text")
    for name in ("mixed.jsonl", "list.jsonl"):
        assert read(name)[1].table_of(2) is None


def test_files_with_the_same_columns_are_one_table_and_others_none(here: Here, read: Read) -> None:
    here({"a.csv": "x,y\n1,2\n", "b.csv": "x,y\n3,4\n", "c.csv": "x,z\n3,4\n", "d.txt": "words"})
    assert read("a.csv", "b.csv")[1].table_of(2) == Table((Column("x"), Column("y")))
    assert read("a.csv", "c.csv")[1].table_of(2) is None
    assert read("a.csv", "d.txt")[1].table_of(2) is None


def test_parquet_keeps_types_and_gaps(here: Here, read: Read) -> None:
    file = io.BytesIO()
    columns: dict[str, Any] = {
        "n": pa.array([1, None], pa.int32()),
        "day": pa.array([datetime(2024, 5, 1), datetime(2024, 5, 2)], pa.timestamp("ns")),
        "at": pa.array([datetime(2024, 5, 1, 12), None], pa.timestamp("us", "UTC")),
        "price": pa.array([Decimal("12.50"), Decimal("3.00")], pa.decimal128(20, 2)),
        "exact": pa.array([Decimal("1.0000000000000000001"), None], pa.decimal128(30, 19)),
        "tags": pa.array([["a"], []], pa.list_(pa.string())),
        "picture": pa.array([b"\x89PNG", None], pa.binary()),
        "kind": pa.array(["x", "y"]).dictionary_encode(),
    }
    parquet.write_table(pa.table(columns), file)
    here({"a.parquet": file.getvalue()})
    texts, report = read("a.parquet")
    assert [text.id for text in texts] == ["a.parquet#row=1", "a.parquet#row=2"]
    assert [{**text.metadata} for text in texts] == [
        {
            "file": "a.parquet", "row": 1, "n": 1, "day": "2024-05-01", "at": "2024-05-01 12:00:00+00:00",
            "price": 12.5, "exact": "1.0000000000000000001", "tags": ["a"], "picture": "<4 bytes>", "kind": "x",
        },
        {"file": "a.parquet", "row": 2, "day": "2024-05-02", "price": 3, "tags": [], "kind": "y"},
    ]  # fmt: skip
    assert texts[1].text == "day: 2024-05-02\nprice: 3\ntags: []\nkind: y"
    table = report.table_of(2)
    assert table is not None
    assert {column.name: column.dtype for column in table.columns} == {
        "n": "Int32", "day": "datetime64[ns]", "at": "datetime64[us, UTC]", "price": "", "exact": "", "tags": "",
        "picture": "", "kind": "category",
    }  # fmt: skip


def test_a_damaged_parquet_file_is_refused_and_a_text_that_begins_like_one_read(here: Here, read: Read) -> None:
    here({"a.parquet": b"PAR1" + bytes(100), "b.txt": "PAR1 is where it begins.\n"})
    with pytest.raises(FilesError, match=r"'a\.parquet' is not read as text: damaged"):
        read("a.parquet")
    assert by_id(read("b.txt")[0]) == {"b.txt": "PAR1 is where it begins.\n"}


def test_without_pyarrow_parquet_is_refused_by_name(here: Here, tmp_path: Path) -> None:
    here({"a.parquet": b"PAR1" + bytes(100)})
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from rlm_integrations.files.conversion import worker\n"
        "worker.main(1 << 31)"
    )
    request = json.dumps({"path": os.path.abspath("a.parquet"), "kind": "parquet"})
    done = subprocess.run(
        [sys.executable, "-c", code], input=request + "\n", capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {
        "problem": ".parquet",
        "detail": 'it needs pyarrow: pip install "rlm-integrations[parquet]"',
    }


def test_rtf(here: Here, read: Read) -> None:
    here({"a.rtf": r"{\rtf1\ansi{\b Gr\'f6\'dfe}\par two}"})
    assert read("a.rtf")[0][0].text == "Größe\ntwo"


def test_gzip_is_unpacked_and_read_as_what_is_in_it(here: Here, read: Read) -> None:
    here({
        "n/a.log.gz": gzip.compress(b"first\n") + gzip.compress("Größe\n".encode()),
        "n/b.csv.gz": gzip.compress(b"x,y\n1,2\n"),
        "n/c.pdf.gz": gzip.compress(pdf("Page one.")),
        "n/d.gz": gzip.compress(b"cut off" * 1000)[:40],
        "n/e.gz": gzip.compress(b"\0\1\2"),
        "n/f.gz": gzip.compress(gzip.compress(b"twice")),
    })  # fmt: skip
    texts, report = read("n")
    assert by_id(texts) == {
        "n/a.log.gz": "first\nGröße\n",
        "n/b.csv.gz#row=1": "x: 1\ny: 2",
        "n/c.pdf.gz#page=1": "Page one.",
    }
    assert report.plain == {"n/a.log.gz"}
    assert report.missed == "skipped 1 damaged ('n/d.gz': it is cut off), 1 binary, 1 .gz"


def test_what_follows_in_a_gzip_file_and_is_none_is_said(here: Here, read: Read) -> None:
    here({"n/a.log.gz": gzip.compress(b"first") + b"second", "n/b.log.gz": gzip.compress(b"padded") + b"\0" * 512})
    texts, report = read("n")
    assert by_id(texts) == {"n/a.log.gz": "first", "n/b.log.gz": "padded"}
    assert report.missed == "1 read in part, for it is damaged ('n/a.log.gz': its last 6 bytes are no gzip)"


def test_gzip_is_bounded(here: Here, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "UNPACKED_BYTES", 100_000)
    here({"n/a.gz": gzip.compress(b"x" * 100_000), "n/bomb.gz": gzip.compress(b"x" * 50_000) * 3})
    texts, report = read("n")
    assert [text.id for text in texts] == ["n/a.gz"]
    assert report.missed == "skipped 1 not unpacked ('n/bomb.gz': it is too large when it is)"


def test_a_parser_that_does_not_end_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # nobody writes: whoever opens it waits for ever
    (tmp_path / "a.html").write_text("<p>a")
    with Converter(seconds=0.3) as converter:
        with pytest.raises(NotConvertedError, match=r"it took more than 0\.3 s"):
            converter.convert(str(tmp_path / "fifo"), "html", [])
        converter._seconds = 60
        assert [part.text for part in converter.convert(str(tmp_path / "a.html"), "html", []).parts] == ["a"]


def test_a_bomb_meets_the_bound_of_memory(tmp_path: Path) -> None:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    bomb = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument'
        '.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{word}"><w:body>{" " * (100 << 20)}</w:body></w:document>',
    }
    (tmp_path / "bomb.docx").write_bytes(zipped(bomb))
    with Converter(memory_bytes=220 << 20) as converter, pytest.raises(NotConvertedError, match="memory"):
        converter.convert(str(tmp_path / "bomb.docx"), "docx", [])


def test_what_a_file_becomes_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converting, "OUTPUT_BYTES", 10_000)
    (tmp_path / "a.html").write_text("word " * 10_000)
    with Converter() as converter, pytest.raises(NotConvertedError, match="MB of text"):
        converter.convert(str(tmp_path / "a.html"), "html", [])


def test_a_converter_leaves_no_process_behind(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>a")
    with Converter() as converter:
        converter.convert(str(tmp_path / "a.html"), "html", [])
        process = converter._process
        assert process is not None
    assert process.returncode is not None


def test_without_its_library_a_format_is_refused_by_name_with_the_remedy(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here({"missing/pypdf.py": "raise ImportError('gone', name='pypdf')", "n/a.pdf": pdf("a"), "n/b.pdf": pdf("b")})
    monkeypatch.setattr(sys, "path", [str(tmp_path / "missing"), *sys.path])
    from rlm_integrations.files.finding import Finder
    from rlm_integrations.files.report import FilesReport

    remedy = 'it needs pypdf: pip install "rlm-integrations[files]"'
    with Converter() as converter:
        report = FilesReport()
        assert list(reading.read_files(Finder(report).find("n"), report, converter)) == []
        assert report.missed == f"skipped 2 .pdf ({remedy})"
        with pytest.raises(FilesError, match=r"'n/a.pdf' is not read as text: .pdf \(it needs pypdf: pip install"):
            list(reading.read_files(Finder(report).find("n/a.pdf"), report, converter))
