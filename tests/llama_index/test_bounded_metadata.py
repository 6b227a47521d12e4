from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import Document, TextNode

from rlm_integrations import collect_rlm_traces
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.llama_index.response import CITATIONS_CHARS, NODE_CHARS, bounded
from rlm_integrations.testing.llama_index import ScriptedLLM

CITE_ALL = """```repl
for n in range(200):
    cite(context[0]["text"][n : n + 1000], context[0]["id"])
answer["content"] = "done"
answer["ready"] = True
```"""


@given(st.dictionaries(st.text(max_size=50), st.text(max_size=3_000) | st.lists(st.integers()), max_size=40))
def test_a_nodes_metadata_is_whole_where_it_is_short_and_bounded_where_it_is_long(metadata):
    shown = bounded(metadata)
    if len(json.dumps(metadata)) <= NODE_CHARS:
        assert shown == metadata
    else:
        assert sum(len(str(key)) + len(str(value)) for key, value in shown.items()) <= 2 * NODE_CHARS


def test_a_response_carries_no_more_however_much_is_cited_and_however_large_metadata_is():
    text = " ".join(map(str, range(4_000)))
    document = Document(text=text, doc_id="d", metadata={"abstract": "long " * 20_000, "year": 2021})
    document.excluded_llm_metadata_keys = ["abstract"]
    with collect_rlm_traces() as traces:
        response = RLMQueryEngine.from_documents([document], llm=ScriptedLLM([CITE_ALL])).query("?")
    (source,) = response.source_nodes
    assert isinstance(source.node, (Document, TextNode))
    assert source.node.metadata["abstract"] == document.metadata["abstract"]
    shown = response.metadata[source.node.node_id]
    assert shown["year"] == 2021
    assert len(shown["abstract"]) < 1_100
    report = response.metadata["rlm"]
    assert len(json.dumps(report["citations"])) <= CITATIONS_CHARS + 1_000
    assert len(report["citations"]) + report["omitted_citations"] == len(traces[0].citations) > 100
    assert report["citations"][0]["nodes"][0]["node_id"] == source.node.node_id
