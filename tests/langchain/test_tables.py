"""Tables as the context of a runnable: from the constructor and the call, with and without an event loop."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from rlm_integrations import ProcessSandbox
from rlm_integrations.langchain import RLMRunnable

FRAME = pd.DataFrame({"city": ["Rome", "Oslo"], "n": [1, 2]})
CODE = """answer['content'] = f"{context.df.n.sum()} {context[1]['metadata']} {context.df.dtypes['n']}"
answer['ready'] = True"""
SANDBOX = ProcessSandbox(imports=["pandas"])


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parquet.write_table(pa.Table.from_pandas(FRAME), tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


@pytest.mark.parametrize("form", [FRAME, pa.Table.from_pandas(FRAME), FRAME.to_dict("records"), "path"])
async def test_a_table_is_one_from_the_constructor_and_the_call(form, path, root_model):
    context = path if isinstance(form, str) else form
    beside = f"'file': '{path}', 'row': 2, " if isinstance(form, str) else ""
    expected = f"3 {{{beside}'city': 'Oslo', 'n': 2}} int64"
    made = RLMRunnable(llm=root_model(CODE), context=context, sandbox=SANDBOX)
    brought = RLMRunnable(llm=root_model(CODE, CODE), sandbox=SANDBOX)
    assert (await made.ainvoke("q")).content == expected
    assert (await brought.ainvoke({"question": "q", "context": context})).content == expected
    assert brought.invoke({"question": "q", "context": context}).content == expected


def test_rows_that_an_answer_rests_on_are_given_as_documents(root_model):
    code = "cite('city: Oslo')\nanswer['content'] = 'Oslo'\nanswer['ready'] = True"
    given = RLMRunnable(llm=root_model(code), context=FRAME).with_sources().invoke("q")
    assert [(each.id, each.page_content, each.metadata) for each in given["context"]] == [
        ("row-1", "city: Oslo\nn: 2", {"city": "Oslo", "n": 2})
    ]
