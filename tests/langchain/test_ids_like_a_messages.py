"""Documents of the user's whose ids are those that overlong messages would have: the messages' give way."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document

from rlm_integrations.langchain import RLMRunnable

CITE = (
    "for d in context:\n    cite(d['text'][-9:], d['id'])\n"
    "answer['content'] = repr([d['id'] for d in context])\nanswer['ready'] = True"
)
LETTER = Document("The rent was seven crowns.", id="message-1")
LONG = "What was the rent, of all that " + "the clerk wrote down " * 300 + "in May?"


@pytest.mark.parametrize("brought", [False, True])
@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_the_source_is_the_document(mode: str, brought: bool, root_model: Any) -> None:
    llm, others = root_model(CITE, CITE), [LETTER, Document("Nothing of note.", id="message-1#2")]
    rlm = RLMRunnable(llm=llm, context=None if brought else others, limits={"message_chars": 5_000})
    asked: Any = {"question": LONG, "context": others} if brought else LONG
    chain = rlm.with_sources()
    given = chain.invoke(asked) if mode == "invoke" else await chain.ainvoke(asked)
    assert given["answer"] == "['message-1#3', 'message-1', 'message-1#2']"
    assert "in the document 'message-1#3' of `context`" in llm.requests[0][-1].content
    assert given["context"][0] is LETTER
    assert given["context"] == others


def test_in_a_session_too(root_model: Any) -> None:
    rlm = RLMRunnable(llm=root_model(CITE), context=[LETTER], limits={"message_chars": 5_000}).with_sources()
    given = rlm.invoke(LONG, {"configurable": {"session_id": "s"}})
    assert given["answer"] == "['message-1#2', 'message-1']"
    assert given["context"] == [LETTER]
