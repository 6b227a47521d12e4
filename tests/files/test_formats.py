"""Files of many formats become texts."""

from __future__ import annotations

import json
import re
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.files.report import FilesError

from .written_files import Here, Read, by_id, pdf, zipped


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


def test_rtf(here: Here, read: Read) -> None:
    here({"a.rtf": r"{\rtf1\ansi{\b Gr\'f6\'dfe}\par two}"})
    assert read("a.rtf")[0][0].text == "Größe\ntwo"
