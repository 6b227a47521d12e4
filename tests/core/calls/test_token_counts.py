"""Tokens that a server does not count, and counts that cannot be true."""

from __future__ import annotations

import base64
import inspect
import random
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import llama_index.core
import pytest
import tiktoken

from rlm_integrations import RLMEngine
from rlm_integrations.core.calls.token_counts import (
    prompt_chars,
    silently_cut,
    with_estimates,
)
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel

ASKED = [Message("system", "s" * 10), Message("user", "u" * 31)]
LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000))
LOOK = "```repl\nprint(context[:4_000])\n```"
DONE = "```repl\nFINAL('done')\n```"


def silent(*replies: str) -> ScriptedModel:
    """A model whose server reports no usage."""
    return ScriptedModel([Completion(reply, Usage(), "silent") for reply in replies])


def test_a_call_without_counts_is_estimated_at_four_characters_a_token() -> None:
    usage = with_estimates(Completion("x" * 9, thoughts="y" * 3), ASKED)
    assert usage == Usage(input_tokens=11, output_tokens=3, estimated_tokens=14)


def test_a_prompt_without_a_count_is_estimated_beside_a_reply_with_one() -> None:
    usage = with_estimates(Completion("x" * 9, Usage(output_tokens=7, cost_usd=0.5)), ASKED)
    assert usage == Usage(input_tokens=11, output_tokens=7, estimated_tokens=11, cost_usd=0.5)


def test_what_a_server_counts_is_left_as_it_is() -> None:
    counted = Usage(input_tokens=3, cached_tokens=2)
    assert with_estimates(Completion("x" * 9, counted), ASKED) == counted
    assert (counted + Usage(estimated_tokens=4, input_tokens=4)).estimated_tokens == 4


def test_a_limit_of_tokens_holds_where_none_are_reported() -> None:
    def look(messages: Sequence[Message]) -> Completion:
        last_call = "You have reached" in messages[-1].content
        return Completion("as far as I saw" if last_call else LOOK, Usage(), "silent")

    root = ScriptedModel(always=look)
    result = RLMEngine(root, limits={"max_total_tokens": 10_000}).run("?", LONG)
    assert result.stop_reason == "max_total_tokens"
    asked = [sum(len(message.content) for message in request) for request in root.requests[:-1]]
    assert 10_000 <= (sum(asked) + len(LOOK) * len(asked)) / 4 + 2 * len(asked) <= 15_000
    assert result.usage.estimated_tokens == result.usage.total_tokens > 10_000


def test_the_sub_calls_of_a_silent_server_are_counted_too_and_one_warning_is_given_for_all() -> None:
    def echo(messages: Sequence[Message]) -> Completion:
        return Completion("x" * 40, Usage(), "silent")

    root = silent("```repl\nllm_query_batched(['a' * 4_000] * 6)\nprint(context[:100])\n```", DONE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = RLMEngine(root, sub_llm=ScriptedModel(always=echo)).run("?", LONG)
    assert result.trace.sub_usage.estimated_tokens > 6 * 1_010
    [warning] = result.trace.warnings
    assert "estimated" in warning
    assert [str(each.message) for each in caught] == [warning]
    assert result.report(trace="summary")["trace"]["warnings"] == [warning]


def test_a_filter_that_makes_errors_of_warnings_does_not_end_the_run() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RLMEngine(silent(DONE)).run("?", LONG).answer == "done"


@pytest.mark.parametrize("usage", [Usage(input_tokens=900, output_tokens=9)])
def test_a_server_that_counts_gives_no_warning(usage: Usage) -> None:
    result = RLMEngine(ScriptedModel([LOOK, DONE], usage=usage)).run("?", LONG)
    assert result.trace.warnings == []
    assert result.usage.estimated_tokens == 0


WORDS = "The lease of the northern plot ends in March, and nobody has asked the committee to extend it since then. "
CHINESE = "北侧地块的租约将于三月到期,此后没有人要求委员会延长租约。管理员在五月的记录中提到了水泵和围栏的费用。"
TEXTS = {
    "English": WORDS * 300,
    "German": "Die Grundstücksverkehrsgenehmigungszuständigkeitsübertragungsverordnung gilt seit heute fort. " * 300,
    "Chinese": CHINESE * 500,
    "Thai": "สัญญาเช่าที่ดินทางทิศเหนือจะสิ้นสุดในเดือนมีนาคมและไม่มีใครขอขยายเวลา" * 300,
    "code": inspect.getsource(re) * 3 + inspect.getsource(random),
    "deep code": "\n".join(" " * 60 + f"return value_{n}" for n in range(400)),
    "base64": base64.b64encode(random.Random(7).randbytes(20_000)).decode(),
    "spaces": "a table of" + " " * 30_000 + "nothing at all",
    "lines": "\n" * 30_000,
    "rules": ("=" * 120 + "\n") * 250,
    "markdown table": ("| " + " | ".join(["-" * 40] * 6) + " |\n") * 100,
    "dots": ("Chapter" + "." * 90 + "12\n") * 300,
    "one letter": "a" * 10_000,
    "underscores": "_" * 30_000,
    "zeros": "0" * 30_000,
    "long words": " internationalization" * 1_500,
    "indented json": ("    " * 12 + '"key": [\n' + "    " * 12 + "],\n") * 300,
    "emoji": "😀🎉🚀🌍" * 3_000,
}


def asked_with(text: str) -> list[Message]:
    return [Message("system", "Do the task."), Message("user", text)]


def cut_of(messages: list[Message], completion: Completion) -> str | None:
    return silently_cut(messages, prompt_chars(messages), completion)


@pytest.fixture(params=["cl100k_base", "o200k_base"])
def tokenizer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tiktoken.Encoding:
    """A real one, out of those that llama-index-core brings along."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(Path(llama_index.core.__file__).parent / "_static/tiktoken_cache"))
    return tiktoken.get_encoding(request.param)


@pytest.mark.parametrize("kind", TEXTS)
def test_a_prompt_that_was_read_whole_is_never_taken_for_one_that_was_cut(
    kind: str, tokenizer: tiktoken.Encoding
) -> None:
    read = len(tokenizer.encode(TEXTS[kind], disallowed_special=()))
    assert cut_of(asked_with(TEXTS[kind]), Completion("x", Usage(input_tokens=read))) is None


@pytest.mark.parametrize("kind", ["English", "German", "Chinese", "code"])
def test_a_prompt_of_which_a_small_window_was_read_is_known(kind: str) -> None:
    text = TEXTS[kind]
    cut = cut_of(asked_with(text), Completion("x", Usage(input_tokens=len(text) // 20)))
    assert cut is not None
    assert f"about {len(text) // 20:,} tokens of the prompt's {len(text) + 12:,} characters" in cut


@pytest.mark.parametrize(
    "completion",
    [
        Completion("x", Usage(input_tokens=2_050, cached_tokens=1)),
        Completion("x", Usage(input_tokens=2_050, estimated_tokens=2_050)),
        Completion("x", Usage(), cached=True),
        Completion("x", Usage(input_tokens=10)),
    ],
)
def test_counts_that_prove_nothing_are_no_cut(completion: Completion) -> None:
    assert cut_of(asked_with(WORDS * 2_000), completion) is None
    assert cut_of(asked_with(WORDS * 2_000), Completion("x", Usage(input_tokens=2_050))) is not None


def test_a_sub_call_whose_prompt_was_cut_fails_in_words_and_its_reply_is_kept() -> None:
    usage = Usage(input_tokens=2_050, output_tokens=5)
    sub = ScriptedModel(always=lambda messages: Completion("None is mentioned.", usage))
    root = ScriptedModel(["```repl\nr = llm_query_batched(['entry of a branch. ' * 4_700, 'short'])\n```", DONE])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = RLMEngine(root, sub_llm=sub).run("?", LONG)
    told = root.requests[1][-1].content
    assert "1 of 2 sub-calls failed, at index 0" in told
    assert "read only about 2,050 tokens of the prompt's 89," in told
    assert "send pieces of at most 6,150 characters" in told
    cut, whole = sorted(result.trace.executions[0].sub_calls, key=lambda call: call.index or 0)
    assert (cut.reply, whole.error) == ("None is mentioned.", None)
    assert len(sub.requests) == 2
    assert len(caught) == len(result.trace.warnings) == 1
    assert "max_input_tokens" in result.trace.warnings[0]


def test_a_root_prompt_that_was_cut_is_warned_of_once_and_the_run_goes_on() -> None:
    root = ScriptedModel([LOOK.replace("4_000", "8_000")] * 5 + [DONE], usage=Usage(input_tokens=300, output_tokens=9))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = RLMEngine(root).run("?", LONG)
    assert result.answer == "done"
    [warning] = result.trace.warnings
    assert re.search(r"llm: in iteration \d the server read only about 300 tokens .* num_ctx", warning)
    assert [str(each.message) for each in caught] == [warning]
