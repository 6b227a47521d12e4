"""Files that hold tables are read by row, with cells as values."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from rlm_integrations.files.conversion import tables
from rlm_integrations.files.conversion.parts import TableHead, TableRows, UnreadableError
from rlm_integrations.files.conversion.tables import rows_of_csv
from rlm_integrations.files.report import FilesError
from rlm_integrations.files.rows import Column, Table

from .written_files import Here, Read, by_id


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
