"""Tables as the model's code meets them: rows as values, and `context.df`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from rlm_integrations import ProcessSandbox, RLMEngine
from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.testing import ScriptedModel

FRAME = pd.DataFrame({
    "city": ["Rome", "Oslo", "Rome", None],
    "n": pd.array([1, None, 3, 4], dtype="Int64"),
    "day": pd.to_datetime(["2024-05-01", "2024-05-02", None, "2024-05-04"]),
    "ok": [True, False, True, True],
})  # fmt: skip
WITH_PANDAS = ProcessSandbox(imports=["pandas"])


def run(context: object, *steps: str, sandbox: Any = WITH_PANDAS, **options: Any) -> Any:
    """The answer of a run whose code is these steps, and what it printed."""
    model = ScriptedModel([f"```repl\n{step}\n```" for step in steps])
    result = RLMEngine(model, sandbox=sandbox, limits={"inline_chars": 0}, **options).run("Q", context)
    return result.answer


ALL_OF_IT = """
df = context.df
assert df is context.df
answer["content"] = repr((len(context), df.shape, [str(t) for t in df.dtypes], list(df.index[:2]), int(df.n.sum()),
                          df.groupby("city").size().to_dict(), int(df.day.dt.day.sum()), context[2]["metadata"]))
answer["ready"] = True
"""
EXPECTED = repr((
    *(4, (4, 4), ["str", "Int64", "datetime64[us]", "bool"], ["row-0", "row-1"], 8, {"Oslo": 1, "Rome": 2}, 7),
    {"city": "Rome", "n": 3, "ok": True},
))  # fmt: skip


def test_df_has_the_types_of_the_source_and_rows_are_values() -> None:
    expected = EXPECTED.replace("datetime64[us]", str(FRAME.dtypes["day"])).replace(
        "'str'", f"'{FRAME.dtypes['city']}'"
    )
    assert run(FRAME, ALL_OF_IT) == expected


def test_df_of_a_parquet_file(tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pandas(FRAME), tmp_path / "a.parquet")
    code = 'answer["content"] = repr((context[1]["id"][-15:], context.df.to_dict("list")))\nanswer["ready"] = True'
    answer = run(tmp_path / "a.parquet", code)
    assert answer.startswith("('a.parquet#row=2', {'city': ['Rome', 'Oslo', 'Rome', ")
    assert "'n': [1, None, 3, 4], 'day': [Timestamp('2024-05-01 00:00:00'), Timestamp" in answer
    assert "'ok': [True, False, True, True]" in answer


def test_df_of_dicts_has_what_the_values_tell() -> None:
    code = 'answer["content"] = repr(context.df.to_dict("records"))\nanswer["ready"] = True'
    assert run([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], code) == "[{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'y'}]"


def test_a_column_of_texts_is_in_df_too() -> None:
    frame = pd.DataFrame({"text": ["one", "", None], "n": [1, 2, 3]})
    code = 'answer["content"] = repr((context.df.to_dict("list"), context[1]["text"]))\nanswer["ready"] = True'
    assert run(frame, code) == "({'text': ['one', '', ''], 'n': [1, 2, 3]}, 'n: 2')"


def test_without_pandas_df_names_the_remedy_and_rows_are_there() -> None:
    code = """
try:
    context.df
except AttributeError as error:
    answer["content"] = f"{error} {sum(d['metadata'].get('n', 0) for d in context)}"
    answer["ready"] = True
"""
    answer = run(FRAME, code, sandbox="process")
    assert 'sandbox=ProcessSandbox(imports=["pandas"])' in answer
    assert answer.endswith(" 8")


@pytest.mark.parametrize("held", [False, True])
def test_rows_are_told_from_what_a_call_brought_beside_them(held: bool) -> None:
    rows = [{"n": n, "pad": "x" * (2_000 if held else 1)} for n in range(200 if held else 3)]
    corpus = Corpus.of(rows).preceded_by([Document("message-1", "long", {"role": "user"})])
    code = 'answer["content"] = f\'{len(context)} {len(context.df)} {context.df.n.sum()}\'\nanswer["ready"] = True'
    count = len(rows)
    assert run(corpus, code) == f"{count + 1} {count} {count * (count - 1) // 2}"
    twice = Corpus([Document("hit", "found")], join_to=corpus)  # as where a retriever stands beside a call's own
    assert run(twice, code) == f"{count + 2} {count} {count * (count - 1) // 2}"


@pytest.mark.parametrize("sandbox", ["process", "wasi"])
def test_chunks_and_sub_calls_read_a_row_once(sandbox: str) -> None:
    code = """
(chunk,) = chunks()
assert chunk.startswith("[document row-0]\\ncity: Rome\\nn: 1\\nday: 2024-05-01\\nok: True\\n\\n[document row-1]")
answer["content"] = llm_query("Read.", context[1])
answer["ready"] = True
"""
    sub = ScriptedModel(["read"])
    assert run(FRAME, code, sandbox=sandbox, sub_llm=sub) == "read"
    assert sub.requests[0][-1].content.endswith("[document row-1]\ncity: Oslo\nday: 2024-05-02\nok: False")


def test_a_child_over_rows_has_a_table_too() -> None:
    child = 'answer["content"] = str(context.df.n.sum())\nanswer["ready"] = True'
    sub = ScriptedModel([f"```repl\n{child}\n```"])
    code = 'answer["content"] = rlm_query("Sum n.", context[2:])\nanswer["ready"] = True'
    model = ScriptedModel([f"```repl\n{code}\n```"])
    engine = RLMEngine(model, sub_llm=sub, sandbox=WITH_PANDAS, limits={"max_depth": 2, "inline_chars": 0})
    assert engine.run("Q", FRAME).answer == "7"


def test_citations_are_those_of_rows() -> None:
    code = 'cite("city: Oslo", "row-1")\nanswer["content"] = "Oslo"\nanswer["ready"] = True'
    model = ScriptedModel([f"```repl\n{code}\n```"])
    (citation,) = RLMEngine(model, limits={"inline_chars": 0}).run("Q", FRAME).citations
    assert (citation.document_id, citation.start_index) == ("row-1", 0)
