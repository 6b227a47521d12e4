from __future__ import annotations

import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rlm_integrations import Document, Image, LanguageModel, RLMEngine
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.prompts.texts import first_message, sub_call_messages
from rlm_integrations.core.run.journalled import model_words
from rlm_integrations.core.trace.run_errors import RunError
from rlm_integrations.core.usage import Usage
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.pricing.genai import GenaiPricing
from rlm_integrations.testing import Recorder, ReplayingModel, ScriptedModel, ScriptExhausted
from rlm_integrations.testing.recording import question_of


def root_request(question: str, *replies: str, context: str = "`context` is 3 documents.") -> list[Message]:
    opening = first_message(context=context, question=question, max_iterations=20, answer_schema=None)
    messages = [Message("system", "You have a REPL."), Message("user", opening)]
    for reply in replies:
        messages += [Message("assistant", reply), Message("user", "Output: ...")]
    return messages


def reader(messages: Sequence[Message]) -> Completion:
    text = messages[-1].content
    return Completion(
        f"reply to {len(text)} {text[:20]} after {len(messages)}", Usage(input_tokens=3, cost_usd=0.1), "m"
    )


@pytest.fixture
def requests() -> list[list[Message]]:
    long = "long prompt " * 1_000
    return [
        root_request("How many?"),
        root_request("How many?", "```repl\n1\n```"),
        root_request("How many in\n\nall?"),
        list(sub_call_messages("Is it red?")),
        list(sub_call_messages("Привет {name} \x00 \U0001f600")),
        list(sub_call_messages(long)),
        list(sub_call_messages(long + "!")),
    ]


@pytest.fixture
def recording(requests: list[list[Message]], tmp_path: Path) -> Path:
    path = tmp_path / "conversation.jsonl"
    recorder = Recorder(ScriptedModel(always=reader), path)
    for request in requests:
        recorder.complete_sync(request)
    return path


async def test_what_was_recorded_is_replayed_in_any_order_with_usage_and_model(
    recording: Path, requests: list[list[Message]]
) -> None:
    shuffled = random.Random(5).sample(requests, len(requests))
    with ReplayingModel.from_file(recording) as model:
        for request in shuffled[:3]:
            assert await model.complete(request) == reader(request)
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(model.complete_sync, shuffled[3:])) == [reader(request) for request in shuffled[3:]]


def test_a_root_reply_is_found_after_the_prompts_were_reworded(recording: Path) -> None:
    model = ReplayingModel.from_file(recording)
    reworded = root_request("How many?", "another reply", context="`context` holds\n\nQuestion:\nmore than that.")
    assert model.complete_sync(reworded) == reader(root_request("How many?", "```repl\n1\n```"))


def test_long_prompts_are_kept_as_a_digest(recording: Path) -> None:
    records = [json.loads(line) for line in recording.read_text("utf-8").splitlines()]
    assert [("prompt" in record, "prompt_sha256" in record) for record in records if record["role"] == "sub"] == [
        (True, False),
        (True, False),
        (False, True),
        (False, True),
    ]
    assert recording.stat().st_size < 4_000


async def test_the_recorder_appends_and_keeps_what_the_model_says_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "conversation.jsonl"
    first, second = ScriptedModel(["a"], max_input_tokens=50), ScriptedModel(["b"])
    assert Recorder(first, path).max_input_tokens == 50
    await Recorder(first, path).complete(root_request("q"))
    await Recorder(second, path).complete(sub_call_messages("p"))
    model = ReplayingModel.from_file(path)
    assert model.complete_sync(sub_call_messages("p")).text == "b"
    assert model.complete_sync(root_request("q")).text == "a"


def test_how_a_reply_ended_and_what_was_thought_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "conversation.jsonl"
    cut = Completion("It is", Usage(output_tokens=9), "m", "length", "hm")
    Recorder(ScriptedModel([cut]), path).complete_sync(root_request("How many?"))
    assert ReplayingModel.from_file(path).complete_sync(root_request("How many?")) == cut


def test_sub_calls_to_a_model_without_a_system_role_are_recorded_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "conversation.jsonl"

    def folding(messages: Sequence[Message]) -> str:
        if messages[0].role == "system":
            raise ValueError("System role not supported")
        asked = messages[-1].content
        return "yes" if asked.endswith("Is it red?") else "```repl\nFINAL(llm_query('Is it red?'))\n```"

    assert RLMEngine(Recorder(ScriptedModel(always=folding), path)).run("Red?", "a line\n" * 5_000).answer == "yes"
    with ReplayingModel.from_file(path) as replayed:
        assert RLMEngine(replayed).run("Red?", "a line\n" * 5_000).answer == "yes"


async def test_a_failed_call_passes_through_unrecorded(tmp_path: Path) -> None:
    recorder = Recorder(ScriptedModel([ConnectionError("down")]), tmp_path / "c.jsonl")
    with pytest.raises(ConnectionError, match="down"):
        await recorder.complete(root_request("q"))
    assert not (tmp_path / "c.jsonl").exists()


def test_a_recorder_is_sync_only_where_its_model_is(tmp_path: Path) -> None:
    class OnlyAsync:
        async def complete(self, messages: Sequence[Message]) -> Completion:
            return reader(messages)

    assert not hasattr(Recorder(OnlyAsync(), tmp_path / "c.jsonl"), "complete_sync")
    assert hasattr(Recorder(ScriptedModel(["a"]), tmp_path / "c.jsonl"), "complete_sync")


def test_a_recorder_is_priced_and_told_apart_as_its_model_is(tmp_path: Path) -> None:
    local = OpenAIModel("gpt-5", base_url="http://localhost:8000/v1", api_key="k")
    recorder, plain = Recorder(local, tmp_path / "c.jsonl"), Recorder(ScriptedModel(["a"]), tmp_path / "c.jsonl")
    assert GenaiPricing(recorder).cost_usd(Usage(input_tokens=1_000), "gpt-5") is None  # it is the user's own server
    assert model_words(recorder) != model_words(Recorder(OpenAIModel("gpt-4", api_key="k"), tmp_path / "c.jsonl"))
    with pytest.raises(InvalidArgumentError, match="what a call of llm costs is unknown"):
        RLMEngine(recorder, limits={"max_cost_usd": 1.0})
    assert not hasattr(plain, "reports_cost")  # which says that its replies show it


def test_several_replies_under_one_key_come_in_turn_and_then_again(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    recorder = Recorder(ScriptedModel(["x", "y"]), path)
    for _ in range(2):
        recorder.complete_sync(sub_call_messages("same"))
    model = ReplayingModel.from_file(path)
    assert [model.complete_sync(sub_call_messages("same")).text for _ in range(5)] == ["x", "y", "x", "y", "x"]


def test_an_unrecorded_sub_call_shows_itself_and_the_nearest_record(recording: Path) -> None:
    model = ReplayingModel.from_file(recording)
    with pytest.raises(
        ScriptExhausted, match=r"no recorded sub reply(.|\n)*Is it blue\?(.|\n)*nearest record: (.|\n)*Is it red\?"
    ):
        model.complete_sync(sub_call_messages("Is it blue?"))
    with pytest.raises(ScriptExhausted, match=r"1 of 1 requests had no record"):
        model.assert_exhausted()


def test_an_unrecorded_turn_of_the_root_is_not_answered_by_another_turn(recording: Path) -> None:
    with pytest.raises(
        ScriptExhausted, match=r"root reply for this request at turn 2(.|\n)*turn \d of the question 'How many\?'"
    ):
        ReplayingModel.from_file(recording).complete_sync(root_request("How many?", "a", "b"))


def test_records_left_over_fail_the_with_block(recording: Path, requests: list[list[Message]]) -> None:
    with (
        pytest.raises(ScriptExhausted, match=r"6 records were not used; the first of them: root, turn 1"),
        ReplayingModel.from_file(recording) as model,
    ):
        model.complete_sync(requests[0])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"role": "root", "question": "q", "turn": 0}', "line 2.*reply"),
        ('{"role": "sub", "reply": "r"}', "line 2.*either prompt or prompt_sha256"),
        ('{"role": "other", "reply": "r"}', "line 2"),
        ("not json", "line 2"),
    ],
)
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"role": "sub", "prompt": "p", "reply": "r"}\n' + line + "\n")
    with pytest.raises(InvalidArgumentError, match=problem):
        ReplayingModel.from_file(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot read the recording"):
        ReplayingModel.from_file(tmp_path / "none.jsonl")


CODE = """```repl
replies = llm_query_batched([f"Is {word} red?" for word in context.split()])
answer["content"] = " ".join(replies)
answer["ready"] = True
```"""


async def test_a_run_is_replayed_from_its_recording_sync_and_async(tmp_path: Path) -> None:
    path, corpus = tmp_path / "c.jsonl", "rose sky ruby " * 3
    sub = ScriptedModel(always=lambda messages: "no" if "sky" in messages[-1].content else "yes")
    root = ScriptedModel(["```repl\nprint(len(context))\n```", CODE])
    engine = RLMEngine(Recorder(root, path), sub_llm=Recorder(sub, path), limits={"inline_chars": 0})
    recorded = await engine.arun("Which are red?", corpus)
    with ReplayingModel.from_file(path) as model:
        replayed = RLMEngine(model, limits={"inline_chars": 0})
        for result in (replayed.run("Which are red?", corpus), await replayed.arun("Which are red?", corpus)):
            assert result.answer == recorded.answer == "yes no yes yes no yes yes no yes"
            assert result.usage == recorded.usage
        assert len(model.requests) == 2 * (2 + 9)
    with pytest.raises(RunError, match="no recorded root reply"):
        replayed.run("Which are blue?", corpus)


def test_a_last_call_below_the_first_message_is_known_by_its_question() -> None:
    first = first_message(context="`context` is a str.", question="How many?", max_iterations=3, answer_schema=None)
    asked = (Message("system", "You answer."), Message("user", f"{first}\n\nYou have reached the limit of 9 s."))
    assert question_of(asked) == "How many?"


def test_sub_calls_are_told_apart_by_their_pictures(tmp_path: Path) -> None:
    path = tmp_path / "conversation.jsonl"
    pictures = [Image(b"\x89PNG\r\n\x1a\n" + bytes([n]), name=f"{n}.png") for n in range(2)]
    context = [Document("a", "A", images=(pictures[0],)), Document("b", "B", images=(pictures[1],))]
    code = """```repl
FINAL(str([llm_query("What?", images=d) for d in context] + [llm_query("What?")]))
```"""

    def see(messages: Sequence[Message]) -> str:
        return ", ".join(image.name for image in messages[-1].images) or "nothing"

    def run(llm: LanguageModel, sub_llm: LanguageModel) -> str:
        return RLMEngine(llm, sub_llm=sub_llm).run("?", context).answer

    seen = run(Recorder(ScriptedModel([code]), path), Recorder(ScriptedModel(always=see), path))
    assert seen == "['0.png', '1.png', 'nothing']"
    assert "PNG" not in path.read_text()
    with ReplayingModel.from_file(path) as replaying:
        assert run(replaying, replaying) == seen
