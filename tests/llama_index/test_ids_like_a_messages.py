"""Documents of the user's whose ids are those that overlong messages would have: the messages' give way."""

from __future__ import annotations

import pytest
from llama_index.core import Document

from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM

CITE = (
    "```repl\nfor d in context:\n    cite(d['text'][-9:], d['id'])\n"
    "answer['content'] = repr([d['id'] for d in context])\nanswer['ready'] = True\n```"
)
LONG = "What was the rent, of all that " + "the clerk wrote down " * 300 + "in May?"


@pytest.mark.parametrize("path", ["sync", "async"])
async def test_the_source_is_the_document(path: str) -> None:
    letter = Document(text="The rent was seven crowns.", doc_id="message-1")
    engine = RLMQueryEngine.from_documents([letter], llm=ScriptedLLM([CITE]), limits={"message_chars": 5_000})
    response = engine.query(LONG) if path == "sync" else await engine.aquery(LONG)
    assert str(response) == "['message-1#2', 'message-1']"
    (source,) = response.source_nodes
    assert (source.node.node_id, source.text) == ("message-1", letter.text)
    of_message, of_letter = response.metadata["rlm"]["citations"]
    assert [place["node_id"] for place in of_letter["nodes"]] == ["message-1"]
    assert of_message["nodes"] == []
