"""Pictures in a run: code has handles, sub-LMs see the pictures, and the trace says which."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from rlm_integrations import Completion, Corpus, Document, Image, Message, RLMEngine, RLMTrace, ToolCall
from rlm_integrations.core.calls.token_counts import with_estimates
from rlm_integrations.core.trace.summary import SUMMARY_BYTES, summarise
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.wire.images import MAX_IMAGES, MAX_IMAGES_BYTES

from .letters_with_pictures import ANN, BO, LETTERS, SANDBOXES, png, repl, run, see


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
