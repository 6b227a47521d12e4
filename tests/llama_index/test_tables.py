"""Tables as the corpus of a query engine."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from rlm_integrations import ProcessSandbox
from rlm_integrations.llama_index import RLMQueryEngine

FRAME = pd.DataFrame({"city": ["Rome", "Oslo"], "n": [1, 2]})
CODE = """```repl
cite("city: Oslo")
answer["content"] = f"{context.df.n.sum()} {context[1]['metadata']}"
answer["ready"] = True
```"""


@pytest.mark.parametrize("form", [FRAME, pa.Table.from_pandas(FRAME), FRAME.to_dict("records")])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_rows_are_read_and_given_as_source_nodes(form, asynchronous, scripted):
    options = {"llm": scripted([CODE]), "sandbox": ProcessSandbox(imports=["pandas"])}
    engine = RLMQueryEngine.from_documents(form, **options)
    response = await engine.aquery("q") if asynchronous else engine.query("q")
    assert response.response == "3 {'city': 'Oslo', 'n': 2}"
    assert [node.node.get_content() for node in response.source_nodes][:1] == ["city: Oslo\nn: 2"]
