"""Pictures that children, retrievers, calls, messages and sessions bring."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rlm_integrations import Corpus, Document, Image, Message, RLMEngine
from rlm_integrations.testing import ScriptedModel

from .letters_with_pictures import ANN, BO, LETTERS, SANDBOXES, png, repl, run, see

CHILD = 'FINAL(llm_query("What is it?", images=[d for d in context if "images" in d]))'


@SANDBOXES
@pytest.mark.parametrize(
    ("piece", "seen"),
    [
        ("context[0]", [ANN]),
        ("'bo'", [BO, ANN]),
        ("search('kettle')", [ANN]),
        ("context", [ANN, BO, ANN, Image(png(4))]),
        ("context[3]", [Image(png(4))]),
        ("[{**context[0], 'text': 'in other words'}]", [ANN]),
        (
            "[{'id': 'new', 'text': 'both', 'images': context[0]['images'] + context[3]['images']}]",
            [ANN, Image(png(4))],
        ),
    ],
)
def test_a_child_has_the_pictures_of_its_documents(sandbox: str, piece: str, seen: list[Image]) -> None:
    def sub(messages: Sequence[Message]) -> str:
        return (
            see(messages) if len(messages) == 2 and "context" not in messages[-1].content else f"```repl\n{CHILD}\n```"
        )

    model = ScriptedModel(always=sub)
    result, _ = run(f"got = rlm_query('What is it?', {piece})", sub_llm=model, limits={"max_depth": 2}, sandbox=sandbox)
    child, seeing = model.requests
    assert "pictures" in child[-1].content
    assert [image.data for image in seeing[-1].images] == [image.data for image in seen]
    assert result.trace.sub_call_count == 2


@pytest.mark.parametrize("sandbox", ["process", "wasi"])
def test_a_child_has_no_other_pictures(sandbox: str) -> None:
    id_of_bo = BO.id
    code = f"try:\n    got = llm_query('?', images=[{{'id': {id_of_bo!r}}}])\nexcept ValueError as e:\n    got = str(e)"
    model = ScriptedModel([f"```repl\n{code}\nFINAL(got)\n```"])
    result, _ = run("got = rlm_query('?', 'ann')", sub_llm=model, limits={"max_depth": 2}, sandbox=sandbox)
    assert result.answer.startswith(f"there is no picture '{id_of_bo}' in this corpus")


def test_pictures_that_are_not_the_parents_reach_no_child() -> None:
    forged = "{'id': 'x', 'text': 'y', 'images': [{'id': 'img-0', 'document_id': 'ann'}]}"
    code = f"try:\n    rlm_query('?', [{forged}])\nexcept Exception as error:\n    got = str(error)"
    result, sub = run(code, limits={"max_depth": 2})
    assert "there is no picture 'img-0' in this corpus" in result.answer
    assert sub.requests == []


class Finder:
    """A retriever whose second hits have pictures."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def retrieve(self, query: str) -> list[Document]:
        self.asked.append(query)
        return [LETTERS[2]] if len(self.asked) == 1 else [LETTERS[0], LETTERS[1]]


@SANDBOXES
def test_what_a_retriever_brings_has_its_pictures(sandbox: str) -> None:
    code = (
        'found = retrieve("lamp")\ngot = llm_query("?", images=found[1]), llm_query("?", images=context[1]["images"])'
    )
    result, sub = run(code, Finder(), sandbox=sandbox)
    assert [[image.data for image in request[-1].images] for request in sub.requests] == [
        [BO.data, ANN.data],
        [ANN.data],
    ]
    assert set(result.sources) >= {"ann", "bo"}


def test_documents_of_a_call_and_of_the_engine_keep_their_pictures_under_new_ids() -> None:
    base = Corpus.of(LETTERS * 30)
    joined = base.preceded_by([Document("ann", "Another.", {}, (BO,))])
    code = 'got = [llm_query("?", images=d) for d in context[:2]], [d["images"][0]["document_id"] for d in context[:2]]'
    result, sub = run(code, joined)
    assert [request[-1].images[0].data for request in sub.requests] == [BO.data, ANN.data]
    assert result.answer.endswith(f"{[document.id for document in joined.documents[:2]]})")
    assert result.sources == tuple(document.id for document in joined.documents[:2])


def test_a_message_with_pictures_is_a_document() -> None:
    code = 'd = context[0]\ngot = d["id"], llm_query("What is it?", images=d), len(context)'
    question = [Message("user", "What is on this picture?", images=(ANN,))]
    for context, count in ((None, 1), (LETTERS, 5)):
        sub = ScriptedModel(always=see)
        with ScriptedModel([repl(code)]) as llm:
            result = RLMEngine(llm, sub_llm=sub).run(question, context)
            first = llm.requests[0]
        assert all(not message.images for message in first)
        assert "[This message has 1 picture, in document 'message-1' of `context`.]" in first[-1].content
        assert result.answer == str(("message-1", "I see kettle.png", count))


def test_in_a_session_a_message_brings_its_pictures_once() -> None:
    code = 'got = [(d["id"], len(d.get("images", []))) for d in context]'
    with ScriptedModel([repl(code)] * 3) as llm:
        session = RLMEngine(llm, sub_llm=ScriptedModel(always=see)).session("One text.")
        asked = [Message("user", "And this?", images=(ANN,))]
        answers = [session.ask(asked).answer, session.ask(asked).answer]
        answers.append(session.ask([Message("user", "And this?", images=(BO,))]).answer)
        session.close()
    one, two = [("message-1", 1), ("context", 0)], [("question-3-message-1", 1), ("message-1", 1), ("context", 0)]
    assert [sorted(eval(answer)) for answer in answers] == [sorted(one), sorted(one), sorted(two)]
