"""Pictures in a run: code has handles, sub-LMs see the pictures, and the trace says which."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import Completion, Corpus, Document, Image, Message, RLMEngine, RLMResult, RLMTrace, ToolCall
from rlm_integrations.core.calls.token_counts import with_estimates
from rlm_integrations.core.trace.summary import SUMMARY_BYTES, summarise
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.wire.images import MAX_IMAGES, MAX_IMAGES_BYTES


def png(seed: int = 0) -> bytes:
    """Begins as a PNG does; another for each seed."""
    return b"\x89PNG\r\n\x1a\n" + seed.to_bytes(4, "big")


ANN, BO = Image(png(1), name="kettle.png"), Image(png(2), name="lamp.png")
LETTERS = [
    Document("ann", "The kettle leaks, see the picture.", {}, (ANN,)),
    Document("bo", "Two pictures of the lamp.", {"year": 2021}, (BO, ANN)),
    Document("cy", "No picture."),
    Document("scan", "", {}, (Image(png(4), name="scan.png"),)),
]


def repl(code: str) -> str:
    return f"```repl\n{code}\nFINAL(str(got))\n```"


def see(messages: Sequence[Message]) -> str:
    return f"I see {', '.join(image.name for image in messages[-1].images) or 'nothing'}"


def run(
    code: str, context: Any = LETTERS, sub_llm: ScriptedModel | None = None, **options: Any
) -> tuple[RLMResult[str], ScriptedModel]:
    """The result of a run whose root LM runs this code and answers with its `got`, and its sub-LM."""
    sub = sub_llm or ScriptedModel(always=see)
    with ScriptedModel([repl(code)]) as llm:
        return RLMEngine(llm, sub_llm=sub, **options).run("What is broken?", context), sub


SANDBOXES = pytest.mark.parametrize("sandbox", ["process", "wasi"])


@SANDBOXES
def test_a_sub_lm_sees_the_picture_that_code_names(sandbox: str) -> None:
    code = f"""
first, second, third, scan = context
assert first["images"] == [{{"id": {ANN.id!r}, "name": "kettle.png", "mime_type": "image/png",
                            "bytes": {len(ANN.data)}, "document_id": "ann"}}], first
assert "images" not in third
got = [llm_query("What is it?", images=first["images"][0]), llm_query("These?", third, images=second["images"]),
       llm_query("All?", images=[first, "bo", search("kettle")[0]]), llm_query("None?"),
       llm_query("None?", images=[]), llm_query("Scan?", images=scan)]
"""
    result, sub = run(code, sandbox=sandbox)
    seen = [tuple(image.data for image in request[-1].images) for request in sub.requests]
    assert seen == [
        (ANN.data,),
        (BO.data, ANN.data),
        (ANN.data, BO.data, ANN.data, ANN.data),
        (),
        (),
        (png(4),),
    ]
    assert "I see lamp.png, kettle.png" in result.answer
    assert all(not message.images for request in sub.requests for message in request if message.role != "user")


@SANDBOXES
def test_a_batch_takes_pairs_of_prompt_and_pictures(sandbox: str) -> None:
    code = 'got = llm_query_batched(["What?", *[(d["id"], d.get("images")) for d in context], ("x", context[1])])'
    result, sub = run(code, sandbox=sandbox)
    assert result.answer == str(
        [
            *("I see nothing", "I see kettle.png", "I see lamp.png, kettle.png", "I see nothing", "I see scan.png"),
            "I see lamp.png, kettle.png",
        ]
    )
    assert len(sub.requests) == 6


WRONG = {
    'llm_query("?", images="/etc/passwd")': "TypeError: images 0 is '/etc/passwd', which is no picture",
    'llm_query("?", images=["http://x.y/z.png"])': "TypeError: images 0 is 'http://x.y/z.png', which is no picture",
    'llm_query("?", images=b"data")': "TypeError: images 0 is int, which is no picture",
    'llm_query("?", images=[3])': "TypeError: images 0 is int, which is no picture",
    'llm_query("?", images=[{"url": "http://x.y/z.png"}])': "TypeError: images 0 is dict, which is no picture",
    'llm_query("?", images=[{"id": 3}])': "TypeError: images 0 is dict, which is no picture",
    'llm_query("?", images=context[2])': "ValueError: images 0: the document 'cy' has no pictures",
    'llm_query("?", images=[{"id": "img-0123"}])': "ValueError: there is no picture 'img-0123' in this corpus",
    'llm_query("?", images=[{"id": "ann"}])': "ValueError: there is no picture 'ann' in this corpus",
    'llm_query("?", images=context[0]["images"] * 21)': (
        f"ValueError: images: 21 pictures; a sub-call takes {MAX_IMAGES}"
    ),
    'llm_query("?", images=context[0]["images"] * 100_000)': "ValueError: images: 100,000 pictures",
    'llm_query_batched([("?", "bo"), ("?", [9])])': "TypeError: prompt 1: image 0 is int, which is no picture",
}


@SANDBOXES
def test_what_is_no_picture_of_the_corpus_is_refused_and_nothing_is_sent(sandbox: str) -> None:
    said = "except Exception as error:\n    got.append(type(error).__name__ + ': ' + str(error))"
    code = "got = []\n" + "\n".join(f"try:\n    got.append({call})\n{said}" for call in WRONG)
    result, sub = run(code, sandbox=sandbox)
    for said, (call, words) in zip(ast.literal_eval(result.answer), WRONG.items(), strict=True):
        assert said.startswith(words), call
        assert "nothing was sent" in said, call
    assert sub.requests == []


def test_a_handle_that_code_wrote_into_changes_nothing() -> None:
    code = """
handle = dict(context[0]["images"][0])
handle |= {"name": "other.png", "mime_type": "text/html", "bytes": 1, "document_id": "cy", "data": "PHN2Zz4="}
context[0]["images"].append({"id": context[1]["images"][0]["id"]})
got = [llm_query("?", images=[handle]), llm_query("?", images=context[0])]
"""
    result, sub = run(code)
    assert [[image.data for image in request[-1].images] for request in sub.requests] == [
        [ANN.data],
        [ANN.data, BO.data],
    ]
    assert result.answer == "['I see kettle.png', 'I see kettle.png, lamp.png']"


def test_pictures_that_are_too_large_together_are_refused() -> None:
    large = [Image(png(n) + bytes(MAX_IMAGES_BYTES // 2), name=f"{n}.png") for n in range(2)]
    code = """
try:
    llm_query("?", images=context[0])
except ValueError as error:
    got = str(error), llm_query("?", images=context[0]["images"][:1])
"""
    result, sub = run(code, [Document("a", "text", {}, tuple(large))])
    assert "bytes; a sub-call takes 20,000,000 in all; nothing was sent" in result.answer
    assert [len(request[-1].images) for request in sub.requests] == [1]


def test_handles_are_all_that_a_repl_holds() -> None:
    """However large the pictures are, what crosses the border is as small."""
    documents = [Document(f"d{n}", "text", {}, (Image(png(n) + bytes(2_000_000), name="big.png"),)) for n in range(60)]
    result, _ = run("got = len(str(context))", documents)
    assert int(result.answer) < 60 * 300


def test_the_trace_says_which_pictures_were_sent_and_holds_none(tmp_path: Path) -> None:
    large = Image(png(7) + bytes(500_000), name="large.png")
    code = 'got = llm_query("What is in it?", images=context[1])'
    result, _ = run(code, [Document("a", "An apple."), Document("b", "A banana.", {}, (large,))])
    (call,) = result.trace.executions[0].sub_calls
    (image,) = call.images
    assert (image.name, image.mime_type, image.bytes, image.document_id) == (
        *("large.png", "image/png", len(large.data)),
        "b",
    )
    assert result.sources == ("b",)
    written = result.trace.model_dump_json()
    assert len(written) < 20_000
    assert RLMTrace.model_validate_json(written) == result.trace


def test_a_picture_of_several_documents_counts_for_the_one_it_was_taken_from() -> None:
    for place, name in ((0, "ann"), (1, "bo")):
        handle = f'[i for i in context[{place}]["images"] if i["name"] == "kettle.png"]'
        result, _ = run(f'got = llm_query("?", images={handle})')
        assert result.sources == (name,)


def test_a_sub_lm_that_sees_none_is_asked_nothing() -> None:
    blind = ScriptedModel(always=see, sees_images=False)
    code = "try:\n    llm_query('?', images=context[0])\nexcept ValueError as error:\n    got = str(error)"
    with ScriptedModel([repl(code)]) as llm:
        result = RLMEngine(llm, sub_llm=blind).run("?", LETTERS)
        assert "the sub-LM takes no pictures" in llm.requests[0][-1].content
    assert result.answer.startswith("the sub-LM of this run takes no pictures, only text; nothing was sent")
    assert blind.requests == []


def test_what_the_provider_says_is_the_error_of_the_sub_call() -> None:
    def refuse(messages: Sequence[Message]) -> str:
        raise ValueError("this model does not support image input")

    code = "got = llm_query_batched([('?', context[0])])[0].error"
    result, _ = run(code, sub_llm=ScriptedModel(always=refuse))
    assert result.answer == "ValueError: this model does not support image input"


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


def test_sub_lms_with_tools_see_them_too() -> None:
    def lens(part: str) -> str:
        """Looks closer."""
        return f"closer: {part}"

    replies = [Completion("", tool_calls=(ToolCall("lens", json.dumps({"part": "spout"}), "c1"),)), see]
    sub = ScriptedModel(replies)
    code = 'got = llm_query("?", images=context[0])'
    with ScriptedModel([repl(code)]) as llm:
        result = RLMEngine(llm, sub_llm=sub, sub_tools=[lens]).run("?", LETTERS)
    first, second = sub.requests
    assert first[-1].images == (ANN,)
    assert next(message.images for message in second if message.role == "user") == (ANN,)
    assert result.trace.executions[0].sub_calls[0].images[0].name == "kettle.png"


def test_a_reply_without_counted_tokens_counts_its_pictures() -> None:
    text = with_estimates(Completion("a reply"), [Message("user", "x" * 400)])
    pictured = with_estimates(Completion("a reply"), [Message("user", "x" * 400, images=(ANN, BO))])
    assert (text.input_tokens, pictured.input_tokens) == (100, 2_100)


@SANDBOXES
@pytest.mark.parametrize("inline_chars", [0, 8_000])
def test_documents_may_be_nothing_but_pictures(sandbox: str, inline_chars: int) -> None:
    scans = [Document(f"scan-{n}", "", {}, (Image(png(n), name=f"{n}.png"),)) for n in range(3)]
    code = """
found = search("x"), chunks(), [d["text"] for d in context], llm_reduce("What?", context)
got = llm_query_batched([("What is it?", d) for d in context]), found[2]
"""
    result, _ = run(code, scans, sandbox=sandbox, limits={"inline_chars": inline_chars})
    assert result.answer == str((["I see 0.png", "I see 1.png", "I see 2.png"], ["", "", ""]))
    assert result.sources == ("scan-0", "scan-1", "scan-2")


def test_one_bad_picture_of_a_batch_fails_its_own_call_and_costs_nothing() -> None:
    code = 'got = llm_query_batched([("?", [{"id": "img-0"}]), ("?", "ann")]), llm_query_batched(["a", "b", "c"])'
    result, sub = run(code, limits={"max_sub_calls": 5})
    assert "sub-call failed: there is no picture" in result.answer
    assert "I see kettle.png" in result.answer
    assert len(sub.requests) == 4
    assert result.trace.sub_call_count == 4


def test_a_shared_corpus_is_not_copied_for_its_pictures() -> None:
    """Runs side by side over one corpus see the same pictures."""
    corpus = Corpus.of(LETTERS * 20)
    for _ in range(3):
        _, sub = run('got = llm_query("?", images=context[-3])', corpus)
        assert sub.requests[0][-1].images[0] is BO


def test_a_summary_of_a_trace_stays_small_with_many_pictures() -> None:
    long = [Document("d" * 5_000, "text", {}, (Image(png(), name="n" * 150),))]
    result, _ = run('got = len(llm_query_batched([("?", [context[0]] * 20)] * 40))', long)
    summary = summarise(result.trace)
    assert len(result.trace.executions[0].sub_calls[0].images) == 20
    assert len(summary.model_dump_json()) <= SUMMARY_BYTES
    short, _ = run('got = llm_query("?", images=context[1])')
    assert [image.name for image in summarise(short.trace).executions[0].sub_calls[0].images] == [
        "lamp.png",
        "kettle.png",
    ]
