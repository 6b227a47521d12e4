"""A prompt with its documents stuffed in is a corpus at any size: code can search it, and cite it."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from rlm_integrations import RLMTrace
from rlm_integrations.langchain import RLMRunnable

FACT = "The kiln was lit on Monday, and Ada baked bread in it."
CITE = 'cite("The kiln was lit on Monday")\nanswer["content"] = str(len(context))\nanswer["ready"] = True'
PROMPTS = {
    "one message": ChatPromptTemplate.from_template("Answer from the context.\n{context}\n\nQuestion: {question}"),
    "system and user": ChatPromptTemplate.from_messages(
        [("system", "Answer from the context.\n{context}"), ("human", "{question}")]
    ),
}


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("filler", [4, 100, 800], ids=["300 characters", "5,500", "44,000"])
@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
async def test_what_a_classic_chain_stuffs_in_can_be_cited_at_any_size(prompt, filler, mode, root_model):
    found = [Document(FACT), *[Document(f"Letter {n} came, and was put away with others.") for n in range(filler)]]
    chain = (
        {
            "context": RunnableLambda(lambda _: found) | (lambda docs: "\n\n".join(doc.page_content for doc in docs)),
            "question": RunnablePassthrough(),
        }
        | prompt
        | RLMRunnable(llm=root_model(CITE))
    )
    message = chain.invoke("When was it lit?") if mode == "sync" else await chain.ainvoke("When was it lit?")
    (cited,) = message.response_metadata["rlm"]["citations"]
    assert (message.content, cited["cited_text"]) == ("1", "The kiln was lit on Monday")
    assert RLMTrace.of(message).context.startswith("1 document, ")


def test_the_text_is_sent_once_and_prose_is_still_an_answer(root_model):
    llm = root_model("say:On Monday.")
    stuffed = f"{FACT} " * 100
    message = RLMRunnable(llm=llm).invoke([HumanMessage(f"{stuffed}\n\nWhen?")])
    assert (message.content, message.response_metadata["rlm"]["stop_reason"]) == ("On Monday.", "plain_reply")
    sent = "".join(each.content for each in llm.requests[0])
    assert sent.count(FACT) == 100
    assert "`context` is 1 document: 'message-1'" in sent


def test_a_plain_question_has_no_corpus_and_one_that_was_given_stays_alone(root_model):
    llm = root_model("say:x", "say:x")
    RLMRunnable(llm=llm).invoke([HumanMessage("When was the kiln lit?")])
    assert "There is no corpus" in llm.requests[0][-1].content
    count = "answer['content'] = str([d['id'] for d in context])\nanswer['ready'] = True"
    rlm = RLMRunnable(llm=root_model(count), context=[Document("given", id="g")])
    assert rlm.invoke(f"{FACT} " * 20).content == "['g']"


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("filler", [0, 800], ids=["short", "long"])
@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
async def test_documents_that_no_formatter_joined_are_warned_of(prompt, filler, mode, root_model):
    found = [Document(FACT, metadata={"page": 1}), *[Document(f"Letter {n}") for n in range(filler)]]
    rlm = RLMRunnable(llm=root_model("answer['content'] = 'Monday'\nanswer['ready'] = True"))
    chain = {"context": RunnableLambda(lambda _: found), "question": RunnablePassthrough()} | prompt | rlm
    with pytest.warns(
        RuntimeWarning, match=r"question: holds documents as Python shows them \(“\[Document\("
    ) as caught:
        message = chain.invoke("When was it lit?") if mode == "sync" else await chain.ainvoke("When was it lit?")
    [warning] = RLMTrace.of(message).warnings
    assert [str(each.message) for each in caught] == [warning]
    assert "join their texts, as" in warning
    assert "the objects themselves as the context" in warning


@pytest.mark.parametrize(
    "prompt",
    [
        f"Summarise: {Document(FACT, metadata={'page': 1})}",
        "\n".join(str(Document(text, metadata={"page": 1})) for text in (FACT, "It's out.")),
        str((Document("a", id="x"), Document("b", id="y"))),
    ],
)
def test_so_are_those_that_were_formatted_into_a_question(prompt, root_model):
    with pytest.warns(RuntimeWarning, match="question: holds documents as Python shows them"):
        RLMRunnable(llm=root_model("say:Monday")).invoke(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        'What does `Document(page_content="x", metadata={"page": 1})` make?',
        "docs = [\n    Document(\n        page_content='x',\n        metadata={},\n    )\n]\nWhat does this do?",
        "See [Document (1)] and [Documents] of page_content.",
    ],
)
def test_code_and_prose_that_speak_of_documents_are_no_reprs(prompt, root_model, recwarn):
    RLMRunnable(llm=root_model("say:x")).invoke(prompt)
    assert list(recwarn) == []
