"""Data frames as a corpus."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import pandas as pd
import pytest

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.errors import InvalidArgumentError


def read(frame: Any) -> list[tuple[str, str, Any]]:
    return [(each.id, each.text, dict(each.metadata)) for each in Corpus.of(frame).documents]


def test_a_column_of_text_is_the_text_and_the_others_metadata() -> None:
    frame = pd.DataFrame({"id": ["x", "y"], "content": ["one", None], "price": [1.5, float("nan")], "n": [1, 2]})
    assert read(frame) == [("x", "one", {"price": 1.5, "n": 1}), ("y", "", {"n": 2})]


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


def test_pandas_is_not_imported() -> None:
    code = (
        "import sys; from rlm_integrations.core.corpus.corpus import Corpus\n"
        "Corpus.of(['a']); print('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
