"""Data frames as a corpus."""

from __future__ import annotations

import cProfile
import subprocess
import sys
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import dataset

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.description import describe
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.corpus.part import CorpusPart, piece_of
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.files.rows import Column, Table


def read(frame: Any) -> list[tuple[str, str, Any]]:
    return [(each.id, each.text, dict(each.metadata)) for each in Corpus.of(frame).documents]


def test_a_column_of_text_is_the_text_and_the_others_metadata() -> None:
    frame = pd.DataFrame({"id": ["x", "y"], "content": ["one", None], "price": [1.5, float("nan")], "n": [1, 2]})
    assert read(frame) == [
        ("x", "one", {"id": "x", "price": 1.5, "n": 1}),
        ("y", "id: y\nn: 2", {"id": "y", "n": 2, "content": ""}),
    ]


def test_without_one_a_row_is_its_columns_and_its_values_stay_values() -> None:
    frame = pd.DataFrame({"city": ["Rome", "Oslo"], "people": [2_750_000, 700_000]}, index=["it", "no"])
    assert read(frame) == [
        ("row-it", "city: Rome\npeople: 2750000", {"city": "Rome", "people": 2_750_000}),
        ("row-no", "city: Oslo\npeople: 700000", {"city": "Oslo", "people": 700_000}),
    ]


def test_dates_integers_with_holes_and_names_that_are_no_str() -> None:
    frame = pd.DataFrame({"day": [date(2024, 5, 1), None], "n": pd.array([None, 3], dtype="Int64"), 7: [True, False]})
    assert read(frame) == [
        ("row-0", "day: 2024-05-01\n7: True", {"day": "2024-05-01", "7": True}),
        ("row-1", "n: 3\n7: False", {"n": 3, "7": False}),
    ]


def test_rows_with_one_label_are_told_apart() -> None:
    assert [name for name, _, _ in read(pd.DataFrame({"text": ["a", "b"]}, index=[5, 5]))] == ["row-5", "row-5#2"]


def test_a_frame_without_rows_is_an_empty_corpus() -> None:
    with pytest.raises(InvalidArgumentError, match="context: is empty"):
        Corpus.of(pd.DataFrame({"text": []}))


def test_a_frame_of_polars_is_known_by_its_own_method() -> None:
    class Frame:
        """What of polars is used."""

        columns = ("text", "n")

        def to_dicts(self) -> list[dict[str, Any]]:
            return [{"text": "a", "n": None}, {"text": "b", "n": 2}]

    assert read(Frame()) == [("row-0", "a", {}), ("row-1", "b", {"n": 2})]


def test_types_of_a_frame_are_kept_and_times_are_iso() -> None:
    frame = pd.DataFrame({
        "day": pd.to_datetime(["2024-05-01", "2024-05-02"]),
        "at": pd.to_datetime(["2024-05-01 08:00", None]),
        "sum": [Decimal("1.10"), Decimal("2")],
        "kind": pd.Categorical(["a", "b"]),
        "id": [7, 8],
    })  # fmt: skip
    corpus = Corpus.of(frame)
    assert [dict(each.metadata) for each in corpus.documents] == [
        {"day": "2024-05-01", "at": "2024-05-01 08:00:00", "sum": 1.1, "kind": "a", "id": 7},
        {"day": "2024-05-02", "sum": 2, "kind": "b", "id": 8},
    ]
    assert [each.id for each in corpus.documents] == ["7", "8"]
    assert corpus.table is not None
    assert [column.dtype for column in corpus.table.columns] == [str(dtype) for dtype in frame.dtypes]


def test_dicts_without_a_text_are_rows() -> None:
    rows = [{"city": "Rome", "people": 2_750_000}, {"city": "Oslo", "since": date(1048, 1, 1)}]
    assert read(rows) == [
        ("row-0", "city: Rome\npeople: 2750000", {"city": "Rome", "people": 2_750_000}),
        ("row-1", "city: Oslo\nsince: 1048-01-01", {"city": "Oslo", "since": "1048-01-01"}),
    ]
    assert Corpus.of(iter(rows)).table == Table((Column("city"), Column("people"), Column("since")))
    assert Corpus.of([{"text": "a", "n": 1}]).table is None


def test_what_pandas_writes_for_nothing_is_missing_in_dicts_too() -> None:
    frame = pd.DataFrame({"n": [1.5, None], "day": pd.to_datetime([None, "2024-05-01"])})
    expected = [("row-0", "n: 1.5", {"n": 1.5}), ("row-1", "day: 2024-05-01", {"day": "2024-05-01"})]
    assert read(frame.to_dict("records")) == read(frame) == expected
    assert read(pa.table({"n": [1.5, float("nan")]})) == [("row-0", "n: 1.5", {"n": 1.5}), ("row-1", "", {})]


def test_arrow_is_read_as_table_batch_reader_and_dataset() -> None:
    table = pa.table({"n": pa.array([1, None, 3]), "said": ["a", "b", "c"]})
    expected = [
        ("row-0", "n: 1\nsaid: a", {"n": 1, "said": "a"}),
        ("row-1", "said: b", {"said": "b"}),
        ("row-2", "n: 3\nsaid: c", {"n": 3, "said": "c"}),
    ]
    for form in (table, table.to_batches()[0], table.to_reader(), dataset.dataset(table)):
        assert read(form) == expected
    assert Corpus.of(table).table == Table((Column("n", "Int64"), Column("said", "str")))


def test_two_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    for form in (frame, pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])):
        with pytest.raises(InvalidArgumentError, match="two of its columns are called 'a'; rename one"):
            Corpus.of(form)


def test_a_part_of_a_table_is_one_as_long_as_its_rows_are_whole() -> None:
    corpus = Corpus.of(pd.DataFrame({"n": [1, 2, 3]}))
    assert CorpusPart(corpus, [piece_of(corpus, 2), piece_of(corpus, 0)], "documents").table == corpus.table
    assert CorpusPart(corpus, [piece_of(corpus, 2, 0, 1)], "documents").table is None
    joined = Corpus((), join_to=corpus.preceded_by([Document("message-1", "x")]))
    assert CorpusPart(joined, [piece_of(joined, 1), piece_of(joined, 3)], "documents").table == corpus.table
    assert CorpusPart(joined, [piece_of(joined, 0), piece_of(joined, 1)], "documents").table is None


def test_the_root_lm_is_told_columns_types_and_values() -> None:
    frame = pd.DataFrame({
        "n": [1, None, 3],
        "city": ["Rome", "Oslo", "Rome"],
        "day": pd.to_datetime(["2024-05-01", "2024-05-02", "2024-05-03"]),
        "tags": [["a"], [], None],
    })  # fmt: skip
    told = describe(Corpus.of(frame), RLMLimits(inline_chars=0), b"key")
    assert (
        'Each is a row of one table: `d["metadata"]` has its columns as typed values; what is missing has no key.'
        " Columns: "
        "n float in 2 rows (1.0, 3.0); city str ('Oslo', 'Rome'); "
        "day date as ISO str ('2024-05-01', '2024-05-02', '2024-05-03'); tags list in 2 rows (as ['a'])."
    ) in told
    assert "context.df" not in told
    assert "`context.df` is" in describe(Corpus.of(frame), RLMLimits(inline_chars=0), b"key", frame=True)


def test_what_a_table_takes_grows_with_its_rows_alone() -> None:
    """Twice the rows, twice the calls of Python's and ours: counted, not timed."""

    def calls(count: int) -> int:
        frame = pd.DataFrame({"n": range(count), "city": ["Rome"] * count})
        profile = cProfile.Profile()
        corpus = profile.runcall(Corpus.of, frame)
        assert len(corpus.documents) == count
        return sum(each.callcount for each in profile.getstats())

    assert calls(4_000) < 2.2 * calls(2_000)


def test_pandas_is_not_imported() -> None:
    code = (
        "import sys; from rlm_integrations.core.corpus.corpus import Corpus\n"
        "Corpus.of(['a']); print('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
